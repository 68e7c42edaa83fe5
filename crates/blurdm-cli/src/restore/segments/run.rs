// SPDX-License-Identifier: MPL-2.0

//! Restoring contiguous segments in one pass over the file.

use std::fs;

use super::{
    finished::{FinishedSegment, FrameRecord},
    frame_times::SegmentTimes,
    frames::{Capture, FrameInfo, RestoredFrame, RestoredFrames},
    png::png,
    reusable_element::ReusableElement,
    shape::Shape,
    sharpness::edge_width_of_frame,
    side_by_side::side_by_side,
    work_dir::WorkDir,
    writer::SegmentWriter,
};
use crate::{
    error::{Error, reason},
    media::{element::Compare, encoder::Encoder, interrupt},
    progress::FileProgress,
    restore::plan::{Scan, Segment, Turning},
};

/// What is the same for all segments of a video.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions<'a> {
    pub scan: &'a Scan,
    pub encoder: &'a Encoder,
    pub compare: Compare,
    /// Number of its first segment.
    pub first_segment: usize,
    /// Whether figures and stills for a report are recorded.
    pub report: bool,
    /// Stream times of the frames that are saved as stills.
    pub stills: &'a [u64],
    pub turning: Turning,
    /// That of its first picture. `None` where it cannot be decoded.
    pub shape: Option<Shape>,
}

/// Restores contiguous segments, none of which is finished.
pub struct SegmentRun<'a> {
    options: RunOptions<'a>,
    work: &'a WorkDir,
    segments: &'a [Segment],
    progress: &'a FileProgress,
    /// Index of the current segment.
    current: usize,
    /// Why pictures of the current segment are not restored.
    refused: Option<String>,
    /// The output of the current segment, once its first frame has come.
    output: Option<Output>,
}

struct Output {
    writer: SegmentWriter,
    caps: gst::Caps,
    frames: Vec<FrameRecord>,
}

impl<'a> SegmentRun<'a> {
    pub fn new(
        options: RunOptions<'a>,
        work: &'a WorkDir,
        segments: &'a [Segment],
        progress: &'a FileProgress,
    ) -> Self {
        Self {
            options,
            work,
            segments,
            progress,
            current: 0,
            refused: None,
            output: None,
        }
    }

    /// Restores the segments as far as the file can be decoded. Returns the number of segments up to there, which is at least 1.
    ///
    /// # Errors
    /// [`Error::Interrupted`], and errors of the element, of the encoder and in writing. Finished segments are kept.
    pub fn restore(mut self, element: &ReusableElement) -> Result<usize, Error> {
        let capture = Capture {
            edge_widths: self.options.report,
            originals: self.options.report || self.options.compare == Compare::SideBySide,
        };
        let turn = self.options.turning.frames;
        let first = self.options.first_segment;
        let is_start_of_video = self.segments.first().is_none_or(|segment| segment.number == first);
        let mut frames = match RestoredFrames::start(self.options.scan, self.segments, element, capture, turn) {
            // The file may be decodable after this segment.
            Err(Error::Unreadable { .. }) if !is_start_of_video => return Ok(1),
            frames => frames?,
        };
        while let Some(frame) = frames.next()? {
            while self.segments[self.current].to.is_some_and(|to| frame.info.time >= to) {
                self.finish_segment(&frames, None)?;
                self.current += 1;
            }
            if !self.refuses(&frame)? {
                self.add(&frame)?;
                self.progress.restored(1);
            }
        }
        self.finish_segment(&frames, frames.damage())?;
        Ok(self.current + 1)
    }

    /// Whether a picture cannot be in one video with the first one.
    fn refuses(&mut self, frame: &RestoredFrame) -> Result<bool, Error> {
        let (_, caps) = data_of(&frame.sample)?;
        let info = gst_video::VideoInfo::from_caps(caps).ok();
        let reason = self
            .options
            .shape
            .zip(info)
            .and_then(|(shape, info)| shape.refuses(&info, frame.info.time));
        let is_refused = reason.is_some();
        if let Some(reason) = reason.filter(|_| self.refused.is_none()) {
            self.progress.note(&reason);
            self.refused = Some(reason);
        }
        Ok(is_refused)
    }

