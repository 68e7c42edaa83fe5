// SPDX-License-Identifier: MPL-2.0

//! Restores a blurred video frame by frame, and measures how close the result is to the original, and how fast it is.
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
    quality::{detail, psnr, ssim},
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

/// The scores of one frame.
struct Scored {
    /// The detail of the original: the mean difference of its green between neighbouring pixels of a row.
    detail: f64,
    before: Score,
    after: Score,
}

#[derive(Clone, Copy, Default)]
struct Score {
    psnr: f64,
    ssim: f64,
}

impl Score {
    fn of(truth: &Frame, frame: &Frame) -> Self {
        Self {
            psnr: psnr(&truth.pixels, &frame.pixels),
            ssim: ssim(&truth.pixels, &frame.pixels, truth.width),
        }
    }

    fn mean(scores: impl ExactSizeIterator<Item = Self>) -> Self {
        let count = scores.len() as f64;
        let sum = scores.fold(Self::default(), |sum, one| Self {
            psnr: sum.psnr + one.psnr,
            ssim: sum.ssim + one.ssim,
        });
        Self {
            psnr: sum.psnr / count,
            ssim: sum.ssim / count,
        }
    }
}

fn run(original: &Path, blurred: &Path) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let (truths, inputs) = (Reader::open(original)?, Reader::open(blurred)?);
    let restorer = Restorer::new()?;
    let mut scored: Vec<Scored> = Vec::new();
    let mut restoring = Duration::ZERO;
    let mut size = (0, 0);
    loop {
        let (truth, input) = match (truths.next()?, inputs.next()?) {
            (Some(truth), Some(input)) => (truth, input),
            (None, None) => break,
            _ => {
                return Err(format!(
                    "one clip ends after {} frames: give two of the same length",
                    scored.len()
                )
                .into());
            }
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
        // The first frame includes loading the model for this size.
        if !scored.is_empty() {
            restoring += started.elapsed();
        }
        let (before, after) = thread::scope(|scope| {
            let before = scope.spawn(|| Score::of(&truth, &input));
            let after = Score::of(&truth, &restored);
            before.join().map(|before| (before, after))
        })
        .map_err(|_| "a thread has panicked")?;
        scored.push(Scored {
            detail: detail(&truth.pixels, truth.width),
            before,
            after,
        });
    }
    if scored.is_empty() {
        return Err("the clips have no frames".into());
    }
    let rate = (scored.len() - 1) as f64 / restoring.as_secs_f64();
    report(size, rate, &restorer, &mut scored);
    Ok(())
}

fn report((width, height): (usize, usize), rate: f64, restorer: &Restorer, scored: &mut [Scored]) {
    let provider: Option<String> = restorer.element.property("active-provider");
    let stats: gst::Structure = restorer.element.property("stats");
    let median: f64 = stats.get("total-ms-p50").unwrap_or_default();
    println!("clip      {width}x{height}, {} frames", scored.len());
    println!("provider  {}", provider.unwrap_or_default());
    println!("speed     {rate:.1} frames/s (a frame costs the element {median:.1} ms, median)");
    println!();
    table("all frames", scored);
    scored.sort_by(|a, b| b.detail.total_cmp(&a.detail));
    let half = scored.len().div_ceil(2);
    table(
        "the half whose originals have the most detail",
        scored.get(..half).unwrap_or(scored),
    );
    println!(
        "Where the original is blurred itself, restoring the blurred frame leads away from it: the second table leaves"
    );
    println!(
        "most such frames out. Means over frames of 8-bit RGB; SSIM in 11x11 Gaussian windows, sigma 1.5, K1 0.01, K2 0.03,"
    );
    println!("mean of the three colours.");
}

fn table(title: &str, scored: &[Scored]) {
    let before = Score::mean(scored.iter().map(|s| s.before));
    let after = Score::mean(scored.iter().map(|s| s.after));
    println!("{title}");
    println!("          PSNR (dB)    SSIM");
    println!("blurred   {:9.2}  {:6.4}", before.psnr, before.ssim);
    println!("restored  {:9.2}  {:6.4}", after.psnr, after.ssim);
    println!(
        "gain      {:+9.2} {:+7.4}",
        after.psnr - before.psnr,
        after.ssim - before.ssim
    );
    println!();
}
