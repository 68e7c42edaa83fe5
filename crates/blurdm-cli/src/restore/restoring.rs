// SPDX-License-Identifier: MPL-2.0

//! The frames of a file, restored: `filesrc ! parsebin ! decodebin ! deinterlace ! videoconvert ! queue ! blurdm ! appsink`.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use gst::prelude::*;

use super::{
    CAT, Error,
    bus::{End, Running},
    interrupt,
    kept::{Kept, Lent},
    plan::Span,
    scan::Scan,
    sharpness,
    source::{self, Stream},
};

/// How long an interruption may go unseen.
const GLANCE: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// Decoded frames that wait for the model, and restored ones that wait for the encoder.
const WAITING: u32 = 3;

/// What tells the element that a frame does not follow the last one.
const CUT: gst::BufferFlags = gst::BufferFlags::DISCONT;

/// What to find out of frames that is not needed to restore them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched {
    /// How wide their edges are.
    pub edges: bool,
    /// What they looked like before.
    pub originals: bool,
}

/// A frame that went through the element.
pub struct Restored {
    pub sample: gst::Sample,
    pub passage: Passage,
}

/// What is known of it besides.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Stream time in ns.
    pub time: u64,
    /// In ns, as the demuxer gave it.
    pub pts: u64,
    pub milliseconds: f32,
    pub restored: bool,
    /// Whether the decoder had to make up for what it could not read.
    pub damaged: bool,
    /// Width of its edges in pixels, before.
    pub edge_width: Option<f32>,
    pub original: Option<gst::Buffer>,
}

/// What goes into the element, decided frame by frame in its streaming thread.
#[derive(Debug)]
struct Gate {
    /// Frames are to be seen before the first seek, and are none of what is wanted.
    open: bool,
    from: u64,
    to: Option<u64>,
    /// First frames of segments: what is known of the frames before them must not matter to them, since another run may begin there.
    cuts: Vec<u64>,
    strength: f64,
    only_blurred: bool,
    watched: Watched,
    /// In the element, and behind it.
    inside: VecDeque<(Instant, Passage)>,
    passed: VecDeque<Passage>,
    /// All that is wanted has gone through.
    complete: bool,
}

pub struct Restoring<'a> {
    kept: &'a Kept,
    /// Until it is given back.
    lent: Option<Lent>,
    element: gst::Element,
    guards: Vec<(gst::Pad, gst::PadProbeId)>,
    running: Running,
    output: gst_app::AppSink,
    gate: Arc<Mutex<Gate>>,
    path: PathBuf,
    ended: Option<End>,
}

