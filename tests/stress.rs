// SPDX-License-Identifier: MPL-2.0

//! State changes, properties, events, queries and frames at once: no critical message, no error, no hang, and the element works afterwards.
//! BLURDM_STRESS_SECONDS is how long, 3 by default.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{HANG, bundle::Copy, frames, pipeline, process::in_own_process, stat};
use gst::prelude::*;

const MILLISECOND: Duration = Duration::from_millis(1);
/// Half of them is not smaller than frames may be, for `reduction`.
const SIZES: [(i32, i32); 3] = [(32, 32), (35, 33), (64, 48)];

fn seconds() -> Duration {
    let seconds = env::var("BLURDM_STRESS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(3, |seconds| seconds.parse().unwrap()))
}

/// Repeats `act` with a number that grows until `ended`, and counts.
fn repeat(ended: &AtomicBool, count: &AtomicU64, pause: Duration, mut act: impl FnMut(u64)) {
    while !ended.load(Ordering::Relaxed) {
        act(count.fetch_add(1, Ordering::Relaxed));
        thread::sleep(pause);
    }
}

fn set_properties(element: &gst::Element, number: u64) {
    let choose = |values: &[&str]| values[number as usize / 3 % values.len()].to_owned();
    let (name, value) = match number % 13 {
        0 => ("strength", choose(&["1", "0", "0.5"])),
        1 => ("compare", choose(&["off", "split"])),
        2 => ("compare-position", choose(&["0", "0.3", "1"])),
        3 => ("steps", choose(&["0", "1", "2"])),
        4 => ("prior-interval", choose(&["1", "4"])),
        5 => ("prior-smoothing", choose(&["0", "0.5"])),
        6 => ("deadline", choose(&["auto", "process", "passthrough", "drop"])),
        7 => ("adaptive", choose(&["true", "false"])),
        8 => ("on-error", choose(&["fail", "passthrough"])),
        9 => ("frames-in-flight", choose(&["1", "2"])),
        10 => ("qos", choose(&["true", "false"])),
        11 => ("reduction", choose(&["1", "2"])),
        _ => {
            element.property::<gst::Structure>("stats");
            element.property::<String>("active-provider");
            return;
        }
    };
    element.set_property_from_str(name, &value);
}

fn send_event(element: &gst::Element, pipeline: &gst::Pipeline, number: u64) {
    let (src, sink) = (element.static_pad("src").unwrap(), element.static_pad("sink").unwrap());
    let time = gst::ClockTime::from_mseconds(number % 5000);
    let structure = || gst::Structure::new_empty("stress");
    match number % 8 {
        0 => drop(src.send_event(gst::event::Qos::new(gst::QOSType::Underflow, 2.0, 1_000_000, time))),
        1 => drop(src.send_event(gst::event::Latency::new(time))),
        2 => drop(src.send_event(gst::event::Reconfigure::new())),
        3 => drop(src.send_event(gst::event::CustomUpstream::new(structure()))),
        4 => drop(sink.send_event(gst::event::CustomDownstreamOob::new(structure()))),
        5 => drop(src.query(&mut gst::query::Latency::new())),
        6 => drop(pipeline.seek_simple(gst::SeekFlags::FLUSH, time)),
        _ => drop(src.query(&mut gst::query::Position::new(gst::Format::Time))),
    }
}

/// Returns the errors of all elements.
fn errors(pipeline: &gst::Pipeline) -> Vec<String> {
    let bus = pipeline.bus().unwrap();
    let messages = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Error]));
    messages
        .map(|message| match message.view() {
            gst::MessageView::Error(error) => format!("{}: {:?}", error.error(), error.debug()),
            _ => unreachable!(),
        })
        .collect()
}

