// SPDX-License-Identifier: MPL-2.0

//! Frames on their way through the model while the stream goes on: restored on a thread of their own, given out in the order in which
//! they came.
//!
//! The worker travels with the frame: it is with the thread while a frame is begun, which on a GPU is sooner over than the frame is
//! restored, and at home between frames. So nobody shares it, and what decides about the next frame finds it where it always is.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use gst_video::VideoFrame;

use super::{
    formats::{FrameError, pictures},
    worker::{Scratch, Work, Worker, end},
};
use crate::{
    engine::{Begun, Error, Timing},
    frame::{Picture, PictureMut},
};

/// Frames that wait for others when one comes out.
pub(super) const AHEAD: usize = 1;

/// A frame, and what the element makes of it.
pub(super) struct Passenger {
    /// None where they could not be mapped another way.
    pub frames: Option<Frames>,
    pub work: Work,
    pub scratch: Scratch,
}

/// As it came, and as it goes out.
pub(super) enum Frames {
    /// Where the CPU can read and write them.
    Mapped(Box<OnCpu>),
    #[cfg(feature = "cuda-memory")]
    OnDevice(Box<OnDevice>),
}

/// Both frames, mapped for the CPU.
pub(super) struct OnCpu {
    frame: VideoFrame<gst_video::video_frame::Readable>,
    out: VideoFrame<gst_video::video_frame::Writable>,
}

/// Both frames, mapped to the device's addresses.
#[cfg(feature = "cuda-memory")]
pub(super) struct OnDevice {
    pub frame: super::cuda_memory::Mapped,
    pub out: super::cuda_memory::Mapped,
    pub info: gst_video::VideoInfo,
}

/// A frame that was begun, or could not be.
pub(super) struct Flown {
    pub passenger: Passenger,
    begun: Result<Begun, Failure>,
    /// What it has cost the thread.
    spent: Duration,
    pub prior_age: u32,
}

/// Why a frame was not restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a buffer does not hold the frame that its caps promise")]
    Unmappable,
}

struct Departure {
    worker: Worker,
    /// None to rehearse: what a provider does once for every thread is then done.
    passenger: Option<Passenger>,
}

/// What goes out, in order.
enum Entry {
    /// The thread has it.
    Away,
    Flown(Box<Flown>),
    /// It goes on as it is.
    Passed(gst::Buffer),
}

/// What comes out.
pub(super) enum Arrival {
    Flown(Box<Flown>),
    Passed(gst::Buffer),
}

pub(super) struct Flight {
    pub info: gst_video::VideoInfo,
    /// None when nothing more will depart.
    departures: Option<SyncSender<Departure>>,
    landed: Receiver<(Worker, Option<Flown>)>,
    thread: Option<JoinHandle<()>>,
    entries: VecDeque<Entry>,
    scratches: Vec<Scratch>,
    /// A frame was left out before the next one.
    pub gap: bool,
}

impl Flight {
    /// For frames as `info` has them.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn new(info: gst_video::VideoInfo) -> io::Result<Self> {
        let (departures, due) = mpsc::sync_channel::<Departure>(1);
        let (land, landed) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("blurdm-frames".into()).spawn(move || {
            while let Ok(departure) = due.recv() {
                if land.send(departure.fly()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            info,
            departures: Some(departures),
            landed,
            thread: Some(thread),
            entries: VecDeque::new(),
            scratches: Vec::new(),
            gap: false,
        })
    }

    /// Gives a frame to the thread, and the worker with it; gives the worker back where there is no thread any more.
    pub fn depart(&mut self, worker: Worker, passenger: Passenger) -> Result<(), Box<Worker>> {
        let passenger = Some(passenger);
        let departure = Departure { worker, passenger };
        let gone = match &self.departures {
            Some(departures) => departures.send(departure).map_err(|error| error.0),
            None => Err(departure),
        };
        match gone {
            Ok(()) => {
                self.entries.push_back(Entry::Away);
                Ok(())
            }
            Err(departure) => Err(Box::new(departure.worker)),
        }
    }

    /// Has the thread restore a frame of nothing, and gives the worker back unless it went down with the thread. What is wrong will show
    /// with the first frame of something.
    pub fn rehearse(&mut self, worker: Worker) -> Option<Worker> {
        let departure = Departure {
            worker,
            passenger: None,
        };
        self.departures.as_ref()?.send(departure).ok()?;
        Some(self.landed.recv().ok()?.0)
    }

    /// A frame goes out as it is, in its turn.
    pub fn pass(&mut self, buffer: gst::Buffer) {
        self.entries.push_back(Entry::Passed(buffer));
    }

    /// Waits for the worker; none if it is at home, or went down with the thread.
    pub fn recall(&mut self) -> Option<Worker> {
        let away = self.entries.iter_mut().find(|entry| matches!(entry, Entry::Away))?;
        let (worker, flown) = self.landed.recv().ok()?;
        if let Some(flown) = flown {
            *away = Entry::Flown(Box::new(flown));
        }
        Some(worker)
    }

    /// Whether the oldest frame can go out: it waits for nothing, or others wait for it.
    pub fn is_due(&self) -> bool {
        matches!(self.entries.front(), Some(Entry::Passed(_))) || self.entries.len() > AHEAD
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The oldest frame; the worker must be at home, or this is none.
    pub fn next(&mut self) -> Option<Arrival> {
        match self.entries.pop_front()? {
            Entry::Away => None,
            Entry::Flown(flown) => Some(Arrival::Flown(flown)),
            Entry::Passed(buffer) => Some(Arrival::Passed(buffer)),
        }
    }

    /// Gives up what is on its way.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.gap = false;
    }

    pub fn scratch(&mut self) -> Scratch {
        self.scratches.pop().unwrap_or_default()
    }

    pub fn recycle(&mut self, scratch: Scratch) {
        self.scratches.push(scratch);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.departures = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was a frame that never landed.
            let _ = thread.join();
        }
    }
}

