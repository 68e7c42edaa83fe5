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
    /// MP4 keeps the orientation that it states; GStreamer 1.22 writes none into other containers and into bitstreams. A comparison is one of the pictures that
    /// people see.
    pub fn of(scan: &Scan, output: &Path, compare: Compare) -> Self {
        let stated = scan.orientation.unwrap_or_default();
        let coded = scan
            .coded_orientation
            .filter(|_| follows_frames(scan))
            .unwrap_or_default();
        if output_name::is_mp4(output) && compare == Compare::Off {
            Self {
                frames: coded,
                output: stated,
            }
        } else {
            Self {
                frames: coded.then(stated),
                output: Orientation::UPRIGHT,
            }
        }
    }

    /// Returns what no output has of the orientation of a video.
    pub fn lost(scan: &Scan) -> Option<String> {
        match scan.coded_orientation {
            None => Some("the orientation in its bitstream, which is no whole number of quarter turns".into()),
            Some(coded) if coded != Orientation::UPRIGHT && !follows_frames(scan) => Some(format!(
                "the orientation in its bitstream ({coded}), since the container states one"
            )),
            Some(_) => None,
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

/// Whether the pictures are shown as the bitstream states it. Where the container states an orientation, most players follow that one.
fn follows_frames(scan: &Scan) -> bool {
    scan.orientation == Some(Orientation::UPRIGHT)
}
