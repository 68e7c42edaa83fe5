// SPDX-License-Identifier: MPL-2.0

//! Writing the colour of a video into what an encoder makes of it, and into caps. Encoders of GStreamer 1.22 know only some of it: `x264enc` and `x265enc`
//! state BT.601 or BT.709 where nothing is stated, `av1enc` never states anything.

use gst::prelude::*;

use super::{av1, nal_video, stream::Colour, vp9};
use crate::media::bitstream::Coding;

/// Writes the colour into every coded frame that leaves this pad.
pub fn write_into_frames(pad: &gst::Pad, colour: Colour) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let media_type = pad
            .current_caps()
            .and_then(|caps| Some(caps.structure(0)?.name().to_string()));
        if let (Some(media_type), Some(buffer)) = (media_type, info.buffer_mut()) {
            write_into_frame(&media_type, buffer, &colour);
        }
        gst::PadProbeReturn::Ok
    });
}

fn write_into_frame(media_type: &str, buffer: &mut gst::Buffer, colour: &Colour) {
    let tags = colour.coded;
    if media_type == "video/x-vp9" {
        if let Ok(mut map) = buffer.make_mut().map_writable() {
            vp9::set_tags(&mut map, tags);
        }
        return;
    }
    let new = buffer.map_readable().ok().and_then(|data| match media_type {
        "video/x-h264" => nal_video::with_tags(Coding::H264, &data, tags),
        "video/x-h265" => nal_video::with_tags(Coding::H265, &data, tags),
        "video/x-av1" => av1::with_tags(&data, tags, colour.mastering.as_ref(), colour.light.as_ref()),
        _ => None,
    });
    if let Some(new) = new {
        let buffer = buffer.make_mut();
        buffer.remove_all_memory();
        buffer.append_memory(gst::Memory::from_mut_slice(new));
    }
}

/// States the colour in all caps that pass this pad, for a muxer.
pub fn state_in_caps(pad: &gst::Pad, colour: Colour) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let caps = match info.event().map(|event| event.view()) {
            Some(gst::EventView::Caps(event)) => event.caps_owned(),
            _ => return gst::PadProbeReturn::Ok,
        };
        info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&stated(&caps, &colour))));
        gst::PadProbeReturn::Ok
    });
}

/// Returns the caps of coded video with what the original's container states about colour, and nothing else.
pub fn stated(caps: &gst::Caps, colour: &Colour) -> gst::Caps {
    let mut caps = caps.clone();
    let tags = colour.stated;
    for structure in caps.make_mut().iter_mut() {
        structure.remove_fields(["colorimetry", "mastering-display-info", "content-light-level"]);
        if tags.code_points() != [2; 3] || tags.full_range == Some(true) {
            structure.set("colorimetry", tags.colorimetry().to_string());
        }
        // The muxer for MP4 of GStreamer 1.22 crashes on VP9 without a place of chroma.
        structure.set("chroma-site", tags.chroma_site().to_string());
        if let Some(mastering) = colour.mastering {
            structure.set("mastering-display-info", mastering.caps_field());
        }
        if let Some(light) = colour.light {
            structure.set("content-light-level", light.caps_field());
        }
    }
    caps
}

