// SPDX-License-Identifier: MPL-2.0

//! How the values of pictures are to be understood: range, matrix, transfer, primaries and the place of chroma, by the code points of
//! ITU-T H.273 (ISO/IEC 23091-2), which bitstreams and containers share.

use gst_video::{
    VideoChromaSite, VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry, VideoFormat,
    VideoTransferFunction,
};

/// The code point for "unspecified".
const UNSPECIFIED: u8 = 2;

/// The matrix of BT.601 by its American name. The European one, 5, has the same coefficients.
const BT601: u8 = 6;
const BT709: u8 = 1;

/// What a bitstream or a container states. `None` where it states nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tags {
    pub full_range: Option<bool>,
    pub primaries: Option<u8>,
    pub transfer: Option<u8>,
    pub matrix: Option<u8>,
    /// `Chroma420SampleLocType`: 0 left, 1 centre, 2 top left.
    pub chroma_location: Option<u8>,
}

impl Tags {
    /// Returns tags with these code points. "Unspecified" counts as not stated.
    pub fn new(full_range: Option<bool>, [primaries, transfer, matrix]: [u8; 3]) -> Self {
        let stated = |code: u8| (code != UNSPECIFIED).then_some(code);
        Self {
            full_range,
            primaries: stated(primaries),
            transfer: stated(transfer),
            matrix: stated(matrix),
            chroma_location: None,
        }
    }

    /// Returns these tags, with those of `other` where nothing is stated.
    pub fn or(self, other: Self) -> Self {
        Self {
            full_range: self.full_range.or(other.full_range),
            primaries: self.primaries.or(other.primaries),
            transfer: self.transfer.or(other.transfer),
            matrix: self.matrix.or(other.matrix),
            chroma_location: self.chroma_location.or(other.chroma_location),
        }
    }

    /// Returns the code points of primaries, transfer and matrix.
    pub fn code_points(&self) -> [u8; 3] {
        [self.primaries, self.transfer, self.matrix].map(|code| code.unwrap_or(UNSPECIFIED))
    }

    /// Reads the fields of caps.
    pub fn from_caps(caps: &gst::Caps) -> Self {
        let Some(first) = caps.structure(0) else {
            return Self::default();
        };
        let text = first.get::<&str>("colorimetry").ok();
        let mut tags = Self::default();
        if let Some(colorimetry) = text.and_then(|text| text.parse::<VideoColorimetry>().ok()) {
            let code = |code: u32| u8::try_from(code).unwrap_or(UNSPECIFIED);
            let range = match colorimetry.range() {
                VideoColorRange::Range0_255 => Some(true),
                VideoColorRange::Range16_235 => Some(false),
                _ => None,
            };
            tags = Self::new(
                range,
                [
                    code(colorimetry.primaries().to_iso()),
                    code(colorimetry.transfer().to_iso()),
                    code(colorimetry.matrix().to_iso()),
                ],
            );
        }
        tags.chroma_location = match first.get::<&str>("chroma-site") {
            Ok("mpeg2") => Some(0),
            Ok("jpeg") => Some(1),
            Ok("cosited") => Some(2),
            _ => None,
        };
        tags
    }

    /// Returns the colorimetry for GStreamer. What it has no name for is unknown there.
    pub fn colorimetry(&self) -> VideoColorimetry {
        let [primaries, transfer, matrix] = self.code_points().map(u32::from);
        let range = match self.full_range {
            Some(true) => VideoColorRange::Range0_255,
            _ => VideoColorRange::Range16_235,
        };
        // GStreamer has no name for the constant luminance of BT.2020, and the same coefficients.
        let matrix = if matrix == 10 { 9 } else { matrix };
        VideoColorimetry::new(
            range,
            VideoColorMatrix::from_iso(matrix),
            VideoTransferFunction::from_iso(transfer),
            VideoColorPrimaries::from_iso(primaries),
        )
    }

    /// As [`Tags::colorimetry`], with the matrix that players assume for pictures of this size where none is known.
    pub fn assumed_colorimetry(&self, width: u32, height: u32) -> VideoColorimetry {
        let stated = self.colorimetry();
        if stated.matrix().kr_kb().is_ok() {
            return stated;
        }
        let matrix = Some(assumed_matrix(width, height));
        Self { matrix, ..*self }.colorimetry()
    }

    /// Returns the place of chroma for GStreamer: left where nothing else is stated.
    pub fn chroma_site(&self) -> VideoChromaSite {
        match self.chroma_location {
            Some(1) => VideoChromaSite::JPEG,
            Some(2) => VideoChromaSite::COSITED,
            _ => VideoChromaSite::MPEG2,
        }
    }
}

/// Returns the matrix that players assume for pictures of this size: BT.709 for high definition, else BT.601.
pub fn assumed_matrix(width: u32, height: u32) -> u8 {
    if width >= 1280 || height > 576 { BT709 } else { BT601 }
}

/// Whether frames of a format have red, green and blue. All others have luma, whose range may be limited.
pub fn is_rgb(format: VideoFormat) -> bool {
    gst_video::VideoFormatInfo::from_format(format).is_rgb()
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_not_stated_is_what_players_assume_for_the_size() {
        gst::init().unwrap();
        let matrix = |width, height| Tags::default().assumed_colorimetry(width, height).matrix();
        assert_eq!(matrix(640, 480), VideoColorMatrix::Bt601);
        assert_eq!(matrix(720, 576), VideoColorMatrix::Bt601);
        assert_eq!(matrix(1280, 720), VideoColorMatrix::Bt709);
        // GStreamer takes this size for BT.2020.
        assert_eq!(matrix(3840, 2160), VideoColorMatrix::Bt709);
        let stated = Tags::new(Some(true), [9, 16, 9]);
        assert_eq!(stated.assumed_colorimetry(640, 480).to_string(), "1:6:14:7");
    }

    #[test]
    fn what_one_does_not_state_the_other_may() {
        let bitstream = Tags::new(Some(true), [2, 2, 5]);
        let container = Tags::new(Some(false), [1, 13, 2]);
        assert_eq!(bitstream.or(container), Tags::new(Some(true), [1, 13, 5]));
        assert_eq!(container.or(bitstream), Tags::new(Some(false), [1, 13, 5]));
    }
}
