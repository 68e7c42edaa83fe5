// SPDX-License-Identifier: MPL-2.0

//! Frames of H.264 and H.265, whose numbers say in which order they are shown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::count::Counts;

/// More pictures than this are not decoded before one that is shown before them (`max_num_reorder_frames`, and `sps_max_num_reorder_pics`).
const DEPTH: usize = 16;

/// Frames in the order of decoding, until it is known when they are shown: the earliest time of decoding is that of the next frame that is shown.
#[derive(Debug)]
pub struct Order {
    counts: Counts,
    /// Times of frames that are not shown yet.
    times: BTreeSet<gst::ClockTime>,
    /// Numbers of frames that are not shown yet, by their numbers in the order in which they are shown.
    waiting: BTreeMap<(i64, usize), usize>,
    /// Frames in the order of decoding, and whether they have their times.
    held: VecDeque<(gst::Buffer, bool)>,
    /// Number of the first of these.
    first: usize,
}

impl Order {
    pub fn new(counts: Counts) -> Self {
        Self {
            counts,
            times: BTreeSet::new(),
            waiting: BTreeMap::new(),
            held: VecDeque::new(),
            first: 0,
        }
    }

    /// Takes a frame of a stream with these caps. Returns those that have their times now. `None` where its place is not known, and it passes as it is.
    pub fn add(&mut self, caps: &gst::CapsRef, frame: &gst::Buffer) -> Option<Vec<gst::Buffer>> {
        let position = frame.map_readable().ok().and_then(|data| self.counts.read(caps, &data));
        let Some((position, time)) = position.zip(frame.dts().or(frame.pts())) else {
            if self.held.is_empty() {
                return None;
            }
            self.show_all();
            self.held.push_back((frame.clone(), true));
            return Some(self.take_ready());
        };
        if position.begins {
            self.show_all();
        }
        let number = self.first + self.held.len();
        self.times.insert(time);
        self.held.push_back((frame.clone(), false));
        self.waiting.insert((position.count, number), number);
        if self.waiting.len() > DEPTH {
            self.show_next();
        }
        Some(self.take_ready())
    }

    /// Gives the next frame that is shown the earliest time.
    fn show_next(&mut self) {
        let Some((_, number)) = self.waiting.pop_first() else {
            return;
        };
        let time = self.times.pop_first();
        if let Some((frame, is_shown)) = number.checked_sub(self.first).and_then(|at| self.held.get_mut(at)) {
            let shown = frame.make_mut();
            // Two frames of one time in the container keep it.
            shown.set_pts(time.or(shown.dts()).or(shown.pts()));
            // It may be later than that, which no decoder expects.
            shown.set_dts(None);
            *is_shown = true;
        }
    }

    fn show_all(&mut self) {
        while !self.waiting.is_empty() {
            self.show_next();
        }
    }

    /// Returns the frames before the first one that has no time.
    fn take_ready(&mut self) -> Vec<gst::Buffer> {
        let count = self.held.iter().take_while(|(_, is_shown)| *is_shown).count();
        self.first += count;
        self.held.drain(..count).map(|(frame, _)| frame).collect()
    }

    /// Returns all frames, after which others follow that have nothing to do with them.
    pub fn drain(&mut self) -> Vec<gst::Buffer> {
        self.show_all();
        let rest = self.take_ready();
        self.clear();
        rest
    }

    pub fn clear(&mut self) {
        self.counts.clear();
        self.times.clear();
        self.waiting.clear();
        self.held.clear();
    }
}
