// SPDX-License-Identifier: MPL-2.0

//! A file in segments, each of which is restored and encoded by itself, so that what is finished need not be done again.

use serde::{Deserialize, Serialize};

use super::{Error, scan::Scan};

/// A segment has at least this many frames: about a quarter of a minute of work lost at worst, and little for starting an encoder anew.
const LEAST_FRAMES: usize = 120;

/// Where no key frame is in sight, a segment ends all the same.
const MOST_FRAMES: usize = 480;

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub number: usize,
    /// Stream time of the first frame, in ns.
    pub from: u64,
    /// Stream time of the first frame of the next one, in ns; none in the last one.
    pub to: Option<u64>,
    /// Frames that the file has there.
    pub frames: usize,
    /// Somewhere in the frame before the first one: whoever goes there meets that frame, which is dropped, and then this one as a whole.
    pub before: Option<u64>,
}

/// What of a file is wanted, in ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub start: u64,
    pub duration: Option<u64>,
}

impl Wanted {
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    fn end(&self) -> u64 {
        self.duration
            .map_or(u64::MAX, |duration| self.start.saturating_add(duration))
    }
}

/// Cuts what is wanted of a file, at key frames where they are.
///
/// # Errors
/// [`Error::EmptySpan`].
pub fn segments(scan: &Scan, wanted: Wanted) -> Result<Vec<Span>, Error> {
    // Of frames that the file has twice at one time only one can be shown.
    let mut frames: Vec<_> = scan.frames.iter().collect();
    frames.dedup_by_key(|frame| frame.time);
    let first = frames.partition_point(|frame| frame.time < wanted.start);
    let end = frames.partition_point(|frame| frame.time < wanted.end());
    if first >= end {
        let seconds = |ns: u64| ns as f64 / 1e9;
        return Err(Error::EmptySpan {
            path: scan.path.clone(),
            from: seconds(wanted.start),
            to: seconds(wanted.end().min(scan.length().max(wanted.start))),
            length: seconds(scan.length()),
        });
    }
    let mut starts = vec![first];
    for (index, frame) in frames.iter().enumerate().take(end).skip(first) {
        let length = index - starts.last().copied().unwrap_or(first);
        if (frame.key && length >= LEAST_FRAMES) || length >= MOST_FRAMES {
            starts.push(index);
        }
    }
    let ends = starts.iter().skip(1).copied().chain([end]);
    let spans = starts.iter().zip(ends).enumerate();
    Ok(spans
        .map(|(number, (&start, end))| Span {
            number,
            from: frames[start].time,
            to: frames.get(end).map(|next| next.time),
            frames: end - start,
            before: start.checked_sub(1).map(|previous| {
                let (previous, this) = (frames[previous].time, frames[start].time);
                previous + (this - previous) / 2
            }),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    // A test may fail at once.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::restore::scan::Coded;

    const FRAME: u64 = 40_000_000;

    fn scan(frames: usize, keys: usize) -> Scan {
        Scan {
            path: "clip.mp4".into(),
            video: 0,
            coded: gst::Caps::new_empty(),
            frames: (0..frames)
                .map(|index| Coded {
                    time: index as u64 * FRAME,
                    duration: Some(FRAME),
                    key: index % keys == 0,
                })
                .collect(),
            shift: 0,
            streams: 1,
            more_videos: 0,
            damage: None,
        }
    }

    #[test]
    fn segments_begin_at_key_frames_and_hold_every_frame_once() {
        gst::init().unwrap();
        let spans = segments(&scan(1000, 50), Wanted::default()).unwrap();
        assert_eq!(spans.iter().map(|span| span.frames).sum::<usize>(), 1000);
        assert_eq!(spans.len(), 7);
        for (span, next) in spans.iter().zip(&spans[1..]) {
            assert_eq!(span.to, Some(next.from));
            assert_eq!(next.from % (50 * FRAME), 0);
            assert_eq!(next.before, Some(next.from - FRAME / 2));
        }
        assert_eq!(spans.last().unwrap().to, None);
    }

    #[test]
    fn without_key_frames_segments_end_all_the_same() {
        gst::init().unwrap();
        let spans = segments(&scan(1000, 5000), Wanted::default()).unwrap();
        assert_eq!(spans.iter().map(|span| span.frames).collect::<Vec<_>>(), [480, 480, 40]);
    }

    #[test]
    fn what_is_wanted_is_what_there_is_of_it() {
        gst::init().unwrap();
        let wanted = |start, duration| Wanted {
            start: start * FRAME,
            duration: Some(duration * FRAME),
        };
        let spans = segments(&scan(100, 10), wanted(13, 5)).unwrap();
        assert_eq!(
            (spans[0].from, spans[0].to, spans[0].frames),
            (13 * FRAME, Some(18 * FRAME), 5)
        );
        for nothing in [wanted(13, 0), wanted(200, 5)] {
            assert!(matches!(
                segments(&scan(100, 10), nothing),
                Err(Error::EmptySpan { .. })
            ));
        }
    }
}
