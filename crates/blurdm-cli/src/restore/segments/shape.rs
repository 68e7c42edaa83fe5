// SPDX-License-Identifier: MPL-2.0

//! What the pictures of a video have in common: a recording that was joined of several may change it.

use gst_video::VideoInfo;

/// The size of pictures and of their pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: u32,
    pub height: u32,
    /// Width of a pixel over its height.
    pub pixel: gst::Fraction,
}

impl Shape {
    pub fn of(frames: &VideoInfo) -> Self {
        Self {
            width: frames.width(),
            height: frames.height(),
            pixel: frames.par(),
        }
    }

    /// Returns a sentence about a picture that has another size, at a time in nanoseconds.
    pub fn refuses(&self, frames: &VideoInfo, time: u64) -> Option<String> {
        let (width, height) = (frames.width(), frames.height());
        ((width, height) != (self.width, self.height)).then(|| {
            format!(
                "from {:.3} s on its pictures have {width}x{height} pixels and not {}x{}, and are not restored; restore that part by itself with --start",
                time as f64 / 1e9,
                self.width,
                self.height
            )
        })
    }

    /// Returns the caps of pictures with the pixels of the first one: a video has one kind of them.
    pub fn with_its_pixels(&self, caps: &gst::CapsRef) -> gst::Caps {
        let mut caps = caps.to_owned();
        for structure in caps.make_mut().iter_mut() {
            structure.set("pixel-aspect-ratio", self.pixel);
        }
        caps
    }
}