impl<'a> Restoring<'a> {
    /// Begins at the first of `spans`, which follow one another.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::Missing`] where the file cannot be decoded, [`Error::Failed`] with what the element says where it
    /// cannot run, [`Error::Interrupted`].
    pub fn begin(scan: &Scan, spans: &[Span], kept: &'a Kept, watched: Watched) -> Result<Self, Error> {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Err(Error::Failed("there is nothing to restore".into()));
        };
        let lent = kept.lend()?;
        let element = lent.element.clone();
        let treatment = kept.treatment();
        let gate = Arc::new(Mutex::new(Gate {
            open: false,
            from: first.from,
            to: last.to,
            cuts: spans.iter().map(|span| span.from).collect(),
            strength: treatment.strength,
            only_blurred: treatment.only_blurred,
            watched,
            inside: VecDeque::new(),
            passed: VecDeque::new(),
            complete: false,
        }));
        let (pipeline, output) = pipeline(&scan.path, scan.video, &element)?;
        let mut restoring = Self {
            kept,
            lent: Some(lent),
            guards: guard(&element, &gate),
            element,
            running: Running::new(pipeline),
            output,
            gate,
            path: scan.path.clone(),
            ended: None,
        };
        restoring.go_to(first)?;
        Ok(restoring)
    }

    /// The element is not asked to restore what it sees before the seek.
    fn go_to(&mut self, first: &Span) -> Result<(), Error> {
        let strength = lock(&self.gate).strength;
        if let Some(before) = first.before {
            self.element.set_property("strength", 0.0);
            self.reach(gst::State::Paused)?;
            self.element.set_property("strength", strength);
            let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
            if let Err(refused) = self
                .running
                .pipeline
                .seek_simple(flags, gst::ClockTime::from_nseconds(before))
            {
                // Then everything from the beginning is decoded, and dropped up to there.
                gst::info!(CAT, obj = self.running.pipeline, "no seek: {refused}");
                lock(&self.gate).open();
            }
        } else {
            self.element.set_property("strength", strength);
            lock(&self.gate).open();
        }
        self.running.change(gst::State::Playing).map_err(|end| self.why(end))
    }

    fn reach(&self, state: gst::State) -> Result<(), Error> {
        self.running.change(state).map_err(|end| self.why(end))?;
        match self.running.settle()? {
            // A file may be damaged behind what is wanted of it, or so short that it has ended.
            None | Some(End::Eos) => Ok(()),
            Some(end) => Err(self.why(end)),
        }
    }

    /// The next frame; none at the end, which [`Restoring::damage`] may say more of.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Failed`] where the element cannot restore.
    pub fn next(&mut self) -> Result<Option<Restored>, Error> {
        loop {
            interrupt::check()?;
            let complete = lock(&self.gate).complete;
            let patience = if complete { gst::ClockTime::ZERO } else { GLANCE };
            if let Some(sample) = self.output.try_pull_sample(patience) {
                let pts = sample.buffer().and_then(|buffer| buffer.pts());
                // The one that came before the gate was open is not among them.
                if let Some(passage) = lock(&self.gate).passage_of(pts.map(gst::ClockTime::nseconds)) {
                    return Ok(Some(Restored { sample, passage }));
                }
                continue;
            }
            if complete || self.output.is_eos() {
                self.ended = self.ended.take().or_else(|| self.running.ended_now());
                return self.end();
            }
            if let Some(end) = self.running.ended_now() {
                // What was restored before an error is there still.
                self.ended = Some(end);
                lock(&self.gate).complete = true;
            }
        }
    }

    fn end(&self) -> Result<Option<Restored>, Error> {
        match &self.ended {
            Some(End::Failed(reason)) if self.is_of_the_element(reason) => Err(Error::Failed(reason.clone())),
            _ => Ok(None),
        }
    }

    /// Whether the element is what failed, in words that end with its name.
    fn is_of_the_element(&self, reason: &str) -> bool {
        reason.ends_with(&format!("({})", self.element.name()))
    }

    /// Why the stream ended before its end, if it did.
    pub fn damage(&self) -> Option<String> {
        match &self.ended {
            Some(End::Failed(reason)) => Some(reason.clone()),
            Some(End::Missing(missing)) => Some(missing.to_string()),
            Some(End::Eos) | None => None,
        }
    }

    /// What runs, and in which numbers.
    pub fn provider(&self) -> String {
        let told = self.running.provider();
        match &self.lent {
            Some(lent) if told.is_empty() => lent.provider.clone(),
            _ => told,
        }
    }

    fn why(&self, end: End) -> Error {
        match end {
            End::Failed(reason) if self.is_of_the_element(&reason) => Error::Failed(reason),
            end => match end.reading(&self.path) {
                Err(error) => error,
                Ok(()) => Error::unreadable(&self.path, "it ended before it began"),
            },
        }
    }
}

impl Drop for Restoring<'_> {
    fn drop(&mut self) {
        let provider = self.provider();
        for (pad, guard) in self.guards.drain(..) {
            pad.remove_probe(guard);
        }
        let failed = matches!(&self.ended, Some(End::Failed(reason)) if self.is_of_the_element(reason));
        if let Some(mut lent) = self.lent.take().filter(|_| !failed) {
            lent.provider = provider;
            self.kept.take_back(lent, &self.running.pipeline);
        }
    }
}