    fn add(&mut self, frame: &RestoredFrame) -> Result<(), Error> {
        let RestoredFrame { sample, info } = frame;
        let times = SegmentTimes::of(self.options.scan, &self.segments[self.current]);
        let written = self.output.as_ref().map_or(&[][..], |output| &output.frames);
        if !times.admits(written, info.time) {
            return Ok(());
        }
        let (buffer, caps) = data_of(sample)?;
        let edge_width_after = if self.options.report {
            let format = gst_video::VideoInfo::from_caps(caps).ok();
            format.and_then(|format| edge_width_of_frame(buffer, &format))
        } else {
            None
        };
        self.save_still(frame)?;
        let joined = match (&info.original, self.options.compare) {
            (Some(original), Compare::SideBySide) => Some(side_by_side(original, buffer, caps)?),
            _ => None,
        };
        let (buffer, caps) = data_of(joined.as_ref().unwrap_or(sample))?;
        let output = match &mut self.output {
            Some(output) => output,
            None => self.output.insert(Output::create(
                &self.segments[self.current],
                self.work,
                caps,
                self.options,
            )?),
        };
        output.add(buffer, caps, info, edge_width_after)
    }

    fn save_still(&self, frame: &RestoredFrame) -> Result<(), Error> {
        let stills = self.options.stills;
        let Some(number) = stills.iter().position(|&time| time == frame.info.time) else {
            return Ok(());
        };
        let Some(before) = frame.original() else { return Ok(()) };
        for (sample, side) in [(&before, "before"), (&frame.sample, "after")] {
            let path = self.work.still(self.options.scan.video.number, number, side);
            fs::write(&path, png(sample, self.options.turning.output)?)
                .map_err(|error| Error::unwritable(&path, reason(&error)))?;
        }
        Ok(())
    }

    /// Finishes the current segment, if it has any frame.
    fn finish_segment(&mut self, frames: &RestoredFrames, damage: Option<String>) -> Result<(), Error> {
        interrupt::check()?;
        let refused = self.refused.take();
        let Some(mut output) = self.output.take() else {
            return Ok(());
        };
        let segment = self.segments[self.current];
        SegmentTimes::of(self.options.scan, &segment).settle(&mut output.frames);
        output.writer.finish()?;
        self.work.finish(FinishedSegment {
            segment,
            frames: output.frames,
            provider: frames.provider(),
            damage: damage.or(refused),
        })
    }
}

impl Output {
    fn create(segment: &Segment, work: &WorkDir, caps: &gst::CapsRef, options: RunOptions<'_>) -> Result<Self, Error> {
        let (path, colour) = (work.partial_video(segment), options.scan.colour);
        let shaped = options.shape.map(|shape| shape.with_its_pixels(caps));
        let shaped = shaped.as_deref().unwrap_or(caps);
        Ok(Self {
            writer: SegmentWriter::create(&path, shaped, options.encoder, colour, segment.from)?,
            caps: caps.to_owned(),
            frames: Vec::with_capacity(segment.frames),
        })
    }

    fn add(
        &mut self,
        buffer: &gst::BufferRef,
        caps: &gst::CapsRef,
        info: &FrameInfo,
        edge_width_after: Option<f32>,
    ) -> Result<(), Error> {
        if layout(&self.caps) != layout(caps) {
            let seconds = info.time as f64 / 1e9;
            return Err(Error::Failed(format!(
                "its frames change their format at {seconds:.3} s; restore the parts before and after that with --start and --duration"
            )));
        }
        self.writer.write(buffer, info.time)?;
        self.frames.push(FrameRecord {
            time: info.time,
            pts: info.pts,
            milliseconds: info.milliseconds,
            restored: info.restored,
            damaged: info.damaged,
            edge_widths: info.edge_width.zip(edge_width_after),
        });
        Ok(())
    }
}

/// Returns caps without what may change and does not say how frames lie in memory.
fn layout(caps: &gst::CapsRef) -> gst::Caps {
    let mut caps = caps.to_owned();
    for structure in caps.make_mut().iter_mut() {
        // Frames have times of their own, and the pixels and the colour of the first one are those of the video.
        structure.remove_fields(["framerate", "pixel-aspect-ratio", "colorimetry", "chroma-site"]);
    }
    caps
}

fn data_of(sample: &gst::Sample) -> Result<(&gst::BufferRef, &gst::CapsRef), Error> {
    let data = sample.buffer().zip(sample.caps());
    data.ok_or_else(|| Error::Failed("a frame has no caps or no data".into()))
}
