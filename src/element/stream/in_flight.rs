// SPDX-License-Identifier: MPL-2.0

//! Frames in flight: restored in a thread of their own while the stream goes on, and put out in the order in which they arrived.
//!
//! The deblurrers go to the thread with each frame and come back when the frame is submitted, which on a GPU is before it is restored.
//! So nobody shares them, and between frames the streaming thread has them for what it decides about the next one.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use gst_video::VideoInfo;

use super::{
    buffers::{FrameBuffers, FrameFailure},
    deblurrers::{Deblurrers, FrameOptions, Scratch, collect},
};
use crate::engine::{PriorInUse, Submission, Timing};

/// Frames that the element keeps back until the next one arrives.
pub const HELD_FRAMES: usize = 1;

/// A frame, and how it is restored.
pub struct Frame {
    /// Goes on if the output frame cannot be written.
    original: gst::Buffer,
    buffers: FrameBuffers,
    options: FrameOptions,
    scratch: Scratch,
}

/// A frame that the thread has submitted, or could not.
pub struct SubmittedFrame {
    frame: Frame,
    submission: Result<Submission, FrameFailure>,
    /// What the submission has cost the thread.
    cpu_cost: Duration,
    pub prior: PriorInUse,
}

/// A frame that is restored, or could not be.
pub struct CollectedFrame {
    pub frame: Frame,
    pub reduction: usize,
    pub prior: PriorInUse,
    /// The stages' durations, and the cost of the frame: the longer of what the CPU did and what a device did at the same time.
    pub result: Result<(Timing, Duration), FrameFailure>,
}

/// What the thread gets.
struct Job {
    deblurrers: Deblurrers,
    /// `None` for a warm-up.
    frame: Option<Frame>,
}

/// A frame that has not gone on yet.
enum Pending {
    /// The thread is submitting it.
    Submitting,
    Submitted(Box<SubmittedFrame>),
    /// It goes on as it is.
    Done(gst::Buffer),
}

/// The next frame that goes on.
pub enum NextFrame {
    Submitted(Box<SubmittedFrame>),
    /// It goes on as it is.
    Done(gst::Buffer),
}

/// The frames in flight, in order, and their thread.
pub struct InFlight {
    pub info: VideoInfo,
    /// `None` while the thread is being ended.
    jobs: Option<SyncSender<Job>>,
    submitted: Receiver<(Deblurrers, Option<SubmittedFrame>)>,
    thread: Option<JoinHandle<()>>,
    pending: VecDeque<Pending>,
    scratches: Vec<Scratch>,
    /// A frame was dropped before the next one.
    pub dropped: bool,
}

impl InFlight {
    /// Starts the thread for frames of `info`.
    ///
    /// # Errors
    /// If the system does not give a thread.
    pub fn new(info: VideoInfo) -> io::Result<Self> {
        let (jobs, received_jobs) = mpsc::sync_channel::<Job>(1);
        let (sender, submitted) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("blurdm-frames".into()).spawn(move || {
            while let Ok(job) = received_jobs.recv() {
                if sender.send(job.run()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            info,
            jobs: Some(jobs),
            submitted,
            thread: Some(thread),
            pending: VecDeque::new(),
            scratches: Vec::new(),
            dropped: false,
        })
    }

    /// Warms the deblurrers up in the thread, since providers do some work once per thread. Returns them, or `None` if the thread panicked.
    /// An error is ignored: the first frame will meet it.
    pub fn warm_up(&mut self, deblurrers: Deblurrers) -> Option<Deblurrers> {
        let job = Job {
            deblurrers,
            frame: None,
        };
        self.jobs.as_ref()?.send(job).ok()?;
        Some(self.submitted.recv().ok()?.0)
    }

    /// Makes a frame of two buffers, mapped to where the deblurrers can use them.
    ///
    /// # Errors
    /// Those of [`FrameBuffers::map`].
    pub fn frame(
        &mut self,
        original: gst::Buffer,
        out: gst::Buffer,
        options: FrameOptions,
    ) -> Result<Frame, FrameFailure> {
        Ok(Frame {
            original: original.clone(),
            buffers: FrameBuffers::map(original, out, &self.info, options)?,
            options,
            scratch: self.scratches.pop().unwrap_or_default(),
        })
    }

    /// Gives a frame to the thread, and the deblurrers with it; [`InFlight::wait`] returns them.
    ///
    /// # Errors
    /// The deblurrers, if the thread has ended.
    pub fn submit(&mut self, deblurrers: Deblurrers, frame: Frame) -> Result<(), Box<Deblurrers>> {
        let job = Job {
            deblurrers,
            frame: Some(frame),
        };
        let sent = match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|error| error.0),
            None => Err(job),
        };
        match sent {
            Ok(()) => {
                self.pending.push_back(Pending::Submitting);
                Ok(())
            }
            Err(job) => Err(Box::new(job.deblurrers)),
        }
    }