fn lock(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pipeline(path: &Path, video: usize, element: &gst::Element) -> Result<(gst::Pipeline, gst_app::AppSink), Error> {
    let decode = gst::ElementFactory::make("decodebin").build()?;
    // One frame for each that there is: of two fields that make one, the upper.
    let progressive = gst::ElementFactory::make("deinterlace")
        .property_from_str("fields", "top")
        .build()?;
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let queue = gst::ElementFactory::make("queue")
        .property("max-size-buffers", WAITING)
        .property("max-size-bytes", 0u32)
        .property("max-size-time", 0u64)
        .build()?;
    let output = gst_app::AppSink::builder().sync(false).max_buffers(WAITING).build();
    let first = progressive
        .static_pad("sink")
        .ok_or_else(|| Error::Failed("deinterlace has no pad".into()))?;
    let decoder = decode
        .static_pad("sink")
        .ok_or_else(|| Error::Failed("decodebin has no pad".into()))?;

    let linked = move |_: &gst::Pipeline, pad: &gst::Pad, stream, _: &gst::Caps| {
        if stream == Stream::Pictures(video) && pad.link(&decoder).is_err() {
            gst::error!(CAT, obj = pad, "decodebin does not take this stream");
        }
    };
    let pipeline = source::taken_apart(path, linked)?;
    let chain = [&progressive, &convert, &queue, element, output.upcast_ref()];
    pipeline.add(&decode)?;
    pipeline.add_many(chain)?;
    gst::Element::link_many(chain)?;
    decode.connect_pad_added(move |_, pad| {
        if !first.is_linked() && pad.link(&first).is_err() {
            gst::error!(CAT, obj = pad, "what was decoded is no video");
        }
    });
    Ok((pipeline, output))
}

/// Puts the gate in front of the element, and looks at what comes out, until these probes are removed.
fn guard(element: &gst::Element, gate: &Arc<Mutex<Gate>>) -> Vec<(gst::Pad, gst::PadProbeId)> {
    let mut guards = Vec::new();
    if let Some(sink) = element.static_pad("sink") {
        let (gate, element) = (gate.clone(), element.downgrade());
        let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_FLUSH;
        let guard = sink.add_probe(what, move |pad, info| {
            if info
                .event()
                .is_some_and(|event| event.type_() == gst::EventType::FlushStop)
            {
                // All that comes from now on comes from where the seek went.
                lock(&gate).open();
            }
            let admitted = match (element.upgrade(), info.buffer_mut()) {
                (Some(element), Some(buffer)) => Gate::admit(&gate, pad, &element, buffer),
                _ => true,
            };
            if admitted {
                gst::PadProbeReturn::Ok
            } else {
                source::dropped(info)
            }
        });
        guards.extend(guard.map(|guard| (sink, guard)));
    }
    if let Some(src) = element.static_pad("src") {
        let gate = gate.clone();
        let guard = src.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            lock(&gate).came_out();
            gst::PadProbeReturn::Ok
        });
        guards.extend(guard.map(|guard| (src, guard)));
    }
    guards
}

impl Gate {
    fn open(&mut self) {
        self.open = true;
        self.inside.clear();
        self.passed.clear();
    }

    /// Whether a frame goes into the element, and what is done to it there.
    fn admit(gate: &Mutex<Self>, pad: &gst::Pad, element: &gst::Element, buffer: &mut gst::Buffer) -> bool {
        let Some((time, pts)) = times(pad, buffer) else {
            return false;
        };
        let (watched, only_blurred, strength) = {
            let mut gate = lock(gate);
            if !gate.open {
                // One, for the pipeline to be ready.
                return true;
            }
            if gate.to.is_some_and(|to| time >= to) {
                gate.complete = true;
            }
            if gate.complete || time < gate.from {
                return false;
            }
            // The first frame that comes of a segment, which need not be its first one where the file is damaged.
            let begun = gate.cuts.iter().take_while(|&&cut| cut <= time).count();
            if begun > 0 {
                gate.cuts.drain(..begun);
                buffer.make_mut().set_flags(CUT);
            } else {
                buffer.make_mut().unset_flags(CUT);
            }
            (gate.watched, gate.only_blurred, gate.strength)
        };
        let edge_width = (watched.edges || only_blurred)
            .then(|| edge_width_of(pad, buffer))
            .flatten();
        let restored = !(only_blurred && edge_width.is_some_and(sharpness::is_sharp));
        if only_blurred {
            element.set_property("strength", if restored { strength } else { 0.0 });
        }
        let passage = Passage {
            time,
            pts,
            milliseconds: 0.0,
            restored,
            damaged: buffer.flags().contains(gst::BufferFlags::CORRUPTED),
            edge_width,
            original: watched.originals.then(|| buffer.clone()),
        };
        lock(gate).inside.push_back((Instant::now(), passage));
        true
    }

    fn passage_of(&mut self, pts: Option<u64>) -> Option<Passage> {
        let next = self.passed.front()?;
        if Some(next.pts) == pts {
            self.passed.pop_front()
        } else {
            None
        }
    }

    fn came_out(&mut self) {
        if let Some((began, mut passage)) = self.inside.pop_front() {
            passage.milliseconds = began.elapsed().as_secs_f32() * 1e3;
            self.passed.push_back(passage);
        }
    }
}

/// Stream time and PTS of a frame, in ns.
fn times(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<(u64, u64)> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    let pts = buffer.pts()?;
    Some((segment.to_stream_time(pts)?.nseconds(), pts.nseconds()))
}

fn edge_width_of(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<f32> {
    let caps = pad.current_caps()?;
    edge_width(buffer, &gst_video::VideoInfo::from_caps(&caps).ok()?)
}

/// How wide the edges of a frame are, in pixels; none where there is nothing to see.
pub fn edge_width(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Option<f32> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).ok()?;
    sharpness::of_frame(&frame)
}
