// SPDX-License-Identifier: MPL-2.0

//! Restores single frames with the element in a pipeline of its own.

use std::error::Error;

use gst::prelude::*;

use super::{bus, reader::Frame};

pub struct Restorer {
    pipeline: gst::Pipeline,
    input: gst_app::AppSrc,
    output: gst_app::AppSink,
    pub element: gst::Element,
}

impl Restorer {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Self::with("")
    }

    /// Creates a pipeline whose element has the given properties, in the syntax of gst-launch.
    pub fn with(properties: &str) -> Result<Self, Box<dyn Error>> {
        // The crate is linked statically, so that no plugin must be installed.
        gstblurdm::plugin_register_static()?;
        let pipeline = gst::parse::launch(&format!(
            "appsrc name=in format=time ! blurdm name=blurdm frames-in-flight=1 {properties} ! appsink name=out sync=false"
        ))?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline")?;
        let restorer = Self {
            input: pipeline.by_name("in").and_downcast().ok_or("no appsrc")?,
            output: pipeline.by_name("out").and_downcast().ok_or("no appsink")?,
            element: pipeline.by_name("blurdm").ok_or("no blurdm")?,
            pipeline,
        };
        if let Err(failed) = restorer.pipeline.set_state(gst::State::Playing) {
            return Err(restorer.reason(failed));
        }
        Ok(restorer)
    }

    pub fn restore(&self, frame: &Frame) -> Result<Frame, Box<dyn Error>> {
        self.input
            .push_sample(&frame.sample)
            .map_err(|failed| self.reason(failed))?;
        let sample = self.output.pull_sample().map_err(|failed| self.reason(failed))?;
        Frame::new(sample)
    }

    fn reason(&self, failed: impl std::fmt::Display) -> Box<dyn Error> {
        bus::error(&self.pipeline)
            .unwrap_or_else(|| format!("blurdm gave no frame: {failed}"))
            .into()
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        bus::stop(&self.pipeline);
    }
}
