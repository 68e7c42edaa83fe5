// SPDX-License-Identifier: MPL-2.0

//! The times of a segment's frames. Some files have several frames of one time. Decoders move the later ones of these, and put the next
//! frame at the same time as the last that was moved.

use super::finished::FrameRecord;
use crate::restore::plan::{CodedFrame, Scan, Segment};

/// The coded frames of a segment.
#[derive(Debug, Clone, Copy)]
pub struct SegmentTimes<'a> {
    coded: &'a [CodedFrame],
    /// Whether several have the same time.
    repeats: bool,
}

impl<'a> SegmentTimes<'a> {
    pub fn of(scan: &'a Scan, segment: &Segment) -> Self {
        let from = scan.frames.partition_point(|frame| frame.time < segment.from);
        let to = segment.to.unwrap_or(u64::MAX);
        let to = scan.frames.partition_point(|frame| frame.time < to);
        let coded = &scan.frames[from..to.max(from)];
        Self {
            coded,
            repeats: coded.windows(2).any(|pair| pair[0].time == pair[1].time),
        }
    }

    /// Whether a frame that the decoder presents at `time` is one more of the file's, after those that are `written`. Decoders of damaged
    /// streams repeat frames.
    pub fn admits(&self, written: &[FrameRecord], time: u64) -> bool {
        if written.last().is_none_or(|last| last.time < time) {
            return true;
        }
        let latest = written.iter().map(|frame| frame.time).max().unwrap_or(time);
        let up_to = self.coded.partition_point(|frame| frame.time <= latest);
        self.repeats && written.len() < up_to
    }

    /// Gives frames their times in the file, if none of them is missing, and else puts their times in order.
    pub fn settle(&self, frames: &mut [FrameRecord]) {
        if !self.repeats {
            return;
        }
        if frames.len() == self.coded.len() {
            for (frame, coded) in frames.iter_mut().zip(self.coded) {
                (frame.time, frame.pts) = (coded.time, coded.pts);
            }
            return;
        }
        let mut times: Vec<(u64, u64)> = frames.iter().map(|frame| (frame.time, frame.pts)).collect();
        times.sort_unstable();
        for (frame, time) in frames.iter_mut().zip(times) {
            (frame.time, frame.pts) = time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(times: &[u64]) -> Vec<CodedFrame> {
        let frame = |&time| CodedFrame {
            time,
            pts: time + 100,
            duration: None,
            sync: true,
        };
        times.iter().map(frame).collect()
    }

    /// Returns the times that frames get which a decoder presents at these times.
    fn settled(file: &[u64], decoded: &[u64]) -> Vec<u64> {
        let coded = coded(file);
        let times = SegmentTimes {
            coded: &coded,
            repeats: coded.windows(2).any(|pair| pair[0].time == pair[1].time),
        };
        let mut frames = Vec::new();
        for &time in decoded {
            if times.admits(&frames, time) {
                frames.push(FrameRecord {
                    time,
                    pts: time,
                    milliseconds: 0.0,
                    restored: true,
                    damaged: false,
                    edge_widths: None,
                });
            }
        }
        times.settle(&mut frames);
        frames.iter().map(|frame| frame.time).collect()
    }

    #[test]
    fn frames_of_one_time_keep_it_wherever_the_decoder_puts_them() {
        for (file, decoded) in [
            ([0, 40, 40, 80, 120], [0, 40, 80, 80, 120]),
            ([0, 40, 40, 80, 120], [0, 40, 40, 80, 120]),
            ([0, 40, 40, 40, 80], [0, 40, 80, 120, 80]),
        ] {
            assert_eq!(settled(&file, &decoded), file, "{decoded:?}");
        }
    }

    #[test]
    fn a_frame_that_a_decoder_repeats_is_not_one_of_the_files() {
        assert_eq!(settled(&[0, 40, 80, 120], &[0, 80, 80, 40, 120]), [0, 80, 120]);
    }

    #[test]
    fn where_a_frame_is_missing_times_are_in_order() {
        assert_eq!(
            settled(&[0, 40, 40, 40, 80, 120], &[0, 40, 80, 120, 80]),
            [0, 40, 80, 80, 120]
        );
    }
}
