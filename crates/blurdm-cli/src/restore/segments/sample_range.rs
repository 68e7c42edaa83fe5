// SPDX-License-Identifier: MPL-2.0

//! Samples of 9 to 15 bits, which lie in 16. Decoders of damaged video fill what is lost with 0x8080, and x264 ends the process on a sample beyond its range.

use gst::prelude::*;
use gst_video::{VideoFormatInfo, VideoFrameExt, VideoFrameRef, VideoInfo};

use crate::media::CAT;

/// Makes samples beyond the range of their format the highest one in it.
pub fn limit(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
        let frames = pad.current_caps().and_then(|caps| VideoInfo::from_caps(&caps).ok());
        let highest = frames.as_ref().and_then(|frames| highest(&frames.format_info()));
        if let (Some(frames), Some(highest), Some(buffer)) = (frames, highest, info.buffer_mut())
            && has_beyond(buffer, &frames, highest)
        {
            gst::debug!(CAT, obj = pad, "a frame has samples above {highest}");
            limit_frame(buffer.make_mut(), &frames, highest);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Returns the highest sample of a format whose samples lie in the low bits of 16, in this machine's order. `None` for other formats.
fn highest(format: &VideoFormatInfo) -> Option<u16> {
    let has_low_bits = format.shift().iter().all(|&shift| shift == 0);
    let is_native = format.is_le() == cfg!(target_endian = "little");
    let in_words = format.pixel_stride().iter().all(|&stride| stride % 2 == 0);
    let depth = *format.depth().first()?;
    let is_whole = !format.flags().contains(gst_video::VideoFormatFlags::COMPLEX);
    ((9..16).contains(&depth) && has_low_bits && is_native && in_words && is_whole).then(|| (1 << depth) - 1)
}

fn has_beyond(buffer: &gst::BufferRef, frames: &VideoInfo, highest: u16) -> bool {
    let Ok(frame) = VideoFrameRef::from_buffer_ref_readable(buffer, frames) else {
        return false;
    };
    (0..frame.n_planes()).any(|plane| {
        let samples = frame.plane_data(plane).unwrap_or_default().as_chunks::<2>().0;
        let beyond = samples.iter().fold(0, |all, &sample| {
            all | u16::from_ne_bytes(sample).saturating_sub(highest)
        });
        beyond != 0
    })
}

fn limit_frame(buffer: &mut gst::BufferRef, frames: &VideoInfo, highest: u16) {
    let Ok(mut frame) = VideoFrameRef::from_buffer_ref_writable(buffer, frames) else {
        return;
    };
    for plane in 0..frame.n_planes() {
        let Ok(samples) = frame.plane_data_mut(plane) else {
            continue;
        };
        for sample in samples.as_chunks_mut::<2>().0 {
            *sample = u16::from_ne_bytes(*sample).min(highest).to_ne_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use gst_video::VideoFormat;

    use super::*;

    #[test]
    fn samples_are_limited_to_the_bits_of_their_format() {
        gst::init().unwrap();
        for (format, limit) in [
            (VideoFormat::I42010le, Some(1023)),
            (VideoFormat::Y44410le, Some(1023)),
            (VideoFormat::Gbr12le, Some(4095)),
            (VideoFormat::I420, None),
            (VideoFormat::P01010le, None),
            (VideoFormat::Gray16Le, None),
            (VideoFormat::V210, None),
            (VideoFormat::Gray10Le32, None),
        ] {
            let frames = VideoInfo::builder(format, 6, 4).build().unwrap();
            assert_eq!(highest(&frames.format_info()), limit, "{format}");
            let Some(limit) = limit else { continue };
            let samples: Vec<u16> = (0..frames.size() as u16 / 2)
                .map(|at| [at, limit, limit + 1, 0x8080][usize::from(at) % 4])
                .collect();
            let bytes = samples
                .iter()
                .flat_map(|sample| sample.to_ne_bytes())
                .collect::<Vec<_>>();
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            assert!(has_beyond(&buffer, &frames, limit));
            limit_frame(buffer.make_mut(), &frames, limit);
            assert!(!has_beyond(&buffer, &frames, limit));
            let limited = buffer.map_readable().unwrap();
            let limited = limited
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&sample| u16::from_ne_bytes(sample));
            assert!(limited.eq(samples.iter().map(|&sample| sample.min(limit))), "{format}");
        }
    }
}
