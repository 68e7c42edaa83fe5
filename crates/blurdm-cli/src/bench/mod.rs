// SPDX-License-Identifier: MPL-2.0

//! `blurdm bench`: how fast a span of a file is decoded, restored and encoded, each by itself and all together; and where there is a sharp
//! reference, how near to it the restored frames come. Nothing is blurred for that: the footage is what it is.

mod frames;
mod likeness;
mod stages;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use crate::{
    failure::Failure,
    plugin::{self, BuiltinError},
    restore::{
        Error,
        encoder::{Codec, Encoder, QUALITIES},
        seconds,
        treatment::{Compare, Treatment},
    },
};
use frames::Span;
use likeness::Likeness;
use stages::{Clip, Stage};

#[derive(Debug, Args)]
pub struct Arguments {
    /// File to measure with; it is not changed, and nothing is written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to begin, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    start: u64,
    /// How much of it to measure with, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    duration: u64,
    /// The same footage without blur: tells the PSNR against it, of the file as it is and restored. Frames of equal times are compared
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    treatment: Treatment,
    /// What to encode in
    #[arg(long, value_enum, default_value = "h264")]
    codec: Codec,
    /// From 0, the best, to 51, by the scale of H.264's constant rate factor
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u32).range(i64::from(*QUALITIES.start())..=i64::from(*QUALITIES.end())))]
    quality: u32,
    /// Encode on the CPU even where there is hardware for it
    #[arg(long)]
    software_encoder: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Measured {
    file: String,
    width: u32,
    height: u32,
    format: String,
    frames: usize,
    /// What ran, and in which numbers.
    provider: String,
    encoder: String,
    stages: Vec<Stage>,
    /// Milliseconds in the element at the 50th, 95th and 99th percentile, where it does nothing but restore.
    element_ms: [f64; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Likeness>,
}

/// Measures, and prints what came out.
///
/// # Errors
/// A file that cannot be decoded or has too few frames in the span, an element or encoder that fails, a reference that does not fit.
pub fn run(arguments: &Arguments, mut out: impl Write) -> Result<(), Failure> {
    if arguments.treatment.compare != Compare::Off || arguments.treatment.only_blurred {
        let reason = "bench restores whole frames, and all: leave --compare and --only-blurred away";
        return Err(Error::Failed(reason.into()).into());
    }
    plugin::load().map_err(BuiltinError::from)?;
    let measured = measure(arguments)?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&measured).map_err(io::Error::from)?;
        writeln!(out, "{text}")?;
    } else {
        print(&measured, &mut out)?;
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Measured, Error> {
    let span = Span {
        from: arguments.start,
        to: arguments.start.saturating_add(arguments.duration),
    };
    let encoder = Encoder::find(arguments.codec, arguments.quality, !arguments.software_encoder)?;
    let clip = Clip::open(&arguments.file, span)?;
    let treatment = &arguments.treatment;
    // First, since a reference that does not fit is to be told before all the rest is measured.
    let reference = arguments.reference.as_deref();
    let reference = reference.map(|reference| likeness::measure(&arguments.file, reference, span, treatment));
    let reference = reference.transpose()?;
    let decoded = clip.decode()?;
    let restored = clip.restore(treatment)?;
    let stages = vec![
        decoded,
        restored.stage,
        clip.encode(&restored.frames, &encoder)?,
        clip.decode_and_restore(treatment)?,
        clip.all_together(treatment, &encoder)?,
    ];
    Ok(Measured {
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

fn print(measured: &Measured, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{}: {} frames of {}x{}, {}",
        measured.file, measured.frames, measured.width, measured.height, measured.format
    )?;
    writeln!(
        out,
        "Restored by {}, encoded by {}",
        measured.provider, measured.encoder
    )?;
    writeln!(out)?;
    writeln!(out, "{:<22} {:>8} {:>12}", "", "fps", "ms a frame")?;
    for stage in &measured.stages {
        writeln!(out, "{:<22} {:>8.1} {:>12.2}", stage.name, stage.fps, 1e3 / stage.fps)?;
    }
    let [p50, p95, p99] = measured.element_ms;
    writeln!(out)?;
    writeln!(
        out,
        "In the element, milliseconds: {p50:.2} (median), {p95:.2} (95%), {p99:.2} (99%)"
    )?;
    let Some(likeness) = &measured.reference else {
        return Ok(());
    };
    let gain = likeness
        .gain
        .map(|gain| format!(" ({gain:+.2} dB)"))
        .unwrap_or_default();
    writeln!(
        out,
        "PSNR against the reference: {} dB as it is, {} dB restored{gain}, over {} frames, of which {} came nearer",
        likeness.before, likeness.after, likeness.frames, likeness.nearer
    )?;
    if likeness.unmatched > 0 {
        writeln!(
            out,
            "{} frames have none of their time in the reference",
            likeness.unmatched
        )?;
    }
    Ok(())
}
