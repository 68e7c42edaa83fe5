// SPDX-License-Identifier: MPL-2.0

//! Dividing a file into segments. Each is restored and encoded on its own, so that a resumed run need not repeat finished ones.

use serde::{Deserialize, Serialize};

use super::scan::Scan;
use crate::error::Error;

/// The least number of frames of a segment. More would be lost work when a run is interrupted, fewer would start an encoder too often.
const MIN_FRAMES: usize = 120;

/// The number of frames after which a segment ends even without a sync point.
const MAX_FRAMES: usize = 480;

/// Before a segment this many frames have a time of their own.
const SINGLE_TIMES: usize = 4;

/// A segment of a file. Its serialised form is the output of `--plan`, and is stored in folders of unfinished work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// From 0, through all videos that are restored of the file.
    pub number: usize,
    /// Stream time of the first frame in nanoseconds.
    pub from: u64,
    /// Stream time of the first frame of the next segment, in nanoseconds. `None` for the last segment.
    pub to: Option<u64>,
    /// Number of frames.
    pub frames: usize,
    /// A time within the frame before the first one. A seek to it yields that frame, which is dropped, and then the complete first one.
    #[serde(rename = "before")]
    pub seek_to: Option<u64>,
}

/// The part of a file that is restored, in nanoseconds. Records of restored files hold it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    pub start: u64,
    pub duration: Option<u64>,
}

impl TimeRange {
    pub fn is_whole_file(&self) -> bool {
        *self == Self::default()
    }

    fn end(&self) -> u64 {
        self.duration
            .map_or(u64::MAX, |duration| self.start.saturating_add(duration))
    }
}

/// The part of the original that is kept, in nanoseconds of stream time.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub from: u64,
    pub to: Option<u64>,
}

impl Part {
    /// Whether a stream time is in it.
    pub fn contains(&self, time: u64) -> bool {
        time >= self.from && self.to.is_none_or(|to| time < to)
    }
}

/// Divides a part of a video into segments, at sync points where there are any. The part is counted from the origin of the file. The numbers of segments begin
/// with `first_number`.
///
/// # Errors
/// [`Error::EmptyRange`].
pub fn segments(scan: &Scan, range: TimeRange, first_number: usize) -> Result<Vec<Segment>, Error> {
    let frames = &scan.frames;
    let in_file = |time: u64| time.saturating_add(scan.origin);
    let first = frames.partition_point(|frame| frame.time < in_file(range.start));
    let end = frames.partition_point(|frame| frame.time < in_file(range.end()));
    if first >= end {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let length = scan.length().saturating_sub(scan.origin);
        return Err(Error::EmptyRange {
            path: scan.path.clone(),
            from: seconds(range.start),
            to: seconds(range.end().min(length.max(range.start))),
            length: seconds(length),
        });
    }
    let mut starts = vec![first];
    for (index, frame) in frames.iter().enumerate().take(end).skip(first) {
        let length = index - starts.last().copied().unwrap_or(first);
        // A segment has all frames of one time. Decoders move the later ones of these by a few frames.
        let before = &frames[index.saturating_sub(SINGLE_TIMES)..=index];
        let is_clear = before.windows(2).all(|pair| pair[0].time < pair[1].time);
        if is_clear && ((frame.sync && length >= MIN_FRAMES) || length >= MAX_FRAMES) {
            starts.push(index);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([end]);
    let segments = (first_number..).zip(starts.iter().zip(ends));
    Ok(segments
        .map(|(number, (&start, end))| Segment {
            number,
            from: frames[start].time,
            to: frames.get(end).map(|next| next.time),
            frames: end - start,
            seek_to: start.checked_sub(1).map(|previous| {
                let (previous, first) = (frames[previous].time, frames[start].time);
                previous + (first - previous) / 2
            }),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::restore::plan::videos::{CodedFrame, VideoNumber};

    const FRAME: u64 = 40_000_000;

    fn scan(frames: usize, interval: usize) -> Scan {
        Scan {
            packing_in_bitstream: false,
            colour: Default::default(),
            orientation: None,
            coded_orientation: None,
            path: "clip.mp4".into(),
            video: VideoNumber::default(),
            is_main: true,
            description: String::new(),
            caps: gst::Caps::new_empty(),
            frames: (0..frames)
                .map(|index| CodedFrame {
                    time: index as u64 * FRAME,
                    pts: index as u64 * FRAME,
                    duration: Some(FRAME),
                    sync: index % interval == 0,
                })
                .collect(),
            shift: 0,
            origin: 0,
            is_matroska: false,
            can_seek: true,
            recorded: None,
            others: Vec::new(),
            streams: 1,
            damage: None,
        }
    }

    #[test]
    fn segments_start_at_sync_points_and_have_every_frame_once() {
        gst::init().unwrap();
        let found = segments(&scan(1000, 50), TimeRange::default(), 0).unwrap();
        assert_eq!(found.iter().map(|segment| segment.frames).sum::<usize>(), 1000);
        assert_eq!(found.len(), 7);
        for (segment, next) in found.iter().zip(&found[1..]) {
            assert_eq!(segment.to, Some(next.from));
            assert_eq!(next.from % (50 * FRAME), 0);
            assert_eq!(next.seek_to, Some(next.from - FRAME / 2));
        }
        assert_eq!(found.last().unwrap().to, None);
    }

    #[test]
    fn without_sync_points_segments_end_as_well() {
        gst::init().unwrap();
        let found = segments(&scan(1000, 5000), TimeRange::default(), 0).unwrap();
        assert_eq!(
            found.iter().map(|segment| segment.frames).collect::<Vec<_>>(),
            [480, 480, 40]
        );
    }

    #[test]
    fn frames_of_one_time_are_in_one_segment() {
        gst::init().unwrap();
        let mut scan = scan(400, 130);
        scan.frames[130].time = scan.frames[129].time;
        let found = segments(&scan, TimeRange::default(), 0).unwrap();
        assert_eq!(found.iter().map(|segment| segment.frames).sum::<usize>(), 400);
        assert_eq!(found[1].from, 260 * FRAME);
    }

    #[test]
    fn a_part_has_the_frames_of_that_part() {
        gst::init().unwrap();
        let range = |start, duration| TimeRange {
            start: start * FRAME,
            duration: Some(duration * FRAME),
        };
        let found = segments(&scan(100, 10), range(13, 5), 7).unwrap();
        assert_eq!(
            (found[0].number, found[0].from, found[0].to, found[0].frames),
            (7, 13 * FRAME, Some(18 * FRAME), 5)
        );
        for nothing in [range(13, 0), range(200, 5)] {
            assert!(matches!(
                segments(&scan(100, 10), nothing, 0),
                Err(Error::EmptyRange { .. })
            ));
        }
    }
}
