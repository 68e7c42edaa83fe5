// SPDX-License-Identifier: MPL-2.0

//! Both eyes in one picture, as a visual sample entry states it: `st3d` (Spherical Video V2 RFC, "Stereoscopic 3D Video Box").

use super::sample_entry;
use crate::SampleEntry;

/// Where the mode is, behind the header, the version and the flags.
const MODE: usize = 12;

impl SampleEntry {
    /// Returns the mode of the entry of a video: 0 for one picture, 1 for the left eye above the right one, 2 for the left eye left of it, 4 for the right eye
    /// left of the left one. `None` where none is stated.
    pub fn stereo_mode(&self) -> Option<u8> {
        let boxes = sample_entry::boxes(&self.bytes);
        let (_, bytes) = boxes.into_iter().find(|(kind, _)| kind == b"st3d")?;
        bytes.get(MODE).copied()
    }
}
