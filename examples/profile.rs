// SPDX-License-Identifier: MPL-2.0

//! Prints where the time of a frame goes by size: a table of the element's statistics, the time to the first frame and
//! the peak memory of the process. Every row is measured in a process of its own, so that none uses memory or sessions
//! of another.
//!
//! ```text
//! cargo run --release --example profile                                        # all sizes, with the defaults
//! cargo run --release --example profile -- 1280x720 threads=1 precision=bf16   # one row
//! ```

use std::{
    env,
    error::Error,
    fs,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use gst::prelude::*;

mod common;

use common::{reader::Frame, restorer::Restorer};

const SIZES: [(u32, u32); 6] = [
    (320, 180),
    (640, 360),
    (960, 540),
    (1280, 720),
    (1920, 1080),
    (3840, 2160),
];

const WARM_UP: usize = 3;

/// The least time and number of frames that a row is measured for.
const SPAN: Duration = Duration::from_secs(8);
const LEAST_FRAMES: usize = 8;

fn main() -> ExitCode {
    let (properties, sizes): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|argument| argument.contains('='));
    match sizes.as_slice() {
        [] => common::exit("profile", table(&properties)),
        [size] => match size
            .split_once('x')
            .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
        {
            Some(size) => common::exit("profile", row(size, &properties).map(|row| println!("{row}"))),
            None => common::usage("profile [WIDTHxHEIGHT] [PROPERTY=VALUE]..."),
        },
        _ => common::usage("profile [WIDTHxHEIGHT] [PROPERTY=VALUE]..."),
    }
}

fn table(properties: &[String]) -> Result<(), Box<dyn Error>> {
    println!(
        "| size | provider | fps | prior, ms | backbone, ms | whole frame: p50, ms | p95 | p99 | ns per px | first frame, s | peak memory, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (width, height) in SIZES {
        let done = Command::new(env::current_exe()?)
            .arg(format!("{width}x{height}"))
            .args(properties)
            .output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned().into());
        }
        print!("{}", String::from_utf8_lossy(&done.stdout));
    }
    Ok(())
}

fn row((width, height): (u32, u32), properties: &[String]) -> Result<String, Box<dyn Error>> {
    let started = Instant::now();
    gst::init()?;
    let restorer = Restorer::with(&properties.join(" "))?;
    // Two frames alternately, since the element samples no prior for a repeated one.
    let frames = [frame(width, height, 0)?, frame(width, height, 1)?];
    let mut turns = frames.iter().cycle();
    let mut next = || {
        turns
            .next()
            .map_or(Err("no frame".into()), |frame| restorer.restore(frame))
    };
    next()?;
    let first_frame = started.elapsed();
    for _ in 1..WARM_UP {
        next()?;
    }
    let (measuring, mut count) = (Instant::now(), 0);
    while count < LEAST_FRAMES || measuring.elapsed() < SPAN {
        next()?;
        count += 1;
    }
    let fps = count as f64 / measuring.elapsed().as_secs_f64();
    let stats: gst::Structure = restorer.element.property("stats");
    let stat = |name: &str| stats.get::<f64>(name);
    let provider: Option<String> = restorer.element.property("active-provider");
    let whole = stat("total-ms-p50")?;
    Ok(format!(
        "| {width}x{height} | {} | {fps:.1} | {:.1} | {:.1} | {whole:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {} |",
        provider.unwrap_or_default(),
        stat("prior-ms-p50")?,
        stat("backbone-ms-p50")?,
        stat("total-ms-p95")?,
        stat("total-ms-p99")?,
        whole * 1e6 / f64::from(width * height),
        first_frame.as_secs_f64(),
        peak_memory()?
    ))
}

/// Returns a ramp with noise that depends on the seed.
fn frame(width: u32, height: u32, seed: u32) -> Result<Frame, Box<dyn Error>> {
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgbx, width, height)
        .fps(gst::Fraction::new(30, 1))
        .build()?;
    let mut state = seed.wrapping_add(1);
    let pixels = (0..width * height).flat_map(|i| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grey = (i % width * 200 / width) as u8 + (state >> 27) as u8;
        [grey, grey, 255 - grey, 255]
    });
    let buffer = gst::Buffer::from_slice(pixels.collect::<Vec<u8>>());
    let caps = info.to_caps()?;
    Frame::new(gst::Sample::builder().buffer(&buffer).caps(&caps).build())
}

/// Returns the peak memory of this process in MB.
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = peak
        .and_then(|text| text.trim().strip_suffix("kB")?.trim().parse().ok())
        .ok_or("no VmHWM in /proc/self/status")?;
    Ok(kilobytes / 1000)
}
