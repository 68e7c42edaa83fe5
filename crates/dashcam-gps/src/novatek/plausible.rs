// SPDX-License-Identifier: MPL-2.0

//! Whether positions are where the camera was. Obfuscated ones are numbers like others, but scaled: the way that they make has another
//! length than the speeds.

use std::ops::RangeInclusive;

use crate::gpx::Fix;

/// The way in metres by the speeds from which on the two can be compared.
const LONG_ENOUGH: f64 = 100.0;
/// A way of positions that is longer or shorter than by the speeds, by this factor, is not the way of the camera.
const WRONG: f64 = 2.5;
/// From this factor on the speeds are in another unit than knots.
const OTHER_UNIT: f64 = 1.3;
/// What the positions of a camera that stands drift by, in metres per second, at most.
const DRIFT: f64 = 5.0;
/// Seconds between two fixes over which a way is taken for straight and speed for even.
const STEP_S: RangeInclusive<i64> = 1..=3;
/// Radius of a sphere with the Earth's volume, in metres.
const EARTH: f64 = 6_371_000.0;

/// What is to be said of the fixes. Speeds that cannot be right are taken out.
///
/// # Errors
/// The reason why positions cannot be right.
pub fn check(fixes: &mut [Fix]) -> Result<Option<String>, String> {
    let Lengths { way, told, seconds } = lengths(fixes);
    if told < LONG_ENOUGH {
        if way > WRONG * LONG_ENOUGH && way > DRIFT * seconds {
            return Err(disagree(way, told));
        }
        let hardly = "the camera hardly moved, so that its positions could not be held against its speeds";
        return Ok((!fixes.is_empty()).then(|| hardly.into()));
    }
    let factor = (way / told).max(told / way);
    if factor > WRONG {
        return Err(disagree(way, told));
    }
    if factor <= OTHER_UNIT {
        return Ok(None);
    }
    for fix in fixes {
        fix.speed = None;
    }
    Ok(Some(format!(
        "speeds are left out, since they do not agree with the positions ({way:.0} m by the positions, {told:.0} m by the speeds)"
    )))
}

fn disagree(way: f64, told: f64) -> String {
    format!(
        "positions and speeds do not agree ({way:.0} m by the positions, {told:.0} m by the speeds); the camera may obfuscate its positions"
    )
}

#[derive(Default)]
struct Lengths {
    /// In metres, by the positions.
    way: f64,
    /// In metres, by the speeds.
    told: f64,
    /// Over which both were added up.
    seconds: f64,
}

fn lengths(fixes: &[Fix]) -> Lengths {
    let mut sum = Lengths::default();
    for (a, b) in fixes.iter().zip(fixes.iter().skip(1)) {
        let seconds = b.time.as_second() - a.time.as_second();
        if let (true, Some(before), Some(after)) = (STEP_S.contains(&seconds), a.speed, b.speed) {
            sum.way += distance(a, b);
            sum.told += (before + after) / 2.0 * seconds as f64;
            sum.seconds += seconds as f64;
        }
    }
    sum
}

/// Along the great circle (haversine formula), in metres.
fn distance(a: &Fix, b: &Fix) -> f64 {
    let (north, east) = (
        (b.latitude - a.latitude).to_radians(),
        (b.longitude - a.longitude).to_radians(),
    );
    let along = a.latitude.to_radians().cos() * b.latitude.to_radians().cos();
    let square = (north / 2.0).sin().powi(2) + along * (east / 2.0).sin().powi(2);
    2.0 * EARTH * square.sqrt().min(1.0).asin()
}
