// SPDX-License-Identifier: MPL-2.0

//! Finds the conventions of a model of one file by running it on small frames.
//!
//! A network for restoration gives back a frame without blur nearly as it is. So the right conventions are those under
//! which a grey frame and one of ramps come out as they went in.

use super::{
    bundle::{Bundle, COLOURS, ChannelOrder, Conventions, Layout, Plain, Range},
    error::Error,
    frame_size::{FrameSize, PIXEL_BYTES},
    runtime::Runtime,
    session::{Canceler, Computed, Trial},
};

/// The multiples that are tried, each with sides that are no multiples of the next.
const MULTIPLES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// The least side of the frames that networks of any size are tried on.
const LEAST_SIDE: usize = 64;

/// The distance in grey levels, as a mean over the frame, up to which a frame has come out as it went in.
const NEAR: f64 = 16.0;

/// The distance from which a frame has not. Between both, the likeliest range is kept: what a network does to the
/// numbers is a smaller share of 0..255 than of 0..1, so that the nearest range need not be the right one.
const FAR: f64 = 64.0;

/// How many times nearer the frame must be with red and blue exchanged.
const EXCHANGED: f64 = 4.0;

/// The least difference between the numbers of a picture, in grey levels.
const LEAST_SPREAD: f64 = 1.0;

