// SPDX-License-Identifier: MPL-2.0

//! Whether the pictures of a clip that was recorded on its side are turned, or the output says that players do it.

use std::path::Path;

use super::{output_name, scan::Scan};
use crate::media::{element::Compare, orientation::Orientation};

/// What happens to the orientation of a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turning {
    /// By what frames are turned before they are restored.
    pub frames: Orientation,
    /// By what players turn the restored frames.
    pub output: Orientation,
}

impl Turning {
    /// MP4 keeps the orientation; GStreamer 1.22 writes none into other containers. A comparison is one of the pictures that people see.
    pub fn of(scan: &Scan, output: &Path, compare: Compare) -> Self {
        let orientation = scan.orientation.unwrap_or_default();
        if output_name::is_mp4(output) && compare == Compare::Off {
            Self {
                frames: Orientation::UPRIGHT,
                output: orientation,
            }
        } else {
            Self {
                frames: orientation,
                output: Orientation::UPRIGHT,
            }
        }
    }

    pub fn is_turned(&self) -> bool {
        self.frames != Orientation::UPRIGHT
    }

    /// Returns a note about the pictures, if they are turned.
    pub fn note(&self) -> Option<String> {
        self.is_turned()
            .then(|| format!("the pictures are {}, as players show the original", self.frames))
    }
}
