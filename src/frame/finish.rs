// SPDX-License-Identifier: MPL-2.0

//! How the restored frame is written to the output.

/// A vertical line across the frame, left of which the original is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// The position of the line as a share of the width, 0..=1.
    pub position: f64,
}

impl Split {
    /// The width of the line that is drawn, in pixels.
    const LINE: usize = 2;

    /// Returns the first column of the line and the first column of the restored part.
    pub(super) fn columns(self, width: usize) -> (usize, usize) {
        let at = (self.position.clamp(0.0, 1.0) * width as f64).round() as usize;
        // At the edges of the frame no line is drawn.
        if at == 0 || at >= width {
            return (at.min(width), at.min(width));
        }
        (at.saturating_sub(Self::LINE / 2), (at + Self::LINE / 2).min(width))
    }
}

/// How much of the restored frame is written to the output, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finish {
    /// 0 is the original, 1 the restored frame.
    pub strength: f64,
    pub split: Option<Split>,
}

impl Finish {
    /// Returns whether the restored frame is written unchanged.
    pub fn is_plain(&self) -> bool {
        self.strength >= 1.0 && self.split.is_none()
    }
}
