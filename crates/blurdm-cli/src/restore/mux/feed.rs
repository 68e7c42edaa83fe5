// SPDX-License-Identifier: MPL-2.0

//! A restored video on its way into the muxer: `appsrc ! parser`.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use super::{restored_video::RestoredVideo, segment_reader::SegmentFrames};
use crate::{
    error::Error,
    media::{
        colour::{self, Colour},
        demuxer, stereo,
    },
    sync::lock,
};

/// Capacity of the queue of coded frames.
const QUEUE_FRAMES: u64 = 32;

pub struct Feed<'a> {
    frames: SegmentFrames<'a>,
    input: gst_app::AppSrc,
    parser: gst::Element,
    /// What the demuxer calls the original.
    stream: String,
    /// Tags of the original.
    tags: Arc<Mutex<Option<gst::TagList>>>,
    ended: bool,
}

/// What links a feed to the muxer, in the place of its original among the streams.
pub struct Entry {
    pub stream: String,
    input: gst::glib::WeakRef<gst::Element>,
    parser: gst::glib::WeakRef<gst::Element>,
    tags: Arc<Mutex<Option<gst::TagList>>>,
}

impl<'a> Feed<'a> {
    /// Creates the elements. `times` are those of the frames in nanoseconds;
    /// `offset` is what is subtracted from them; `colour` is that which the container states; `shown` are caps of which the container states what they say
    /// about both eyes.
    ///
    /// # Errors
    /// As [`SegmentFrames::open`]; an element of GStreamer's own is missing.
    pub fn new(
        video: &'a RestoredVideo,
        times: &'a [u64],
        offset: i64,
        colour: &Colour,
        shown: Option<&gst::Caps>,
    ) -> Result<Self, Error> {
        let frames = SegmentFrames::open(&video.segments, times, offset)?;
        let caps = colour::stated(frames.caps(), colour);
        let caps = shown.map_or_else(|| caps.clone(), |shown| stereo::stated(&caps, shown));
        let input = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
        let parser = create_parser(&caps)?;
        Ok(Self {
            frames,
            input,
            parser,
            stream: video.scan.video.stream.clone(),
            tags: Arc::default(),
            ended: false,
        })
    }

    /// Adds the elements to the muxer's pipeline. They start when they are linked to the muxer.
    ///
    /// # Errors
    /// Those of GStreamer.
    pub fn add_to(&self, pipeline: &gst::Pipeline) -> Result<(), gst::glib::BoolError> {
        let elements = [self.input.upcast_ref(), &self.parser];
        pipeline.add_many(elements)?;
        self.input.link(&self.parser)?;
        for element in elements {
            element.set_locked_state(true);
        }
        Ok(())
    }

    pub fn entry(&self) -> Entry {
        Entry {
            stream: self.stream.clone(),
            input: self.input.upcast_ref::<gst::Element>().downgrade(),
            parser: self.parser.downgrade(),
            tags: self.tags.clone(),
        }
    }

    /// Sends the tags of the original ahead of the frames.
    pub fn send_tags(&self) {
        let tags = lock(&self.tags).take();
        if let Some(mut tags) = tags {
            // Later muxers write it. It is stated in the finished file, or the pictures are turned.
            tags.make_mut().remove::<gst::tags::ImageOrientation>();
            self.input.send_event(gst::event::Tag::new(tags));
        }
    }

    /// Whether all frames are pushed.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether there is room for a frame.
    pub fn has_room(&self) -> bool {
        !self.ended && self.input.current_level_buffers() < QUEUE_FRAMES
    }

    /// Pushes the next frame, or the end of the stream after the last.
    ///
    /// # Errors
    /// Those of reading a segment. The inner one is that of the muxer or of what follows it.
    pub fn push(&mut self) -> Result<Result<(), gst::FlowError>, Error> {
        let pushed = match self.frames.next() {
            Some(frame) => self.input.push_buffer(frame?),
            None => {
                self.ended = true;
                self.input.end_of_stream()
            }
        };
        Ok(pushed.map(drop))
    }
}

impl Entry {
    /// Links the restored video to the muxer, and starts its elements. The tags of `original` are collected for it.
    ///
    /// # Errors
    /// The muxer does not take it.
    pub fn link(&self, mux: &gst::Element, original: &gst::Pad) -> Result<(), gst::glib::BoolError> {
        collect_tags(original, self.tags.clone());
        let (Some(input), Some(parser)) = (self.input.upgrade(), self.parser.upgrade()) else {
            return Ok(());
        };
        parser.link(mux)?;
        for element in [parser, input] {
            element.set_locked_state(false);
            element.sync_state_with_parent()?;
        }
        Ok(())
    }
}

fn collect_tags(pad: &gst::Pad, collected: Arc<Mutex<Option<gst::TagList>>>) {
    demuxer::on_tags(pad, move |tags| {
        let mut collected = lock(&collected);
        let all = collected.get_or_insert_default();
        all.make_mut().insert(tags, gst::TagMergeMode::Replace);
    });
}

/// Creates a parser, which converts the stream to the format that the muxer accepts.
fn create_parser(caps: &gst::Caps) -> Result<gst::Element, Error> {
    if demuxer::is_framed(caps) {
        // Parsers take away the times of frames that have the same.
        let filter = gst::ElementFactory::make("capsfilter").property("caps", caps);
        return Ok(filter.build()?);
    }
    let parser = match caps.structure(0).map(|first| first.name().as_str()) {
        Some("video/x-h264") => "h264parse",
        Some("video/x-h265") => "h265parse",
        Some("video/x-av1") => "av1parse",
        Some("video/x-vp9") => "vp9parse",
        _ => "identity",
    };
    Ok(gst::ElementFactory::make(parser).build()?)
}
