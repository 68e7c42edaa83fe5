// SPDX-License-Identifier: MPL-2.0

//! `blurdm build-engine`: builds TensorRT engines before the first start needs them.

use std::{io::Write, str::FromStr, time::Instant};

use clap::Args;
use gstblurdm::engine::{self, Choice, Deblurrer, FrameSize, Options, Precision, Provider, Settings};

use crate::{engine_args::EngineArgs, error::CommandError};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    engine: EngineArgs,
    /// Size of frames to build an engine for, as in 1280x720; may be given several times
    #[arg(long = "size", required = true, value_name = "WIDTHxHEIGHT")]
    sizes: Vec<Size>,
    /// Numeric precision: fp32, fp16 or int8 [default: as the element chooses]
    #[arg(long, value_parser = precision)]
    precision: Option<Precision>,
}

#[derive(Debug, Clone, Copy)]
struct Size(FrameSize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text
            .split_once('x')
            .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        let (width, height) = sides.ok_or("a size is two numbers, as in 1280x720")?;
        Ok(Self(FrameSize { width, height }))
    }
}

fn precision(text: &str) -> Result<Precision, String> {
    let known = Precision::ALL.into_iter().find(|precision| precision.nick() == text);
    known.ok_or_else(|| "it is none of fp32, fp16 and int8".into())
}

/// Builds an engine for every size, and prints how long it took.
///
/// # Errors
/// The first engine that cannot be built. Without TensorRT the error names what is missing.
pub fn run(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    let (bundle, search) = (arguments.engine.bundle()?, arguments.engine.search());
    let options = Options {
        provider: Choice::Only(Provider::TensorRt),
        precision: arguments.precision,
        settings: Settings {
            device_id: arguments.engine.device_id,
            ..engine::Settings::default()
        },
        ..Options::default()
    };
    for &Size(size) in &arguments.sizes {
        let started = Instant::now();
        let deblurrer = Deblurrer::new(&bundle, &options, &search, size)?;
        writeln!(
            out,
            "{}x{} in {}: {:.0} s",
            size.width,
            size.height,
            deblurrer.precision(),
            started.elapsed().as_secs_f64()
        )?;
    }
    Ok(())
}