/// Finds the conventions of a model of one file, unless they are known. Other bundles have none to be found.
///
/// # Errors
/// Why the network cannot be run on frames: [`Error::BundleInvalid`], [`Error::NotAPicture`], [`Error::Cancelled`].
pub(super) fn settle(bundle: &Bundle, runtime: &Runtime, canceler: &Canceler) -> Result<(), Error> {
    let Some(plain) = bundle.plain().filter(|plain| plain.conventions().is_none()) else {
        return Ok(());
    };
    let mut failed = None;
    for &layout in plain.layouts() {
        match try_layout(plain, layout, bundle.label(), runtime, canceler) {
            Ok(conventions) => {
                plain.settle(conventions);
                return Ok(());
            }
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => failed = Some(failed.unwrap_or(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Finds the conventions where the input has `layout`.
fn try_layout(
    plain: &Plain,
    layout: Layout,
    label: &str,
    runtime: &Runtime,
    canceler: &Canceler,
) -> Result<Conventions, Error> {
    let mut trial = Trial::new(runtime, canceler, label, &plain.trial(layout))?;
    let invalid = |reason: String| Error::BundleInvalid {
        bundle: label.to_owned(),
        file: "the graph".into(),
        reason,
    };
    let (multiple, size) = find_multiple(plain, &mut trial, &invalid)?;
    let order = plain.format().order.unwrap_or_default();
    let tried = try_ranges(plain, &mut trial, size, order)?;
    let Tried { input, output, .. } = choose(tried)?;
    Ok(Conventions {
        input_layout: layout,
        output_layout: plain.output_layout(layout),
        order,
        input,
        output,
        multiple,
    })
}

/// Returns the number of pixels of which sides must be a multiple, and a size of which the network takes frames.
fn find_multiple(
    plain: &Plain,
    trial: &mut Trial,
    invalid: &impl Fn(String) -> Error,
) -> Result<(usize, FrameSize), Error> {
    let candidates = match (plain.fixed_size(), plain.format().multiple) {
        (Some(fixed), _) => vec![(1, fixed)],
        (None, Some(multiple)) => vec![(multiple, size_for(multiple))],
        (None, None) => MULTIPLES.map(|multiple| (multiple, size_for(multiple))).to_vec(),
    };
    let range = plain.input_ranges().first().copied().unwrap_or(Range::UNIT);
    let mut reason = String::new();
    for (multiple, size) in candidates {
        let FrameSize { width, height } = size;
        match trial.run(&frame(size, Test::Ramps), size, &range) {
            Ok(Computed { shape, .. }) if shape == [1, height as i64, width as i64, COLOURS as i64] => {
                return Ok((multiple, size));
            }
            Ok(Computed { shape, .. }) => reason = of_another_size(&shape, size),
            Err(Error::Inference { reason: failure, .. }) => {
                reason = format!(
                    "it does not run on frames of {width}x{height}: {failure}; export it for frames of any size, or for one size"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Err(invalid(reason))
}

/// Returns the reason why a network that gives back something else than an image of the same size is refused.
fn of_another_size(shape: &[i64], FrameSize { width, height }: FrameSize) -> String {
    match *shape {
        [1, found_height, found_width, channels] if channels == COLOURS as i64 => format!(
            "frames of {width}x{height} come out with {found_width}x{found_height} pixels; use a network that keeps the \
             size, as for deblurring or denoising"
        ),
        _ => format!(
            "of a frame of {width}x{height} it computes {shape:?}, which is no image of three channels; use a network for \
             deblurring or denoising"
        ),
    }
}

/// Returns a size whose sides are multiples of `multiple`, and not of twice that. They differ, so that exchanged sides
/// are found.
fn size_for(multiple: usize) -> FrameSize {
    let odd = LEAST_SIDE.div_ceil(multiple) | 1;
    FrameSize {
        width: multiple * (odd + 2),
        height: multiple * odd,
    }
}

/// A frame that the network is tried on.
#[derive(Clone, Copy)]
enum Test {
    Grey,
    Ramps,
}

/// Returns a frame without blur or noise. The ramps differ from one colour to the next.
fn frame(size: FrameSize, test: Test) -> Vec<u8> {
    const GREY: u8 = 128;
    let ramp = |at: usize, length: usize| (24 + at * 208 / length) as u8;
    (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| match test {
            Test::Grey => [GREY, GREY, GREY, u8::MAX],
            Test::Ramps => {
                let (across, down) = (ramp(x, size.width), ramp(y, size.height));
                [across, down, u8::MAX - across, u8::MAX]
            }
        })
        .collect()
}

/// What came out under one range of the input and one of the output.
#[derive(Clone, Copy)]
struct Tried {
    input: Range,
    output: Range,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
enum Verdict {
    /// A picture, with its distance to the frame, and that with red and blue exchanged, both in grey levels.
    Picture { distance: f64, exchanged: f64 },
    /// Every pixel is the same.
    Flat,
    /// Something is infinite or not a number.
    NotNumbers,
}

/// Runs the network with each range that it may have, the likeliest first, until frames come out as they went in.
fn try_ranges(plain: &Plain, trial: &mut Trial, size: FrameSize, order: ChannelOrder) -> Result<Vec<Tried>, Error> {
    let (inputs, outputs) = (plain.input_ranges(), plain.output_ranges());
    let mut tried = Vec::new();
    for input in &inputs {
        let frames = [Test::Grey, Test::Ramps].map(|test| frame(size, test));
        let mut computed = Vec::new();
        for frame in &frames {
            computed.push(trial.run(frame, size, input)?.numbers);
        }
        // The likeliest range of the output is that of the input, and the only one where both may have several.
        let (same, others): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| *output == input);
        let others = others.into_iter().filter(|_| same.is_empty() || inputs.len() == 1);
        for output in same.iter().copied().chain(others) {
            let verdict = compare(&frames, &computed, output, order);
            tried.push(Tried {
                input: *input,
                output: *output,
                verdict,
            });
            if matches!(verdict, Verdict::Picture { distance, .. } if distance <= NEAR) {
                return Ok(tried);
            }
        }
    }
    Ok(tried)
}

/// Compares what the network has computed, as numbers of `range` and with channels in `order`, with the frames.
fn compare(frames: &[Vec<u8>], computed: &[Vec<f32>], range: &Range, order: ChannelOrder) -> Verdict {
    let places = match order {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    let scale = range.scale();
    let (mut distance, mut exchanged, mut count) = (0.0, 0.0, 0_usize);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for (frame, computed) in frames.iter().zip(computed) {
        // What counts is the last frame, of ramps.
        (least, most) = (f64::INFINITY, f64::NEG_INFINITY);
        let pixels = frame.as_chunks::<PIXEL_BYTES>().0.iter();
        for (pixel, numbers) in pixels.zip(computed.as_chunks::<COLOURS>().0) {
            for channel in 0..COLOURS {
                let level = f64::from((numbers[channel] - range.black[channel]) / scale[channel]);
                if !level.is_finite() {
                    return Verdict::NotNumbers;
                }
                let off = |place: usize| (level - f64::from(pixel[place])).abs().min(255.0);
                distance += off(places[channel]);
                exchanged += off(places[COLOURS - 1 - channel]);
                (least, most) = (least.min(level), most.max(level));
            }
            count += COLOURS;
        }
    }
    if most - least < LEAST_SPREAD {
        return Verdict::Flat;
    }
    let count = count.max(1) as f64;
    Verdict::Picture {
        distance: distance / count,
        exchanged: exchanged / count,
    }
}

/// Returns the ranges that the network has, of those that were tried in the order of likelihood.
///
/// # Errors
/// [`Error::NotAPicture`] where no picture comes out under any.
fn choose(tried: Vec<Tried>) -> Result<Tried, Error> {
    let picture = |tried: &&Tried| match tried.verdict {
        Verdict::Picture { distance, exchanged } => Some((**tried, distance, exchanged)),
        Verdict::Flat | Verdict::NotNumbers => None,
    };
    let mut pictures = tried.iter().filter_map(|tried| picture(&tried));
    let Some(first) = pictures.next() else {
        let not_numbers = tried.iter().any(|tried| matches!(tried.verdict, Verdict::NotNumbers));
        return Err(Error::NotAPicture {
            reason: if not_numbers {
                "of a frame without blur it computes what is infinite or not a number".into()
            } else {
                "it computes the same for every pixel, whatever the frame".into()
            },
        });
    };
    let chosen = match pictures.min_by(|a, b| a.1.total_cmp(&b.1)) {
        Some(other) if first.1 > FAR && other.1 <= NEAR => other,
        _ => first,
    };
    let (chosen, distance, exchanged) = chosen;
    if distance > NEAR && exchanged * EXCHANGED < distance {
        return Err(Error::NotAPicture {
            reason: "red and blue come out exchanged; export it with one order of channels".into(),
        });
    }
    Ok(chosen)
}
