// SPDX-License-Identifier: MPL-2.0

//! The element in pipelines, as applications use it.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{sync::mpsc, time::Duration};

use common::{HANG, buffer, caps, element, errors_of, harness, picture, pipeline, play_to_end, stat, unpacked};
use gst::prelude::*;
use gst_video::VideoFormat;

const SIZE: &str = "video/x-raw,format=RGBx,width=32,height=32,framerate=25/1";
const BLURDM: &str = "blurdm execution-provider=cpu precision=fp32";

fn frames(element: &gst::Element) -> u64 {
    stat(element, "frames")
}

fn restored(frame: &[u8], width: usize, height: usize) -> Vec<u8> {
    common::restored(frame, width, height, 0)
}

/// Receives the timestamps of the buffers that arrive at a sink.
fn arrivals(pipeline: &gst::Pipeline, sink: &str) -> mpsc::Receiver<Option<gst::ClockTime>> {
    let (sender, receiver) = mpsc::channel();
    let pad = pipeline.by_name(sink).unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        // The test may have ended.
        sender.send(info.buffer().unwrap().pts()).ok();
        gst::PadProbeReturn::Ok
    });
    receiver
}

fn next(arrivals: &mpsc::Receiver<Option<gst::ClockTime>>) -> gst::ClockTime {
    arrivals
        .recv_timeout(Duration::from_secs(HANG.seconds()))
        .expect("no frame came")
        .unwrap()
}

fn stop(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Returns the source, which the test feeds, with caps of RGBx.
fn source(pipeline: &gst::Pipeline, width: u32, height: u32) -> gst_app::AppSrc {
    let source = pipeline.by_name("s").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    source.set_format(gst::Format::Time);
    source.set_caps(Some(&caps(VideoFormat::Rgbx, width, height)));
    source
}

#[test]
fn every_frame_arrives_before_the_end_of_the_stream() {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers=10 ! {SIZE} ! {BLURDM} name=b ! fakesink name=f"
    ));
    let arrivals = arrivals(&pipeline, "f");
    play_to_end(&pipeline);
    assert_eq!(frames(&blurdm), 10);
    let times: Vec<_> = arrivals.try_iter().map(|time| time.unwrap().mseconds()).collect();
    assert_eq!(times, (0..10).map(|n| n * 40).collect::<Vec<_>>());
    stop(&pipeline);
}

#[test]
fn a_pipeline_plays_again_after_null_ten_times() {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers=3 ! {SIZE} ! {BLURDM} name=b ! fakesink"
    ));
    for round in 0..10 {
        play_to_end(&pipeline);
        assert_eq!(frames(&blurdm), 3, "round {round}");
        stop(&pipeline);
        assert_eq!(blurdm.property::<String>("active-provider"), "", "round {round}");
    }
}

#[test]
fn frames_go_on_after_every_pause() {
    let (pipeline, blurdm) = pipeline(&format!("videotestsrc ! {SIZE} ! {BLURDM} name=b ! fakesink name=f"));
    let arrivals = arrivals(&pipeline, "f");
    let mut last = None;
    for _ in 0..10 {
        pipeline.set_state(gst::State::Playing).unwrap();
        pipeline.state(HANG).0.unwrap();
        let time = next(&arrivals);
        assert!(last < Some(time), "{last:?} and then {time}");
        pipeline.set_state(gst::State::Paused).unwrap();
        pipeline.state(HANG).0.unwrap();
        last = arrivals.try_iter().last().flatten().or(Some(time));
    }
    assert!(errors_of(&pipeline.bus().unwrap(), &blurdm).is_empty());
    stop(&pipeline);
}

#[test]
fn a_pipeline_stops_in_the_middle_of_a_stream() {
    let (pipeline, _) = pipeline(&format!("videotestsrc ! {SIZE} ! {BLURDM} name=b ! fakesink name=f"));
    for _ in 0..3 {
        let arrivals = arrivals(&pipeline, "f");
        pipeline.set_state(gst::State::Playing).unwrap();
        next(&arrivals);
        stop(&pipeline);
    }
}

