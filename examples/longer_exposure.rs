// SPDX-License-Identifier: MPL-2.0

//! Blurs a video as a longer exposure would have done. Every frame becomes the mean, in linear light, of what a moving
//! hand-held camera sees while the shutter is open. The original frame is the middle of the exposure, so that it is the
//! ground truth for a restored one.
//!
//! ```text
//! cargo run --release --example longer_exposure -- sharp.mp4 blurred.mp4
//! ```

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

mod common;

use common::{
    exposure::{Camera, Curve, expose},
    reader::{Frame, Reader},
    writer::Writer,
};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [sharp, blurred] = arguments.as_slice() else {
        return common::usage("longer_exposure SHARP BLURRED.mp4");
    };
    common::exit("longer_exposure", run(sharp, blurred))
}

fn run(sharp: &Path, blurred: &Path) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let reader = Reader::open(sharp)?;
    let curve = Curve::new();
    let mut writer = None;
    let mut lengths = Vec::new();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    loop {
        // One batch has as many frames as there are cores.
        let mut frames = Vec::with_capacity(cores);
        while frames.len() < cores
            && let Some(frame) = reader.next()?
        {
            frames.push(frame);
        }
        if frames.is_empty() {
            break;
        }
        for (frame, exposed) in frames.iter().zip(expose_all(&curve, &frames)?) {
            lengths.push(exposed.length);
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(Writer::create(
                    blurred,
                    frame.sample.caps().ok_or("a frame without caps")?,
                )?),
            };
            writer.write(buffer_like(frame, exposed.pixels)?)?;
        }
    }
    let Some(writer) = writer else {
        return Err(format!("'{}' has no frames", sharp.display()).into());
    };
    writer.finish()?;
    let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
    let (short, long) = lengths
        .iter()
        .fold((f64::MAX, 0.0_f64), |(s, l), &x| (s.min(x), l.max(x)));
    println!(
        "{} frames; the camera moves {mean:.1} pixels on average while one is exposed ({short:.1} to {long:.1})",
        lengths.len()
    );
    Ok(())
}

/// A blurred frame, and how far the camera moved, in pixels.
struct Exposed {
    pixels: Vec<u8>,
    length: f64,
}

/// Blurs every frame on a thread of its own.
fn expose_all(curve: &Curve, frames: &[Frame]) -> Result<Vec<Exposed>, Box<dyn Error>> {
    thread::scope(|scope| {
        let expose_one = |frame| scope.spawn(move || expose_one(curve, frame));
        let running: Vec<_> = frames.iter().map(expose_one).collect();
        let joined = running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread has panicked".into()));
        joined.collect()
    })
}

fn expose_one(curve: &Curve, frame: &Frame) -> Exposed {
    let buffer = frame.sample.buffer();
    let seconds = |time: Option<gst::ClockTime>| time.map_or(0.0, gst::ClockTime::seconds_f64);
    let time = seconds(buffer.and_then(gst::BufferRef::pts));
    let exposure = seconds(buffer.and_then(gst::BufferRef::duration));
    let camera = Camera { exposure };
    Exposed {
        pixels: expose(curve, &frame.pixels, frame.width, &camera.path(time)),
        length: camera.length(time),
    }
}

/// Returns a buffer of `pixels` with the timestamps of the frame.
fn buffer_like(frame: &Frame, pixels: Vec<u8>) -> Result<gst::Buffer, Box<dyn Error>> {
    let old = frame.sample.buffer().ok_or("a frame without data")?;
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    let new = buffer.get_mut().ok_or("a new buffer that is shared")?;
    old.copy_into(new, gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS, ..)?;
    Ok(buffer)
}
