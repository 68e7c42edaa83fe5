// SPDX-License-Identifier: MPL-2.0

//! Parsers for the values of arguments.

use std::ops::RangeInclusive;

/// Parses a number of seconds. Returns nanoseconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "it is not a number of seconds, as in 12.5".to_owned())?;
    let time = gst::ClockTime::try_from_seconds_f64(seconds).map_err(|_| "it is out of range".to_owned())?;
    Ok(time.nseconds())
}

/// Parses a number, or two numbers with a dash between them.
pub fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err("it is neither a number nor a range, as in 3-5".into()),
    }
}

/// Parses frames per second, also as a fraction.
pub fn framerate(text: &str) -> Result<f64, String> {
    let (frames, seconds) = text.split_once('/').unwrap_or((text, "1"));
    let rate = match (frames.parse::<f64>(), seconds.parse::<f64>()) {
        (Ok(frames), Ok(seconds)) => frames / seconds,
        _ => f64::NAN,
    };
    match rate.is_finite() && (0.001..=100_000.0).contains(&rate) {
        true => Ok(rate),
        false => Err("it is not a number of frames per second, as in 25 or 30000/1001".into()),
    }
}