#[test]
fn frames_go_on_after_a_flushing_seek() {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc ! {SIZE} ! {BLURDM} name=b ! fakesink name=f sync=false"
    ));
    let arrivals = arrivals(&pipeline, "f");
    pipeline.set_state(gst::State::Playing).unwrap();
    next(&arrivals);
    for hours in [2, 1, 3] {
        let target = gst::ClockTime::from_seconds(hours * 3600);
        pipeline.seek_simple(gst::SeekFlags::FLUSH, target).unwrap();
        // Frames from before the seek may still be in the channel.
        let arrived = (0..1_000_000)
            .map(|_| next(&arrivals))
            .find(|time| time.seconds() / 3600 == hours);
        assert!(arrived.is_some(), "no frame from {target} on");
    }
    assert!(errors_of(&pipeline.bus().unwrap(), &blurdm).is_empty());
    stop(&pipeline);
}

#[test]
fn new_caps_of_another_size_and_format_are_taken_mid_stream() {
    let mut harness = harness(&element(), 32, 32);
    for (format, width, height) in [
        (VideoFormat::Rgbx, 32, 32),
        (VideoFormat::Rgbx, 48, 20),
        (VideoFormat::Bgr, 48, 20),
        (VideoFormat::Bgra, 17, 31),
        (VideoFormat::Rgbx, 32, 32),
    ] {
        harness.set_src_caps(caps(format, width as u32, height as u32));
        let frame = picture(width, height, 1);
        let out = harness.push_and_pull(buffer(&frame, format, width, height)).unwrap();
        let out = unpacked(&out, format, width, height);
        for (out, expected) in out.chunks(4).zip(restored(&frame, width, height).chunks(4)) {
            assert_eq!(out[..3], expected[..3], "{format} {width}x{height}");
        }
        let negotiated = harness.sinkpad().unwrap().current_caps().unwrap();
        assert_eq!(negotiated, caps(format, width as u32, height as u32));
    }
}

#[test]
fn new_caps_reach_the_sink_of_a_running_pipeline() {
    let (pipeline, blurdm) = pipeline(&format!("appsrc name=s ! {BLURDM} name=b ! appsink name=a sync=false"));
    let source = source(&pipeline, 32, 32);
    let sink = pipeline.by_name("a").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (width, height) in [(32, 32), (64, 16), (32, 32)] {
        let caps = caps(VideoFormat::Rgbx, width as u32, height as u32);
        let frame = picture(width, height, 1);
        let input = buffer(&frame, VideoFormat::Rgbx, width, height);
        let sample = gst::Sample::builder().caps(&caps).buffer(&input).build();
        source.push_sample(&sample).unwrap();
        let out = sink.try_pull_sample(HANG).expect("no frame came");
        assert_eq!(out.caps(), Some(caps.as_ref()));
        let out = unpacked(out.buffer().unwrap(), VideoFormat::Rgbx, width, height);
        assert_eq!(out, restored(&frame, width, height));
    }
    assert_eq!(frames(&blurdm), 3);
    stop(&pipeline);
}

#[test]
fn a_stream_without_frames_ends() {
    let (pipeline, blurdm) = pipeline(&format!("appsrc name=s ! {BLURDM} name=b ! fakesink"));
    let source = source(&pipeline, 32, 32);
    pipeline.set_state(gst::State::Playing).unwrap();
    source.end_of_stream().unwrap();
    play_to_end(&pipeline);
    assert_eq!(frames(&blurdm), 0);
    stop(&pipeline);
}

#[test]
fn two_elements_in_a_row_restore_twice() {
    let (pipeline, _) = pipeline(&format!(
        "appsrc name=s ! {BLURDM} name=b ! {BLURDM} ! appsink name=a sync=false"
    ));
    let source = source(&pipeline, 48, 32);
    let sink = pipeline.by_name("a").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let frame = picture(48, 32, 1);
    source.push_buffer(buffer(&frame, VideoFormat::Rgbx, 48, 32)).unwrap();
    let out = sink.try_pull_sample(HANG).expect("no frame came");
    let expected = restored(&restored(&frame, 48, 32), 48, 32);
    assert_eq!(unpacked(out.buffer().unwrap(), VideoFormat::Rgbx, 48, 32), expected);
    stop(&pipeline);
}

