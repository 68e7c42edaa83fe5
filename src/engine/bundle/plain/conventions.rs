// SPDX-License-Identifier: MPL-2.0

//! The conventions of networks for images: how an image lies in a tensor, and what its numbers mean.

use std::fmt;

/// The colours of a pixel.
pub(crate) const COLOURS: usize = 3;

/// Which dimension of a tensor of four holds the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Nchw,
    Nhwc,
}

impl Layout {
    pub(crate) const ALL: [Self; 2] = [Self::Nchw, Self::Nhwc];

    /// Returns the place of the channels among the dimensions.
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Nchw => 1,
            Self::Nhwc => 3,
        }
    }

    /// Returns the places of height and width among the dimensions.
    pub(crate) fn sides(self) -> [usize; 2] {
        match self {
            Self::Nchw => [2, 3],
            Self::Nhwc => [1, 2],
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nchw => "NCHW",
            Self::Nhwc => "NHWC",
        })
    }
}

/// The order of the channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChannelOrder {
    #[default]
    Rgb,
    Bgr,
}

impl fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
        })
    }
}

/// The numbers that stand for black and for white, in each channel of the network's order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub black: [f32; COLOURS],
    pub white: [f32; COLOURS],
}

impl Range {
    /// 0 to 1.
    pub const UNIT: Self = Self::of(0.0, 1.0);
    /// 0 to 255.
    pub const BYTES: Self = Self::of(0.0, 255.0);
    /// -1 to 1.
    pub const SIGNED: Self = Self::of(-1.0, 1.0);

    /// Returns a range that is the same for all channels.
    pub const fn of(black: f32, white: f32) -> Self {
        Self {
            black: [black; COLOURS],
            white: [white; COLOURS],
        }
    }

    /// Returns what a byte is multiplied by, per channel, before black is added.
    pub(crate) fn scale(&self) -> [f32; COLOURS] {
        std::array::from_fn(|channel| (self.white[channel] - self.black[channel]) / 255.0)
    }

    /// Returns whether bytes can be converted to the range and back.
    pub(crate) fn is_usable(&self) -> bool {
        let usable = |(black, white): (&f32, &f32)| black.is_finite() && white.is_finite() && white > black;
        self.black.iter().zip(&self.white).all(usable)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<String> = self
            .black
            .iter()
            .zip(&self.white)
            .map(|(black, white)| format!("{black}..{white}"))
            .collect();
        match channels.iter().all(|channel| *channel == channels[0]) {
            true => f.write_str(&channels[0]),
            false => f.write_str(&channels.join("/")),
        }
    }
}

/// Everything that must be known to run a network on frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Conventions {
    pub input_layout: Layout,
    pub output_layout: Layout,
    pub order: ChannelOrder,
    pub input: Range,
    pub output: Range,
    /// Sides are padded to a multiple of this.
    pub multiple: usize,
}
