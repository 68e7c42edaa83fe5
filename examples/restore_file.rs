// SPDX-License-Identifier: MPL-2.0

//! Restores the video of a file into an MP4 file with the element. `examples/python` and `examples/c` hold the same program.
//!
//! ```text
//! cargo run --release --example restore_file -- blurred.mp4 restored.mp4
//! ```

use std::{env, error::Error};

use gst::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let [input, output] = paths.as_slice() else {
        return Err("usage: restore_file IN OUT.mp4".into());
    };
    gst::init()?;
    // The element is part of this program. Without this line, GStreamer uses the plugin that is installed.
    gstblurdm::plugin_register_static()?;
    let pipeline = gst::parse::launch(
        "filesrc name=in ! decodebin ! videoconvert ! blurdm name=blurdm ! queue ! videoconvert \
         ! x264enc pass=qual vbv-buf-capacity=0 ! h264parse ! mp4mux ! filesink name=out",
    )?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "this is not a pipeline")?;
    let element = |name| pipeline.by_name(name).ok_or("an element is missing");
    element("in")?.set_property("location", input);
    element("out")?.set_property("location", output);
    pipeline.set_state(gst::State::Playing)?;
    let played = play(&pipeline);
    let stats: gst::Structure = element("blurdm")?.property("stats");
    pipeline.set_state(gst::State::Null)?;
    played?;
    println!("{} frames restored", stats.get::<u64>("frames")?);
    Ok(())
}

/// Blocks until the end of the stream, and prints what the graphs run on.
fn play(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            gst::MessageView::Element(message) => {
                if let Some(structure) = message
                    .structure()
                    .filter(|structure| structure.name() == "blurdm-provider")
                {
                    println!("{}", structure.get::<&str>("provider")?);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