/// Runs three threads against a playing pipeline. `states` are what one of them cycles through.
fn stress(states: &[gst::State]) {
    let model = Copy::shifting(None, 0.5);
    let (pipeline, element) = pipeline(&format!(
        "videotestsrc name=source ! capsfilter name=caps ! blurdm name=b execution-provider=cpu model={} ! fakesink name=sink sync=false",
        model.text()
    ));
    let caps = pipeline.by_name("caps").unwrap();
    let set_size = move |number: u64| {
        let (width, height) = SIZES[number as usize % SIZES.len()];
        let format = ["RGBx", "I420", "NV12"][number as usize / 3 % 3];
        let builder = gst::Caps::builder("video/x-raw").field("format", format);
        let builder = builder.field("width", width).field("height", height);
        caps.set_property("caps", builder.field("framerate", gst::Fraction::new(25, 1)).build());
    };
    set_size(0);
    // In the thread of the source, which is not negotiated if the caps change while it chooses its own.
    let (sizes, counted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let changed = sizes.clone();
    let source = pipeline.by_name("source").unwrap();
    source
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if counted.fetch_add(1, Ordering::Relaxed) % 20 == 19 {
                set_size(changed.fetch_add(1, Ordering::Relaxed));
            }
            gst::PadProbeReturn::Ok
        });
    let src = element.static_pad("src").unwrap();
    let (ended, out) = (AtomicBool::new(false), Arc::new(AtomicU64::new(0)));
    let counted = out.clone();
    src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    let counts: [AtomicU64; 3] = Default::default();
    pipeline.set_state(gst::State::Playing).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            repeat(&ended, &counts[0], MILLISECOND * 7, |number| {
                let state = states[number as usize % states.len()];
                if let Err(error) = pipeline.set_state(state) {
                    panic!("{state:?}: {error}: {:?}", errors(&pipeline));
                }
            });
        });
        scope.spawn(|| {
            repeat(&ended, &counts[1], MILLISECOND, |number| {
                set_properties(&element, number)
            })
        });
        scope.spawn(|| {
            repeat(&ended, &counts[2], MILLISECOND, |number| {
                send_event(&element, &pipeline, number)
            })
        });
        let begun = Instant::now();
        while begun.elapsed() < seconds() {
            thread::sleep(MILLISECOND * 50);
        }
        ended.store(true, Ordering::Relaxed);
    });
    let errors = errors(&pipeline);
    assert!(errors.is_empty(), "{errors:?}");
    println!(
        "{:?} s, {states:?}: {counts:?} state changes, properties, events; {} caps, {} frames came out",
        seconds(),
        sizes.load(Ordering::Relaxed),
        out.load(Ordering::Relaxed)
    );
    assert!(
        counts.iter().all(|count| count.load(Ordering::Relaxed) > 10),
        "{counts:?}"
    );
    // Frames are restored afterwards.
    pipeline.set_state(gst::State::Null).unwrap();
    for (name, value) in [
        ("strength", "1"),
        ("deadline", "process"),
        ("qos", "false"),
        ("adaptive", "false"),
    ] {
        element.set_property_from_str(name, value);
    }
    source.set_property("num-buffers", 5);
    common::play_to_end(&pipeline);
    assert_eq!((frames(&element), stat::<u64>(&element, "dropped")), (5, 0));
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(pipeline.state(HANG).1, gst::State::Null);
}

fn in_child(name: &str, states: &[gst::State]) {
    in_own_process(name, &[("G_DEBUG", Some(Path::new("fatal_criticals")))], || {
        stress(states)
    });
}

#[test]
fn everything_at_once_while_states_go_from_null_to_playing() {
    use gst::State::{Null, Paused, Playing, Ready};
    let name = "everything_at_once_while_states_go_from_null_to_playing";
    in_child(
        name,
        &[Null, Playing, Ready, Playing, Paused, Playing, Playing, Null, Paused],
    );
}

#[test]
fn everything_at_once_while_the_pipeline_pauses_and_plays() {
    use gst::State::{Paused, Playing};
    in_child(
        "everything_at_once_while_the_pipeline_pauses_and_plays",
        &[Paused, Playing],
    );
}
