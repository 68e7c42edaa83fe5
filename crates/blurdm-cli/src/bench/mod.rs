// SPDX-License-Identifier: MPL-2.0

//! `blurdm bench`: how fast a part of a file is decoded, restored and encoded, each stage alone and all together. With a sharp reference
//! also the PSNR before and after.

mod frames;
mod reference;
mod stages;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use crate::{
    error::{CommandError, Error},
    media::{
        element::{Compare, ElementSettings},
        encoder::{Codec, Encoder, QUALITIES},
        watchdog::{self, StallLimit},
    },
    plugin, values,
};
use frames::TimeRange;
use reference::Comparison;
use stages::{Clip, Stage};

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to measure with; nothing is written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Start of the part to measure with, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, default_value = "0")]
    start: u64,
    /// Duration of the part to measure with, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, default_value = "5")]
    duration: u64,
    /// The same footage without blur, to compute the PSNR of the original and of the restored frames against. Frames of equal times are compared
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    settings: ElementSettings,
    /// Codec to encode with
    #[arg(long, value_enum, default_value = "h264")]
    codec: Codec,
    /// Quality of the encoding, from 0 (best) to 51, on the scale of H.264's constant rate factor
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(i64::from(*QUALITIES.start())..=i64::from(*QUALITIES.end())))]
    quality: u32,
    /// Encode on the CPU even where a hardware encoder works
    #[arg(long)]
    software_encoder: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    stall_limit: StallLimit,
}

/// All results.
#[derive(Debug, Serialize)]
struct Measurement {
    file: String,
    width: u32,
    height: u32,
    format: String,
    frames: usize,
    /// Execution provider and precision.
    provider: String,
    encoder: String,
    stages: Vec<Stage>,
    /// Milliseconds in the element at the 50th, 95th and 99th percentile, without decoding and encoding.
    element_ms: [f64; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Comparison>,
}

/// Measures, and prints the results.
///
/// # Errors
/// A file that cannot be decoded or has too few frames in the range, an element or encoder that fails, a reference that does not match.
pub fn run(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    if arguments.settings.compare != Compare::Off || arguments.settings.only_blurred {
        let reason = "bench restores every frame as a whole; leave out --compare and --only-blurred";
        return Err(Error::Failed(reason.into()).into());
    }
    plugin::load()?;
    watchdog::start(arguments.stall_limit, watchdog::end_process)?;
    let measurement = measure(arguments)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&measurement).map_err(io::Error::from)?;
        writeln!(out, "{text}")?;
    } else {
        print(&measurement, &mut out)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Measurement, Error> {
    let range = TimeRange {
        from: arguments.start,
        to: arguments.start.saturating_add(arguments.duration),
    };
    let encoder = Encoder::find(arguments.codec, arguments.quality, !arguments.software_encoder, false)?;
    let clip = Clip::open(&arguments.file, range)?;
    let settings = &arguments.settings;
    // First, so that a reference that does not match is reported before anything else is measurement.
    let reference = arguments.reference.as_deref();
    let reference = reference.map(|reference| reference::measure(&arguments.file, reference, range, settings));
    let reference = reference.transpose()?;
    let decoded = clip.decode()?;
    let restored = clip.restore(settings)?;
    let stages = vec![
        decoded,
        restored.stage,
        clip.encode(&restored.frames, &encoder)?,
        clip.decode_and_restore(settings)?,
        clip.all_together(settings, &encoder)?,
    ];
    Ok(Measurement {
        file: arguments.file.to_string_lossy().into_owned(),
        width: clip.info.width(),
        height: clip.info.height(),
        format: clip.info.format().to_string(),
        frames: clip.frames,
        provider: restored.provider,
        encoder: encoder.factory,
        stages,
        element_ms: restored.element_ms,
        reference,
    })
}

fn print(measurement: &Measurement, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} frames of {}x{}, {}",
        measurement.file, measurement.frames, measurement.width, measurement.height, measurement.format
    )?;
    writeln!(
        out,
        "Restored by {}, encoded by {}",
        measurement.provider, measurement.encoder
    )?;
    writeln!(out)?;
    writeln!(out, "{:<22} {:>8} {:>12}", "", "fps", "ms a frame")?;
    for stage in &measurement.stages {
        writeln!(out, "{:<22} {:>8.1} {:>12.2}", stage.name, stage.fps, 1e3 / stage.fps)?;
    }
    let [p50, p95, p99] = measurement.element_ms;
    writeln!(out)?;
    writeln!(
        out,
        "In the element, milliseconds: {p50:.2} (median), {p95:.2} (95%), {p99:.2} (99%)"
    )?;
    let Some(comparison) = &measurement.reference else {
        return Ok(());
    };
    let gain = comparison
        .gain
        .map(|gain| format!(" ({gain:+.2} dB)"))
        .unwrap_or_default();
    writeln!(
        out,
        "PSNR against the reference: {} dB as it is, {} dB restored{gain}, over {} frames, {} of them closer",
        comparison.before, comparison.after, comparison.frames, comparison.nearer
    )?;
    if comparison.unmatched > 0 {
        writeln!(
            out,
            "{} frames have no counterpart in the reference",
            comparison.unmatched
        )?;
    }
    Ok(())
}