/// Returns the colour that GStreamer's muxer for Matroska has to be told. It divides luminances by 50000, as chromaticities, and not by 10000
/// (`matroska-mux.c`, `gst_matroska_mux_write_mastering_metadata`, 1.22 and later).
pub fn for_matroska(mut colour: Colour) -> Colour {
    const EXCESS: u32 = 50_000 / 10_000;
    if let Some(mastering) = &mut colour.mastering {
        mastering.maximum = mastering.maximum.saturating_mul(EXCESS);
        mastering.minimum = mastering.minimum.saturating_mul(EXCESS);
    }
    colour
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::{
        bitstream::AccessUnit,
        colour::{
            hdr::{ContentLight, MasteringDisplay},
            tags::Tags,
        },
    };

    /// Returns the first coded frame of an encoder, and its media type.
    fn coded(format: &str, size: u32, encoder: &str) -> (String, gst::Buffer) {
        gst::init().unwrap();
        let pipeline = format!(
            "videotestsrc num-buffers=1 ! video/x-raw,format={format},width={size},height={size} ! {encoder} ! appsink name=sink"
        );
        let pipeline = gst::parse::launch(&pipeline)
            .unwrap()
            .downcast::<gst::Pipeline>()
            .unwrap();
        let sink = pipeline
            .by_name("sink")
            .unwrap()
            .downcast::<gst_app::AppSink>()
            .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let sample = sink.pull_sample().unwrap();
        pipeline.set_state(gst::State::Null).unwrap();
        let media_type = sample.caps().unwrap().structure(0).unwrap().name().to_string();
        (media_type, sample.buffer_owned().unwrap())
    }

    fn colour(tags: Tags) -> Colour {
        Colour {
            coded: tags,
            stated: tags,
            mastering: Some(MasteringDisplay {
                red: [34000, 16000],
                green: [13250, 34500],
                blue: [7500, 3000],
                white: [15635, 16450],
                maximum: 10_000_000,
                minimum: 50,
            }),
            light: Some(ContentLight {
                maximum: 1000,
                average: 400,
            }),
        }
    }

    #[test]
    fn what_is_written_into_a_bitstream_is_read_from_it_and_can_be_written_again() {
        let annex_b = "stream-format=byte-stream";
        let encoders = [
            format!("x264enc ! video/x-h264,{annex_b}"),
            format!("openh264enc ! video/x-h264,{annex_b}"),
            format!("x265enc ! video/x-h265,{annex_b}"),
            "av1enc cpu-used=8".into(),
            "vp9enc deadline=1".into(),
        ];
        for encoder in encoders {
            let (media_type, original) = coded("I420", 64, &encoder);
            let mut frame = original.clone();
            for (full_range, codes) in [
                (true, [5, 6, 5]),
                (false, [2, 2, 2]),
                (true, [1, 1, 1]),
                (false, [9, 16, 9]),
            ] {
                let mut tags = Tags::new(Some(full_range), codes);
                tags.chroma_location = Some(2);
                write_into_frame(&media_type, &mut frame, &colour(tags));
                let data = frame.map_readable().unwrap();
                let caps = gst::Structure::new_empty(&media_type);
                let read = match media_type.as_str() {
                    "video/x-h264" | "video/x-h265" => {
                        AccessUnit::of(&caps, None, &data).and_then(|unit| nal_video::tags(&unit))
                    }
                    "video/x-av1" => av1::tags(&data, None),
                    _ => vp9::tags(&data),
                };
                let wanted = match media_type.as_str() {
                    "video/x-vp9" => Tags::new(Some(full_range), [2, 2, codes[2]]),
                    _ => tags,
                };
                // VP9 keeps a matrix where none is to be stated.
                if media_type != "video/x-vp9" || codes[2] != 2 {
                    assert_eq!(read, Some(wanted), "{encoder}");
                }
            }
        }
    }

    #[test]
    fn frames_decode_to_the_same_pictures_with_the_colour_written() {
        for (encoder, decoder) in [
            (
                "x264enc ! video/x-h264,stream-format=byte-stream",
                "h264parse ! avdec_h264",
            ),
            (
                "x265enc ! video/x-h265,stream-format=byte-stream",
                "h265parse ! avdec_h265",
            ),
            ("av1enc cpu-used=8", "av1parse ! av1dec"),
            ("vp9enc deadline=1", "vp9dec"),
        ] {
            gst::init().unwrap();
            let decoded = |written: bool| {
                let pipeline = format!(
                    "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width=80,height=64 ! {encoder} ! identity name=coded ! {decoder} ! appsink name=sink"
                );
                let pipeline = gst::parse::launch(&pipeline)
                    .unwrap()
                    .downcast::<gst::Pipeline>()
                    .unwrap();
                if written {
                    let pad = pipeline.by_name("coded").unwrap().static_pad("src").unwrap();
                    write_into_frames(&pad, colour(Tags::new(Some(true), [9, 16, 9])));
                }
                let sink = pipeline
                    .by_name("sink")
                    .unwrap()
                    .downcast::<gst_app::AppSink>()
                    .unwrap();
                pipeline.set_state(gst::State::Playing).unwrap();
                let frames: Vec<Vec<u8>> = std::iter::from_fn(|| sink.pull_sample().ok())
                    .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
                    .collect();
                pipeline.set_state(gst::State::Null).unwrap();
                frames
            };
            let (before, after) = (decoded(false), decoded(true));
            assert_eq!(before.len(), 3, "{encoder}");
            assert!(before == after, "{encoder}");
        }
    }

    #[test]
    fn damaged_frames_have_an_answer() {
        for encoder in [
            "x264enc ! video/x-h264,stream-format=byte-stream",
            "x265enc ! video/x-h265,stream-format=byte-stream",
            "av1enc cpu-used=8",
            "vp9enc deadline=1",
        ] {
            let (media_type, frame) = coded("I420", 64, encoder);
            let data = frame.map_readable().unwrap().to_vec();
            for at in 0..data.len().min(400) {
                let cut = data[..at].to_vec();
                let mut changed = data.clone();
                changed[at] ^= 0xff;
                for bytes in [cut, changed] {
                    let mut frame = gst::Buffer::from_mut_slice(bytes);
                    write_into_frame(&media_type, &mut frame, &colour(Tags::new(Some(true), [1, 1, 1])));
                }
            }
        }
    }
}
