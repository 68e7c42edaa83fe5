// SPDX-License-Identifier: MPL-2.0

//! What somebody tells of a network's conventions.

use std::str::FromStr;

use super::conventions::{ChannelOrder, Layout, Range};
use crate::engine::{error::Error, frame_size::TILE_SIDES};

/// The words that are understood, for messages.
const WORDS: &str =
    "rgb, bgr, nchw, nhwc, a range such as 0..1, 0..255 or -1..1, and multiple=NUMBER, with commas between them";

/// What is told of the conventions of one ONNX file. What is not told is found by trying the network.
///
/// ```
/// use gstblurdm::engine::{ChannelOrder, ModelFormat, Range};
///
/// let format: ModelFormat = "bgr,-1..1".parse()?;
/// assert_eq!(format.order, Some(ChannelOrder::Bgr));
/// assert_eq!(format.input, Some(Range::SIGNED));
/// # Ok::<(), gstblurdm::engine::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelFormat {
    /// Which dimension of the input holds the channels.
    pub layout: Option<Layout>,
    pub order: Option<ChannelOrder>,
    /// The numbers of the input.
    pub input: Option<Range>,
    /// The numbers of the output.
    pub output: Option<Range>,
    /// The number of pixels of which the sides of a frame must be a multiple.
    pub multiple: Option<usize>,
}

impl ModelFormat {
    /// Returns this, with what it does not tell from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            layout: self.layout.or(other.layout),
            order: self.order.or(other.order),
            input: self.input.or(other.input),
            output: self.output.or(other.output),
            multiple: self.multiple.or(other.multiple),
        }
    }

    /// Takes one word; returns `None` if it is not understood.
    fn take(&mut self, word: &str) -> Option<()> {
        match word {
            "rgb" => self.order = Some(ChannelOrder::Rgb),
            "bgr" => self.order = Some(ChannelOrder::Bgr),
            "nchw" => self.layout = Some(Layout::Nchw),
            "nhwc" => self.layout = Some(Layout::Nhwc),
            _ => match word.strip_prefix("multiple=") {
                Some(number) => self.multiple = Some(multiple(number)?),
                None => {
                    let range = range(word)?;
                    (self.input, self.output) = (Some(range), Some(range));
                }
            },
        }
        Some(())
    }
}

impl FromStr for ModelFormat {
    type Err = Error;

    /// Reads words with commas between them, as the property `model-format` has them. Nothing tells nothing.
    ///
    /// # Errors
    /// [`Error::ModelFormat`] for what is not understood.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut format = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let lower = word.to_ascii_lowercase();
            format.take(&lower).ok_or_else(|| Error::ModelFormat {
                format: text.to_owned(),
                reason: format!("'{word}' is not understood; use {WORDS}, or leave it empty"),
            })?;
        }
        Ok(format)
    }
}

fn multiple(text: &str) -> Option<usize> {
    let number = text.parse().ok()?;
    (1..=*TILE_SIDES.end()).contains(&number).then_some(number)
}

fn range(text: &str) -> Option<Range> {
    let (black, white) = text.split_once("..")?;
    let range = Range::of(black.trim().parse().ok()?, white.trim().parse().ok()?);
    range.is_usable().then_some(range)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn words_are_read_in_any_order_and_case() {
        let format: ModelFormat = " BGR, nhwc,-1..1 , multiple=32".parse().unwrap();
        assert_eq!(format.order, Some(ChannelOrder::Bgr));
        assert_eq!(format.layout, Some(Layout::Nhwc));
        assert_eq!(format.input, Some(Range::SIGNED));
        assert_eq!(format.output, Some(Range::SIGNED));
        assert_eq!(format.multiple, Some(32));
        assert_eq!("".parse::<ModelFormat>().unwrap(), ModelFormat::default());
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_is() {
        for word in [
            "rbg",
            "1..0",
            "0..nan",
            "0..inf",
            "multiple=0",
            "multiple=1000000",
            "0-1",
            "a..b",
        ] {
            let error = format!("rgb,{word}").parse::<ModelFormat>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{word}'")) && error.contains("bgr"), "{error}");
        }
    }
}