impl Departure {
    fn fly(self) -> (Worker, Option<Flown>) {
        let Self { mut worker, passenger } = self;
        let Some(mut passenger) = passenger else {
            let _ = worker.rehearse(1);
            return (worker, None);
        };
        let started = Instant::now();
        let begun = passenger.begin(&mut worker);
        let flown = Flown {
            begun,
            spent: started.elapsed(),
            prior_age: worker.prior_age(),
            passenger,
        };
        (worker, Some(flown))
    }
}

impl Passenger {
    fn begin(&mut self, worker: &mut Worker) -> Result<Begun, Failure> {
        #[cfg(feature = "cuda-memory")]
        if let Some(Frames::OnDevice(frames)) = &self.frames
            && let Some(begun) = worker.begin_on_device(frames.frame.frame(), frames.out.frame(), self.work)
        {
            return Ok(begun?);
        }
        let work = self.work;
        Ok(self.with(|original, out, scratch| worker.begin(original, out, scratch, work))??)
    }

    /// Does something with both frames, where the CPU can.
    pub fn with<T>(
        &mut self,
        run: impl FnOnce(&Picture<'_>, &mut PictureMut<'_>, &mut Scratch) -> T,
    ) -> Result<T, Failure> {
        #[cfg(feature = "cuda-memory")]
        self.map_to_cpu()?;
        let Some(Frames::Mapped(frames)) = &mut self.frames else {
            return Err(Failure::Unmappable);
        };
        let frame = frames.frame.as_video_frame_ref();
        let mut out = frames.out.as_mut_video_frame_ref();
        let (original, mut out) = pictures(&frame, &mut out)?;
        Ok(run(&original, &mut out, &mut self.scratch))
    }

    #[cfg(feature = "cuda-memory")]
    fn map_to_cpu(&mut self) -> Result<(), Failure> {
        self.frames = match self.frames.take() {
            Some(Frames::OnDevice(frames)) => {
                let OnDevice { frame, out, info } = *frames;
                Some(Frames::mapped(frame.into_buffer(), out.into_buffer(), &info)?)
            }
            frames => frames,
        };
        Ok(())
    }

    /// Whether the frame that goes out is ready as soon as the device is.
    fn is_on_device(&self) -> bool {
        !matches!(self.frames, Some(Frames::Mapped(..)))
    }
}

impl Frames {
    pub fn mapped(frame: gst::Buffer, out: gst::Buffer, info: &gst_video::VideoInfo) -> Result<Self, Failure> {
        let frame = VideoFrame::from_buffer_readable(frame, info).map_err(|_| Failure::Unmappable)?;
        let out = VideoFrame::from_buffer_writable(out, info).map_err(|_| Failure::Unmappable)?;
        Ok(Self::Mapped(Box::new(OnCpu { frame, out })))
    }

    /// The buffer that goes out.
    pub fn into_out(self) -> gst::Buffer {
        match self {
            Self::Mapped(frames) => frames.out.into_buffer(),
            #[cfg(feature = "cuda-memory")]
            Self::OnDevice(frames) => frames.out.into_buffer(),
        }
    }
}

impl Flown {
    /// Waits for the frame, and writes it to where it goes out. Returns, besides what the stages took, what the frame has cost: the longer
    /// of what the CPU and what a device beside it did.
    pub fn end(self) -> (Passenger, Result<(Timing, Duration), Failure>) {
        let Self {
            mut passenger,
            begun,
            spent,
            ..
        } = self;
        let ended = begun.and_then(|begun| {
            let beside = begun.is_pending();
            let started = Instant::now();
            let finish = passenger.work.finish;
            let timing = if passenger.is_on_device() {
                begun.finish(&mut [])?
            } else {
                passenger.with(|original, out, scratch| end(begun, original, out, scratch, finish))??
            };
            let cost = if beside {
                spent.max(timing.backbone)
            } else {
                spent + started.elapsed()
            };
            Ok((timing, cost))
        });
        (passenger, ended)
    }
}
