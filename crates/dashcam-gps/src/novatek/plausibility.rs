// SPDX-License-Identifier: MPL-2.0

//! Whether positions are those of the camera. Scrambled ones are valid numbers, but the distance that they cover does not match the speeds.

use std::ops::RangeInclusive;

use crate::Fix;

/// The least distance by the speeds, in metres, over which the two are compared.
const MIN_DISTANCE: f64 = 100.0;
/// If the distances differ by more than this factor the positions are wrong.
const WRONG_FACTOR: f64 = 2.5;
/// If they differ by more than this factor the speeds are in another unit than knots.
const UNIT_FACTOR: f64 = 1.3;
/// The greatest drift of the positions of a camera that does not move, in metres per second.
const MAX_DRIFT: f64 = 5.0;
/// The intervals between two fixes, in seconds, that are evaluated: the path is straight and the speed even over so short a time.
const STEP_S: RangeInclusive<i64> = 1..=3;
/// Radius of a sphere with the Earth's volume, in metres.
const EARTH_RADIUS: f64 = 6_371_000.0;

/// Compares positions and speeds. Removes speeds that cannot be right. Returns a note about the fixes, if there is one.
///
/// # Errors
/// The reason why the positions cannot be right.
pub fn check(fixes: &mut [Fix]) -> Result<Option<String>, String> {
    let Distances {
        by_position,
        by_speed,
        seconds,
    } = distances(fixes);
    if by_speed < MIN_DISTANCE {
        if by_position > WRONG_FACTOR * MIN_DISTANCE && by_position > MAX_DRIFT * seconds {
            return Err(contradiction(by_position, by_speed));
        }
        let note = "the camera hardly moved, so its positions could not be compared with its speeds";
        return Ok((!fixes.is_empty()).then(|| note.into()));
    }
    let factor = (by_position / by_speed).max(by_speed / by_position);
    if factor > WRONG_FACTOR {
        return Err(contradiction(by_position, by_speed));
    }
    if factor <= UNIT_FACTOR {
        return Ok(None);
    }
    for fix in fixes {
        fix.speed = None;
    }
    Ok(Some(format!(
        "speeds are left out, since they contradict the positions ({by_position:.0} m by the positions, {by_speed:.0} m by the speeds)"
    )))
}

fn contradiction(by_position: f64, by_speed: f64) -> String {
    format!(
        "positions and speeds contradict each other ({by_position:.0} m by the positions, {by_speed:.0} m by the speeds); the camera may scramble its positions"
    )
}

/// Distances in metres, and the time in which they were covered.
#[derive(Default)]
struct Distances {
    by_position: f64,
    by_speed: f64,
    seconds: f64,
}

fn distances(fixes: &[Fix]) -> Distances {
    let mut sum = Distances::default();
    for (a, b) in fixes.iter().zip(fixes.iter().skip(1)) {
        let seconds = b.time.as_second() - a.time.as_second();
        if let (true, Some(before), Some(after)) = (STEP_S.contains(&seconds), a.speed, b.speed) {
            sum.by_position += distance(a, b);
            sum.by_speed += (before + after) / 2.0 * seconds as f64;
            sum.seconds += seconds as f64;
        }
    }
    sum
}

/// Returns the great-circle distance in metres (haversine formula).
fn distance(a: &Fix, b: &Fix) -> f64 {
    let (north, east) = (
        (b.latitude - a.latitude).to_radians(),
        (b.longitude - a.longitude).to_radians(),
    );
    let along = a.latitude.to_radians().cos() * b.latitude.to_radians().cos();
    let square = (north / 2.0).sin().powi(2) + along * (east / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS * square.sqrt().min(1.0).asin()
}
