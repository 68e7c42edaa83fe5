// SPDX-License-Identifier: MPL-2.0

//! Measures the gain at the working scales that `adaptive` falls back to: restores pairs of pictures at each of them,
//! and prints the mean gain in PSNR over the blurred picture.
//!
//! ```text
//! cargo run --release --example scales -- FOLDER      # NAME_blurred.png beside NAME_sharp.png; a model folder may follow
//! ```

use std::{
    env,
    error::Error,
    fs, iter,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use gstblurdm::engine::{Bundle, Deblurrer, FrameSize, Options, REDUCTIONS, Sampling, Search};

mod common;

use common::{
    quality::psnr,
    reader::{Frame, Reader},
};

/// The PSNR in dB above which a "blurred" picture is sharp, and is left out.
const SHARP_DB: f64 = 45.0;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    match arguments.as_slice() {
        [folder] => common::exit("scales", run(folder, None)),
        [folder, model] => common::exit("scales", run(folder, Some(model))),
        _ => common::usage("scales FOLDER [MODEL]"),
    }
}

struct Pair {
    blurred: Frame,
    sharp: Frame,
}

fn run(folder: &Path, model: Option<&Path>) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let pairs = pairs(folder)?;
    let bundle = model.map_or_else(Bundle::builtin, Bundle::open)?;
    println!("{} pairs of pictures in {}", pairs.len(), folder.display());
    println!("| working scale | gain, dB | worst picture, dB | a picture, ms |");
    println!("|---|---|---|---|");
    for reduction in iter::once(1).chain(REDUCTIONS) {
        let (gains, milliseconds) = at(reduction, &bundle, &pairs)?;
        let mean = gains.iter().sum::<f64>() / gains.len() as f64;
        let worst = gains.iter().copied().fold(f64::INFINITY, f64::min);
        println!("| 1/{reduction} | {mean:.2} | {worst:.2} | {milliseconds:.1} |");
    }
    Ok(())
}

/// Returns the gain of every pair in dB, and the median time in milliseconds.
fn at(reduction: usize, bundle: &Bundle, pairs: &[Pair]) -> Result<(Vec<f64>, f64), Box<dyn Error>> {
    let options = Options {
        reduction,
        ..Options::default()
    };
    let (mut deblurrer, mut gains, mut times) = (None::<Deblurrer>, Vec::new(), Vec::new());
    for Pair { blurred, sharp } in pairs {
        let size = FrameSize {
            width: blurred.width,
            height: blurred.height,
        };
        let deblurrer = match &mut deblurrer {
            Some(deblurrer) if deblurrer.size() == size => deblurrer,
            other => other.insert(Deblurrer::new(bundle, &options, &Search::default(), size)?),
        };
        // The pictures do not follow one another.
        deblurrer.reset_history();
        let mut restored = vec![0; blurred.pixels.len()];
        let started = Instant::now();
        deblurrer.restore(&blurred.pixels, &mut restored, Sampling::default())?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        gains.push(psnr(&sharp.pixels, &restored) - psnr(&sharp.pixels, &blurred.pixels));
    }
    times.sort_by(f64::total_cmp);
    Ok((gains, times[times.len() / 2]))
}

fn pairs(folder: &Path) -> Result<Vec<Pair>, Box<dyn Error>> {
    let named = |error| format!("'{}' cannot be read: {error}", folder.display());
    let mut files = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(named)?;
    files.sort();
    let mut pairs = Vec::new();
    for path in files {
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix("_blurred.png")) else {
            continue;
        };
        let (blurred, sharp) = (picture(&path)?, picture(Path::new(&format!("{name}_sharp.png")))?);
        if (blurred.width, blurred.height) != (sharp.width, sharp.height) {
            return Err(format!("'{name}': the blurred and the sharp picture differ in size").into());
        }
        if psnr(&sharp.pixels, &blurred.pixels) < SHARP_DB {
            pairs.push(Pair { blurred, sharp });
        }
    }
    if pairs.is_empty() {
        return Err(format!("no NAME_blurred.png in '{}' that is blurred", folder.display()).into());
    }
    Ok(pairs)
}

fn picture(path: &Path) -> Result<Frame, Box<dyn Error>> {
    Reader::open(path)?
        .next()?
        .ok_or_else(|| format!("'{}' has no picture", path.display()).into())
}
