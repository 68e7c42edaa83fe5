// SPDX-License-Identifier: MPL-2.0

//! Frames of MPEG-1, MPEG-2 and MPEG-4 part 2, whose types say in which order they are shown.

use std::collections::BTreeSet;

use super::picture::{Picture, Pictures};

/// Returns the frames of a chunk, which has two where they are packed. Parsers part them, and there is none for DivX.
fn unpacked(pictures: &Pictures, chunk: &gst::Buffer) -> Vec<gst::Buffer> {
    let parted = || {
        let at = pictures.second(&chunk.map_readable().ok()?)?;
        let first = chunk.copy_region(gst::BufferCopyFlags::all(), ..at).ok()?;
        let mut second = chunk.copy_region(gst::BufferCopyFlags::MEMORY, at..).ok()?;
        let made = second.get_mut()?;
        made.set_dts(chunk.dts().or(chunk.pts()));
        made.set_duration(chunk.duration());
        made.set_flags(gst::BufferFlags::DELTA_UNIT);
        Some(vec![first, second])
    };
    parted().unwrap_or_else(|| vec![chunk.clone()])
}

/// Frames in the order of decoding, until it is known when they are shown: the earliest time of decoding is that of the next frame that is shown. An I- or
/// P-frame is shown before the next one of these, and after the B-frames between them.
#[derive(Debug)]
pub struct Order {
    pictures: Pictures,
    /// Times of frames that are not shown yet.
    times: BTreeSet<gst::ClockTime>,
    /// How many frames have come without a time of their own: two that are packed into one chunk have one. A chunk without a picture follows for each.
    borrowed: usize,
    /// The last I- or P-frame, which is not shown yet. The inner one is `None` for one without a picture.
    reference: Option<Option<gst::Buffer>>,
    /// The B-frames that have come after it.
    held: Vec<gst::Buffer>,
}

impl Order {
    pub fn new(pictures: Pictures) -> Self {
        Self {
            pictures,
            times: BTreeSet::new(),
            borrowed: 0,
            reference: None,
            held: Vec::new(),
        }
    }

    /// Takes a chunk. Returns the frames that have their times now. `None` where it has no time at all, and passes as it is.
    pub fn add(&mut self, chunk: &gst::Buffer) -> Option<Vec<gst::Buffer>> {
        let frames = unpacked(&self.pictures, chunk);
        let ready: Option<Vec<_>> = frames.iter().map(|frame| self.add_frame(frame)).collect();
        Some(ready?.concat())
    }

    fn add_frame(&mut self, frame: &gst::Buffer) -> Option<Vec<gst::Buffer>> {
        let time = frame.dts().or(frame.pts())?;
        let picture = frame.map_readable().ok().and_then(|data| self.pictures.read(&data));
        let ready = match picture {
            Some(Picture::Bidirectional) => {
                self.insert(time);
                let shown = self.show(frame.clone());
                match self.reference {
                    Some(_) => self.held.push(shown),
                    None => return Some(vec![shown]),
                }
                Vec::new()
            }
            Some(Picture::None) if self.borrowed > 0 => {
                self.insert(time);
                self.borrowed = self.borrowed.saturating_sub(1);
                Vec::new()
            }
            picture => {
                let ready = self.settle();
                self.insert(time);
                self.reference = Some((picture != Some(Picture::None)).then(|| frame.clone()));
                ready
            }
        };
        Some(ready)
    }

    fn insert(&mut self, time: gst::ClockTime) {
        if !self.times.insert(time) {
            self.borrowed += 1;
        }
    }

    /// Gives a frame the time of the next one that is shown.
    fn show(&mut self, mut frame: gst::Buffer) -> gst::Buffer {
        let time = self.times.pop_first();
        let shown = frame.make_mut();
        shown.set_pts(time);
        // It may be later than that, which no decoder expects.
        shown.set_dts(None);
        frame
    }

    /// Shows the last I- or P-frame. Returns it, and what has come after it.
    fn settle(&mut self) -> Vec<gst::Buffer> {
        let reference = match self.reference.take() {
            Some(Some(reference)) => Some(self.show(reference)),
            Some(None) => {
                self.times.pop_first();
                None
            }
            None => None,
        };
        reference.into_iter().chain(self.held.drain(..)).collect()
    }

    /// Returns all frames, after which others follow that have nothing to do with them.
    pub fn drain(&mut self) -> Vec<gst::Buffer> {
        let rest = self.settle();
        self.clear();
        rest
    }

    pub fn clear(&mut self) {
        self.times.clear();
        self.borrowed = 0;
        self.reference = None;
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PER_FRAME: u64 = 40;

    /// Returns the types of the frames and when they are shown, both in the order of decoding. `coded`: type and number of the time of decoding.
    fn shown(coded: &[(char, u64)]) -> Vec<(char, Option<u64>)> {
        gst::init().unwrap();
        let pictures = Pictures::of(
            gst::Caps::builder("video/mpeg")
                .field("mpegversion", 2)
                .build()
                .as_ref(),
        );
        let mut order = Order::new(pictures.unwrap());
        let mut ready = Vec::new();
        for &(kind, time) in coded {
            let number = 1 + "IPB".find(kind).unwrap_or_default() as u8;
            let mut frame = gst::Buffer::from_slice([0, 0, 1, 0, 0, number << 3, 0, 0]);
            frame
                .make_mut()
                .set_dts(gst::ClockTime::from_mseconds(time * PER_FRAME));
            ready.extend(order.add(&frame).unwrap());
        }
        ready.extend(order.drain());
        let describe = |frame: &gst::Buffer| {
            let kind = frame.map_readable().unwrap()[5] >> 3;
            let time = frame.pts().map(|time| time.mseconds() / PER_FRAME);
            (char::from(b" IPB"[usize::from(kind)]), time)
        };
        ready.iter().map(describe).collect()
    }

    #[test]
    fn b_frames_are_shown_before_the_reference_that_precedes_them() {
        let coded = [('I', 0), ('P', 1), ('B', 2), ('B', 3), ('I', 4), ('B', 5), ('P', 7)];
        let times = [0, 3, 1, 2, 5, 4, 7].map(Some);
        let kinds = coded.iter().map(|(kind, _)| *kind);
        assert_eq!(shown(&coded), kinds.zip(times).collect::<Vec<_>>());
    }

    #[test]
    fn without_b_frames_all_keep_their_times() {
        assert_eq!(
            shown(&[('I', 2), ('P', 3), ('P', 9)]),
            [('I', Some(2)), ('P', Some(3)), ('P', Some(9))]
        );
    }

    #[test]
    fn after_a_jump_b_frames_are_shown_before_the_key_frame() {
        assert_eq!(
            shown(&[('I', 10), ('B', 11), ('B', 12), ('P', 13)]),
            [('I', Some(12)), ('B', Some(10)), ('B', Some(11)), ('P', Some(13))]
        );
    }
}
