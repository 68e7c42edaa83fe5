// SPDX-License-Identifier: MPL-2.0

//! The clock of a program, counted through the whole file.

use super::{
    packets::Packet,
    stamps::{CLOCK_PERIOD, CLOCK_SCALE, PERIOD},
};

const SECOND: u64 = 27_000_000;

/// A later time than this that is announced as a discontinuity is another clock.
const ANNOUNCED: u64 = SECOND / 2;

/// A later time than this is another clock where packets of the stream are missing as well: another recording is appended.
const APPENDED: u64 = 10 * SECOND;

/// How far what follows another clock is from what is before it.
const BETWEEN: u64 = SECOND / 10;

/// The times of a clock so far.
#[derive(Debug)]
pub struct Timeline {
    /// The first one.
    pub first: u64,
    last: u64,
    /// That one, counted on from the first through periods and other clocks.
    pub continuous: u64,
    /// The greatest distance of two that are one clock.
    pub widest: u64,
    /// Whether it has begun at 0 again.
    pub is_periodic: bool,
    /// How many clocks there are.
    pub clocks: usize,
    /// What is added to the times of frames of the present clock, modulo their period.
    pub shift: u64,
    number: Option<u8>,
    /// Whether packets of the stream are missing since the last time.
    is_broken: bool,
}

impl Timeline {
    pub fn new(first: u64) -> Self {
        Self {
            first,
            last: first,
            continuous: first,
            widest: 0,
            is_periodic: false,
            clocks: 1,
            shift: 0,
            number: None,
            is_broken: false,
        }
    }

    /// Notes the number of a packet of its stream.
    pub fn note(&mut self, packet: &Packet) {
        let Some(number) = packet.number() else { return };
        let follows = |last: u8| number == last || number == (last + 1) & 0x0f;
        self.is_broken |= !self.number.replace(number).is_none_or(follows);
    }

    /// Goes on to a time, which `is_announced` as one that does not follow the one before.
    pub fn go_on(&mut self, time: u64, is_announced: bool) {
        let step = (time + CLOCK_PERIOD - self.last) % CLOCK_PERIOD;
        let is_other = step > CLOCK_PERIOD / 2
            || (is_announced && step > ANNOUNCED)
            || (std::mem::take(&mut self.is_broken) && step > APPENDED);
        if is_other {
            self.clocks += 1;
            self.continuous += BETWEEN;
            let ticks = |clock: u64| clock / CLOCK_SCALE % PERIOD;
            self.shift = (ticks(self.continuous) + PERIOD - ticks(time)) % PERIOD;
        } else {
            self.continuous += step;
            self.widest = self.widest.max(step);
            self.is_periodic |= time < self.last;
        }
        self.last = time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_new_period_are_one_clock_and_what_goes_back_is_another() {
        let mut timeline = Timeline::new(CLOCK_PERIOD - SECOND);
        timeline.go_on(SECOND, false);
        assert!(timeline.is_periodic);
        timeline.go_on(21 * SECOND, false);
        assert_eq!((timeline.widest, timeline.clocks), (20 * SECOND, 1));
        assert_eq!(timeline.continuous, CLOCK_PERIOD + 21 * SECOND);
        timeline.go_on(3 * SECOND, false);
        assert_eq!((timeline.clocks, timeline.widest), (2, 20 * SECOND));
        assert_eq!(timeline.continuous, CLOCK_PERIOD + 21 * SECOND + BETWEEN);
        assert_eq!((3 * 90_000 + timeline.shift) % PERIOD, 21 * 90_000 + 9_000);
    }

    #[test]
    fn what_is_announced_is_another_clock_where_it_is_far_away() {
        let mut timeline = Timeline::new(0);
        timeline.go_on(SECOND / 4, true);
        assert_eq!(timeline.clocks, 1);
        timeline.go_on(2 * SECOND, true);
        assert_eq!(timeline.clocks, 2);
    }
}
