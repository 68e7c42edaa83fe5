// SPDX-License-Identifier: MPL-2.0

//! Checks whether this machine keeps up with a live stream, and how frames are treated when it does not. Plays a live
//! test source through the element to a sink that synchronises to the clock, and counts the frames. It is an error if a
//! frame is lost, duplicated or out of order, and if the counts do not add up.
//!
//! ```text
//! cargo run --release --example keep_up -- 1280 720 30 60
//! cargo run --release --example keep_up -- 1280 720 120 120 NV12 adaptive=false
//! ```

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use gst::prelude::*;

mod common;

use common::bus::{error, stop};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (properties, stream): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|a| a.contains('='));
    let numbers: Option<Vec<u32>> = stream.iter().take(4).map(|text| text.parse().ok()).collect();
    match (numbers.as_deref(), &stream[stream.len().min(4)..]) {
        (Some(&[width, height, fps, seconds]), format @ ([] | [_])) => common::exit(
            "keep_up",
            run(
                [width, height, fps, seconds],
                format.first().unwrap_or(&"RGBx"),
                &properties.join(" "),
            ),
        ),
        _ => common::usage("keep_up WIDTH HEIGHT FPS SECONDS [FORMAT] [PROPERTY=VALUE]...; the default format is RGBx"),
    }
}

fn run([width, height, fps, seconds]: [u32; 4], format: &str, properties: &str) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    gstblurdm::plugin_register_static()?;
    let frames = fps.saturating_mul(seconds);
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc is-live=true pattern=smpte horizontal-speed=4 num-buffers={frames} \
         ! video/x-raw,format={format},width={width},height={height},framerate={fps}/1 \
         ! blurdm name=b {properties} ! queue max-size-bytes=0 ! fakesink name=s sync=true"
    ))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let blurdm = pipeline.by_name("b").ok_or("no element")?;
    let [sink, src] = ["sink", "src"].map(|pad| counted(&blurdm, pad));
    let played = play(&pipeline);
    let stats = blurdm.property::<gst::Structure>("stats");
    println!("{stats}");
    if let Some(sink) = pipeline.by_name("s") {
        println!("{}", sink.property::<gst::Structure>("stats"));
    }
    stop(&pipeline);
    played?;
    add_up(&stats, &*sink?, &*src?)
}

/// The number of frames at a pad, and how many of them were not later than the one before.
#[derive(Default)]
struct Counted {
    frames: AtomicU64,
    out_of_order: AtomicU64,
    last: AtomicU64,
}

fn counted(element: &gst::Element, pad: &str) -> Result<Arc<Counted>, String> {
    let counted = Arc::new(Counted::default());
    let counting = counted.clone();
    let pad = element.static_pad(pad).ok_or(format!("no {pad} pad"))?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
            let first = counting.frames.fetch_add(1, Ordering::Relaxed) == 0;
            let last = counting.last.swap(pts.nseconds(), Ordering::Relaxed);
            counting
                .out_of_order
                .fetch_add(u64::from(!first && pts.nseconds() <= last), Ordering::Relaxed);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(counted)
}

fn add_up(stats: &gst::StructureRef, sink: &Counted, src: &Counted) -> Result<(), Box<dyn Error>> {
    let stat = |name| stats.get::<u64>(name);
    let [received, pushed, out_of_order] =
        [&sink.frames, &src.frames, &src.out_of_order].map(|count| count.load(Ordering::Relaxed));
    let (restored, passed, dropped) = (stat("frames")?, stat("passed")?, stat("dropped")?);
    println!(
        "{received} frames received, {pushed} pushed, {out_of_order} of them out of order: {restored} restored, {passed} passed through; {dropped} dropped"
    );
    if out_of_order > 0 || pushed != restored + passed || received != pushed + dropped {
        return Err("frames are lost, duplicated or out of order".into());
    }
    Ok(())
}

/// Plays the pipeline to its end. A live source starts with the clock, even while the element is still loading its
/// model, so the pipeline is set to PLAYING only after the element has negotiated its caps.
fn play(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    pipeline.set_state(gst::State::Paused)?;
    let blurdm = pipeline.by_name("b").and_then(|element| element.static_pad("src"));
    let blurdm = blurdm.ok_or("no pad")?;
    while blurdm.current_caps().is_none() {
        if let Some(error) = error(pipeline) {
            return Err(error.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("no bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            gst::MessageView::Latency(_) => {
                pipeline.recalculate_latency()?;
            }
            gst::MessageView::Qos(qos) => {
                let (jitter, _, quality) = qos.values();
                eprintln!("QOS: {:.1} ms too long, quality {quality}", jitter as f64 / 1e6);
            }
            _ => {}
        }
    }
    Ok(())
}