    /// Queues a buffer that goes on as it is, after the frames before it.
    pub fn push_unchanged(&mut self, buffer: gst::Buffer) {
        self.pending.push_back(Pending::Done(buffer));
    }

    /// Blocks until the thread has submitted its frame. Returns the deblurrers; `None` if the thread did not have them, or panicked.
    pub fn wait(&mut self) -> Option<Deblurrers> {
        let submitting = self
            .pending
            .iter_mut()
            .find(|frame| matches!(frame, Pending::Submitting))?;
        let (deblurrers, submitted) = self.submitted.recv().ok()?;
        if let Some(submitted) = submitted {
            *submitting = Pending::Submitted(Box::new(submitted));
        }
        Some(deblurrers)
    }

    /// Returns whether the oldest frame goes on now: enough frames have arrived after it, or nothing has to be done to it.
    pub fn is_due(&self) -> bool {
        matches!(self.pending.front(), Some(Pending::Done(_))) || self.pending.len() > HELD_FRAMES
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Removes the oldest frame. Call [`InFlight::wait`] before: a frame that the thread still has is lost, and `None`.
    pub fn next(&mut self) -> Option<NextFrame> {
        match self.pending.pop_front()? {
            Pending::Submitting => None,
            Pending::Submitted(frame) => Some(NextFrame::Submitted(frame)),
            Pending::Done(buffer) => Some(NextFrame::Done(buffer)),
        }
    }

    /// Discards all frames. Call [`InFlight::wait`] before.
    pub fn discard(&mut self) {
        self.pending.clear();
        self.dropped = false;
    }

    /// Takes the scratch of a frame that has gone on, for another one.
    pub fn recycle(&mut self, scratch: Scratch) {
        self.scratches.push(scratch);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its frame was missing, which is an error of its own.
            let _ = thread.join();
        }
    }
}

impl Job {
    fn run(self) -> (Deblurrers, Option<SubmittedFrame>) {
        let Self { mut deblurrers, frame } = self;
        let Some(mut frame) = frame else {
            let _ = deblurrers.warm_up(1);
            return (deblurrers, None);
        };
        let started = Instant::now();
        let submission = frame.submit(&mut deblurrers);
        let submitted = SubmittedFrame {
            submission,
            cpu_cost: started.elapsed(),
            prior: deblurrers.prior_in_use(),
            frame,
        };
        (deblurrers, Some(submitted))
    }
}

impl Frame {
    fn submit(&mut self, deblurrers: &mut Deblurrers) -> Result<Submission, FrameFailure> {
        let Self {
            buffers,
            options,
            scratch,
            ..
        } = self;
        #[cfg(feature = "cuda-memory")]
        if let Some((original, out)) = buffers.device_frames()
            && let Some(submission) = deblurrers.submit_on_device(original, out, *options)
        {
            return Ok(submission?);
        }
        Ok(buffers.with_pictures(|original, out| deblurrers.submit(original, out, scratch, *options))??)
    }

    /// Copies the original into the output frame.
    ///
    /// # Errors
    /// Those of [`FrameBuffers::with_pictures`].
    pub fn copy_original(&mut self) -> Result<(), FrameFailure> {
        self.buffers.with_pictures(|original, out| out.copy(original))
    }

    /// Returns the output buffer, and the scratch for another frame. If the output buffer is lost, the original is returned.
    pub fn into_output(self) -> (gst::Buffer, Scratch) {
        (self.buffers.into_output().unwrap_or(self.original), self.scratch)
    }

    /// Returns the original buffer, and the scratch for another frame.
    pub fn into_original(self) -> (gst::Buffer, Scratch) {
        (self.original, self.scratch)
    }
}

impl SubmittedFrame {
    /// Blocks until the frame is restored and written to its output buffer.
    pub fn collect(self) -> CollectedFrame {
        let Self {
            mut frame,
            submission,
            cpu_cost,
            prior,
        } = self;
        let result = submission.and_then(|submission| {
            let on_device = submission.is_pending();
            let started = Instant::now();
            let Frame {
                buffers,
                options,
                scratch,
                ..
            } = &mut frame;
            let timing = if buffers.is_on_device() {
                submission.collect(&mut [])?
            } else {
                buffers.with_pictures(|original, out| collect(submission, original, out, scratch, options.finish))??
            };
            let cost = if on_device {
                cpu_cost.max(timing.backbone)
            } else {
                cpu_cost + started.elapsed()
            };
            Ok((timing, cost))
        });
        CollectedFrame {
            reduction: frame.options.reduction,
            frame,
            prior,
            result,
        }
    }
}