#[test]
fn two_elements_side_by_side_give_the_same_frames() {
    let (pipeline, _) = pipeline(&format!(
        "appsrc name=s ! tee name=t t. ! queue ! {BLURDM} name=b ! appsink name=a1 sync=false \
         t. ! queue ! {BLURDM} ! appsink name=a2 sync=false"
    ));
    let source = source(&pipeline, 48, 32);
    let sinks = ["a1", "a2"].map(|name| pipeline.by_name(name).unwrap().downcast::<gst_app::AppSink>().unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    for seed in 0..5 {
        source
            .push_buffer(buffer(&picture(48, 32, seed), VideoFormat::Rgbx, 48, 32))
            .unwrap();
    }
    for seed in 0..5 {
        let expected = restored(&picture(48, 32, seed), 48, 32);
        for sink in &sinks {
            let out = sink.try_pull_sample(HANG).expect("no frame came");
            assert_eq!(
                unpacked(out.buffer().unwrap(), VideoFormat::Rgbx, 48, 32),
                expected,
                "frame {seed}"
            );
        }
    }
    stop(&pipeline);
}

#[test]
fn frames_under_16_pixels_are_not_negotiated_and_larger_ones_play_afterwards() {
    for (width, height) in [(15, 16), (16, 15), (1, 1)] {
        let (pipeline, blurdm) = pipeline(&format!("appsrc name=s ! {BLURDM} name=b ! fakesink"));
        let source = source(&pipeline, width, height);
        pipeline.set_state(gst::State::Playing).unwrap();
        let (w, h) = (width as usize, height as usize);
        source
            .push_buffer(buffer(&picture(w, h, 1), VideoFormat::Rgbx, w, h))
            .unwrap();
        let bus = pipeline.bus().unwrap();
        let message = bus
            .timed_pop_filtered(HANG, &[gst::MessageType::Error, gst::MessageType::Eos])
            .unwrap();
        let gst::MessageView::Error(error) = message.view() else {
            panic!("{width}x{height} were played");
        };
        let debug = error.debug().unwrap_or_default();
        assert!(
            debug.contains("not-negotiated"),
            "{width}x{height}: {} {debug}",
            error.error()
        );
        assert_eq!(frames(&blurdm), 0);
        stop(&pipeline);
        source.set_caps(Some(&caps(VideoFormat::Rgbx, 16, 16)));
        pipeline.set_state(gst::State::Playing).unwrap();
        source
            .push_buffer(buffer(&picture(16, 16, 1), VideoFormat::Rgbx, 16, 16))
            .unwrap();
        source.end_of_stream().unwrap();
        play_to_end(&pipeline);
        assert_eq!(frames(&blurdm), 1);
        stop(&pipeline);
    }
}

#[test]
fn a_format_of_another_kind_is_offered_through_videoconvert() {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers=2 ! video/x-raw,format=I420,width=34,height=18 ! videoconvert ! {BLURDM} name=b \
         ! videoconvert ! video/x-raw,format=NV12,width=34,height=18 ! fakesink"
    ));
    play_to_end(&pipeline);
    assert_eq!(frames(&blurdm), 2);
    stop(&pipeline);
}

#[test]
fn a_pipeline_that_is_dropped_leaves_nothing_behind() {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers=2 ! {SIZE} ! {BLURDM} name=b ! fakesink"
    ));
    play_to_end(&pipeline);
    stop(&pipeline);
    let (weak_pipeline, weak_blurdm) = (pipeline.downgrade(), blurdm.downgrade());
    drop((pipeline, blurdm));
    assert!(weak_pipeline.upgrade().is_none() && weak_blurdm.upgrade().is_none());
}
