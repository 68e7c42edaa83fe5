// SPDX-License-Identifier: MPL-2.0

//! The format in which frames are encoded: as many bits and as much chroma as the frames have, as far as the encoder takes them.

use std::cmp::Reverse;

use gst_video::{VideoFormat, VideoFormatInfo, VideoInfo};

use super::colour::is_rgb;

/// From the one that most players support to the one that fewest do.
const FORMATS: [VideoFormat; 11] = [
    VideoFormat::I420,
    VideoFormat::Nv12,
    VideoFormat::Y42b,
    VideoFormat::Y444,
    VideoFormat::P01010le,
    VideoFormat::I42010le,
    VideoFormat::I42210le,
    VideoFormat::Y44410le,
    VideoFormat::I42012le,
    VideoFormat::I42212le,
    VideoFormat::Y44412le,
];

/// The format of the planes of red, green and blue that an encoder takes for those of luma and colour differences.
const RGB: VideoFormat = VideoFormat::Gbr;
const LIKE_RGB: VideoFormat = VideoFormat::Y444;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodedFormat {
    /// What frames are converted to.
    pub format: VideoFormat,
    /// What the encoder is told that they are.
    pub told: VideoFormat,
}

/// What an encoder and its codec can do.
pub struct Abilities<'a> {
    pub accepts: &'a dyn Fn(VideoFormat) -> bool,
    /// Whether pictures of odd sides can have subsampled chroma.
    pub odd_subsampled: bool,
    /// Whether the codec has a code for red, green and blue.
    pub rgb: bool,
}

impl CodedFormat {
    /// Chooses the format for frames like these. I420 where the encoder accepts none of the known ones.
    pub fn choose(frames: &VideoInfo, abilities: &Abilities<'_>) -> Self {
        let from = VideoFormatInfo::from_format(frames.format());
        if from.is_rgb() && abilities.rgb && (abilities.accepts)(LIKE_RGB) {
            return Self {
                format: RGB,
                told: LIKE_RGB,
            };
        }
        let fits = |format: VideoFormat| {
            let (across, down) = subsampling(&VideoFormatInfo::from_format(format));
            let odd = (frames.width() % (1 << across), frames.height() % (1 << down)) != (0, 0);
            (abilities.accepts)(format) && (abilities.odd_subsampled || !odd)
        };
        let format = closest(frames, &fits);
        Self { format, told: format }
    }
}

/// Returns the format, among those that are accepted, that keeps the most of frames like these: bits first, then chroma. I420 where none of the known ones
/// is accepted.
pub fn closest(frames: &VideoInfo, accepts: &dyn Fn(VideoFormat) -> bool) -> VideoFormat {
    let from = VideoFormatInfo::from_format(frames.format());
    let best = FORMATS
        .into_iter()
        .filter(|&format| accepts(format))
        .min_by_key(|&format| {
            let to = VideoFormatInfo::from_format(format);
            let (had, has) = (Detail::of(&from), Detail::of(&to));
            let lost = (had.bits.saturating_sub(has.bits), had.chroma_lost_in(&has));
            (lost, Reverse(format == frames.format()), has.bits, has.chroma())
        });
    best.unwrap_or(VideoFormat::I420)
}

/// Returns what of the frames the coded format lacks, each as a part of a sentence.
pub fn losses(frames: &VideoInfo, coded: CodedFormat) -> Vec<String> {
    let (from, to) = (
        VideoFormatInfo::from_format(frames.format()),
        VideoFormatInfo::from_format(coded.format),
    );
    let (had, has) = (Detail::of(&from), Detail::of(&to));
    let mut losses = Vec::new();
    if has.bits < had.bits {
        losses.push(format!("{} bits per value become {}", had.bits, has.bits));
    }
    if had.chroma_lost_in(&has) > 0 {
        losses.push(format!("colour in {} becomes {}", had.sampling(), has.sampling()));
    }
    if from.is_rgb() && !to.is_rgb() {
        losses.push("RGB becomes YCbCr".into());
    }
    if from.has_alpha() {
        losses.push("transparency (alpha) is dropped".into());
    }
    if frames.is_interlaced() {
        losses.push("interlaced pictures become progressive ones, made of one field each".into());
    }
    losses
}

/// The bits and the chroma of a format.
struct Detail {
    bits: u32,
    /// The binary logarithms of the columns, and of the rows, that share a chroma value. `None` where there is no chroma.
    shared: Option<(u32, u32)>,
}

impl Detail {
    fn of(format: &VideoFormatInfo) -> Self {
        Self {
            bits: format.depth().first().copied().unwrap_or(8),
            shared: (format.n_components() >= 3).then(|| subsampling(format)),
        }
    }

