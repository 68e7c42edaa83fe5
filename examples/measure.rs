// SPDX-License-Identifier: MPL-2.0

//! Restores a blurred video frame by frame and measures how near it comes to the original, and how fast.
//!
//! ```text
//! cargo run --release --example measure -- original.mp4 blurred.mp4
//! ```

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use gst::prelude::*;

mod common;

use common::{
    quality::{psnr, ssim},
    reader::{Frame, Reader},
    restorer::Restorer,
};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [original, blurred] = arguments.as_slice() else {
        return common::usage("measure ORIGINAL BLURRED");
    };
    common::exit("measure", run(original, blurred))
}

/// Sums over the frames so far.
#[derive(Default)]
struct Score {
    psnr: f64,
    ssim: f64,
}

impl Score {
    fn add(&mut self, truth: &Frame, frame: &Frame) {
        self.psnr += psnr(&truth.pixels, &frame.pixels);
        self.ssim += ssim(&truth.pixels, &frame.pixels, truth.width);
    }

    fn over(&self, frames: usize) -> (f64, f64) {
        (self.psnr / frames as f64, self.ssim / frames as f64)
    }
}

fn run(original: &Path, blurred: &Path) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let (truths, inputs) = (Reader::open(original)?, Reader::open(blurred)?);
    let restorer = Restorer::new()?;
    let (mut before, mut after) = (Score::default(), Score::default());
    let mut restoring = Duration::ZERO;
    let mut frames = 0;
    let mut size = (0, 0);
    loop {
        let (truth, input) = match (truths.next()?, inputs.next()?) {
            (Some(truth), Some(input)) => (truth, input),
            (None, None) => break,
            _ => return Err(format!("one clip ends after {frames} frames: give two of the same length").into()),
        };
        size = (truth.width, truth.height);
        if size != (input.width, input.height) {
            return Err(format!(
                "the clips differ in size, {}x{} and {}x{}: give two of the same",
                truth.width, truth.height, input.width, input.height
            )
            .into());
        }
        let started = Instant::now();
        let restored = restorer.restore(&input)?;
        // The first frame includes the preparation of the model for this size.
        if frames > 0 {
            restoring += started.elapsed();
        }
        thread::scope(|scope| {
            scope.spawn(|| before.add(&truth, &input));
            after.add(&truth, &restored);
        });
        frames += 1;
    }
    if frames == 0 {
        return Err("the clips have no frames".into());
    }
    let rate = (frames - 1) as f64 / restoring.as_secs_f64();
    report(size, frames, rate, &restorer, before.over(frames), after.over(frames));
    Ok(())
}

fn report(
    (width, height): (usize, usize),
    frames: usize,
    rate: f64,
    restorer: &Restorer,
    before: (f64, f64),
    after: (f64, f64),
) {
    let provider: Option<String> = restorer.element.property("active-provider");
    let stats: gst::Structure = restorer.element.property("stats");
    let median: f64 = stats.get("total-ms-p50").unwrap_or_default();
    println!("clip      {width}x{height}, {frames} frames");
    println!("provider  {}", provider.unwrap_or_default());
    println!("speed     {rate:.1} frames/s (a frame costs the element {median:.1} ms, median)");
    println!();
    println!("          PSNR (dB)    SSIM");
    println!("blurred   {:9.2}  {:6.4}", before.0, before.1);
    println!("restored  {:9.2}  {:6.4}", after.0, after.1);
    println!("gain      {:+9.2} {:+7.4}", after.0 - before.0, after.1 - before.1);
    println!();
    println!("Means over the frames, 8-bit RGB against the original. SSIM: 11x11 Gaussian windows, sigma 1.5,");
    println!("K1 0.01, K2 0.03, mean of the three colours.");
}
