// SPDX-License-Identifier: MPL-2.0

//! The times of pictures, which have none of their own: they follow from their order and a frame rate.

use crate::restore::plan::TimeRange;

/// Frames per second where none are stated.
pub const DEFAULT_RATE: f64 = 25.0;

/// Returns when a picture is presented, in nanoseconds.
pub fn time_of(index: usize, rate: f64) -> u64 {
    (index as f64 * 1e9 / rate).round() as u64
}

/// Returns which of `count` pictures are in a range.
pub fn in_range(count: usize, range: TimeRange, rate: f64) -> Vec<usize> {
    let end = range
        .duration
        .map_or(u64::MAX, |duration| range.start.saturating_add(duration));
    (0..count)
        .filter(|&index| (range.start..end).contains(&time_of(index, rate)))
        .collect()
}

/// Returns which picture is shown at a time in nanoseconds, the first one from 0 on.
pub fn index_at(time: u64, rate: f64) -> usize {
    // Half a nanosecond, since times are rounded.
    ((time as f64 + 0.5) * rate / 1e9).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_at_a_time_is_the_last_one_that_has_begun() {
        for rate in [25.0, 30000.0 / 1001.0, 60.0] {
            for index in 0..1000 {
                let time = time_of(index, rate);
                assert_eq!(index_at(time, rate), index);
                assert_eq!(index_at(time_of(index + 1, rate) - 2, rate), index);
            }
        }
    }

    #[test]
    fn a_range_has_the_pictures_that_begin_in_it() {
        let range = TimeRange {
            start: 80_000_000,
            duration: Some(120_000_000),
        };
        assert_eq!(in_range(100, range, 25.0), [2, 3, 4]);
        assert_eq!(in_range(3, TimeRange::default(), 25.0), [0, 1, 2]);
    }
}