    /// Returns how often another format has half as many chroma values in a row or a column. More rows do not make up for fewer columns.
    fn chroma_lost_in(&self, other: &Self) -> u32 {
        match (self.shared, other.shared) {
            (Some(had), Some(has)) => has.0.saturating_sub(had.0) + has.1.saturating_sub(had.1),
            (Some(_), None) => u32::MAX,
            (None, _) => 0,
        }
    }

    /// Returns a number that is the greater the more chroma values there are.
    fn chroma(&self) -> u32 {
        let most = 8u32;
        self.shared
            .map_or(0, |(across, down)| most.saturating_sub(across + down))
    }

    fn sampling(&self) -> &'static str {
        match self.shared {
            Some((0, 0)) => "4:4:4",
            Some((1, 0)) => "4:2:2",
            Some((0, 1)) => "4:4:0",
            Some((1, 1)) => "4:2:0",
            Some((2, 0)) => "4:1:1",
            Some((2, 2)) => "4:1:0",
            Some(_) => "another sampling",
            None => "4:0:0",
        }
    }
}

/// Returns the binary logarithms of the columns, and of the rows, that share a chroma value.
fn subsampling(format: &VideoFormatInfo) -> (u32, u32) {
    let chroma = |sub: &[u32]| sub.get(1).copied().unwrap_or(0);
    if is_rgb(format.format()) {
        return (0, 0);
    }
    (chroma(format.w_sub()), chroma(format.h_sub()))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn chosen(format: VideoFormat, size: (u32, u32), accepted: &[VideoFormat], odd_subsampled: bool) -> VideoFormat {
        gst::init().unwrap();
        let frames = VideoInfo::builder(format, size.0, size.1).build().unwrap();
        let abilities = Abilities {
            accepts: &|format| accepted.contains(&format),
            odd_subsampled,
            rgb: false,
        };
        CodedFormat::choose(&frames, &abilities).format
    }

    #[test]
    fn bits_and_chroma_are_kept_where_the_encoder_takes_them() {
        use VideoFormat::{
            A44410le, Gray8, I420, I42010le, I42210le, Nv12, P01010le, Rgbx, Y41b, Y42b, Y444, Y44410le, Yuv9,
        };
        let all = FORMATS;
        for format in FORMATS {
            assert_eq!(chosen(format, (64, 48), &all, false), format);
        }
        assert_eq!(chosen(A44410le, (64, 48), &all, false), Y44410le);
        assert_eq!(chosen(Gray8, (64, 48), &all, false), I420);
        assert_eq!(chosen(Rgbx, (64, 48), &all, false), Y444);
        assert_eq!(chosen(I42210le, (64, 48), &[Nv12, P01010le], false), P01010le);
        assert_eq!(chosen(I42210le, (64, 48), &[I420, Y42b, Y444], false), Y42b);
        assert_eq!(chosen(I42010le, (64, 48), &[I420, Y444], false), I420);
        assert_eq!(chosen(Y444, (64, 48), &[], false), I420);
        // 4:1:1 has a chroma value for each row.
        assert_eq!(chosen(Y41b, (64, 48), &all, false), Y42b);
        assert_eq!(chosen(Yuv9, (64, 48), &all, false), I420);
    }

    #[test]
    fn odd_sides_have_chroma_for_each_column_and_row() {
        use VideoFormat::{I420, I42010le, Y42b, Y444, Y44410le};
        assert_eq!(chosen(I420, (97, 65), &FORMATS, false), Y444);
        assert_eq!(chosen(I420, (97, 64), &FORMATS, false), Y444);
        assert_eq!(chosen(I420, (96, 65), &FORMATS, false), Y42b);
        assert_eq!(chosen(I42010le, (97, 65), &FORMATS, false), Y44410le);
        assert_eq!(chosen(I420, (97, 65), &FORMATS, true), I420);
    }

    #[test]
    fn what_is_lost_is_named() {
        gst::init().unwrap();
        let coded = |format| CodedFormat { format, told: format };
        let frames = |format| VideoInfo::builder(format, 64, 48).build().unwrap();
        let losses = |from, to| super::losses(&frames(from), coded(to)).join(", ");
        use VideoFormat::{A42010le, I420, Rgba, Y41b, Y42b, Y444, Y44412le};
        assert_eq!(losses(Y444, Y444), "");
        assert_eq!(losses(I420, Y444), "");
        assert_eq!(losses(Y41b, Y42b), "");
        assert_eq!(losses(Y41b, I420), "colour in 4:1:1 becomes 4:2:0");
        assert_eq!(
            losses(Y44412le, I420),
            "12 bits per value become 8, colour in 4:4:4 becomes 4:2:0"
        );
        assert_eq!(
            losses(A42010le, I420),
            "10 bits per value become 8, transparency (alpha) is dropped"
        );
        assert_eq!(losses(Rgba, Y444), "RGB becomes YCbCr, transparency (alpha) is dropped");
    }
}
