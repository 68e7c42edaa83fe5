// SPDX-License-Identifier: MPL-2.0

//! Whether this machine keeps up with a live stream: plays a live test picture through the element with its defaults, to a sink that
//! goes by the clock, and prints what became of the frames.
//!
//! ```text
//! cargo run --release --example keep_up -- 1280 720 30 60 NV12
//! ```

use std::{env, error::Error, process::ExitCode, thread, time::Duration};

use gst::prelude::*;

mod common;

use common::bus::{error, stop};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let format = if arguments.len() == 5 { arguments.pop() } else { None };
    let numbers: Option<Vec<u32>> = arguments.iter().map(|text| text.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[width, height, fps, seconds]) => common::exit(
            "keep_up",
            run([width, height, fps, seconds], format.as_deref().unwrap_or("RGBx")),
        ),
        _ => common::usage("keep_up WIDTH HEIGHT FPS SECONDS [FORMAT]; RGBx if no format is given"),
    }
}

fn run([width, height, fps, seconds]: [u32; 4], format: &str) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    gstblurdm::plugin_register_static()?;
    let frames = fps.saturating_mul(seconds);
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc is-live=true pattern=smpte horizontal-speed=4 num-buffers={frames} \
         ! video/x-raw,format={format},width={width},height={height},framerate={fps}/1 \
         ! blurdm name=b ! fakesink name=s sync=true"
    ))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let played = play(&pipeline);
    for name in ["b", "s"] {
        if let Some(element) = pipeline.by_name(name) {
            println!("{}", element.property::<gst::Structure>("stats"));
        }
    }
    stop(&pipeline);
    played
}

/// A live source begins with the clock, whoever is still loading: so nothing plays before the caps have gone through.
fn play(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    pipeline.set_state(gst::State::Paused)?;
    let blurdm = pipeline.by_name("b").and_then(|element| element.static_pad("src"));
    let blurdm = blurdm.ok_or("no element")?;
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
