// SPDX-License-Identifier: MPL-2.0

//! Frames that are restored beside the stream: what departs, what arrives, and when all must have arrived.

use std::{sync::atomic::Ordering, time::Duration};

#[cfg(feature = "cuda-memory")]
use super::{cuda_memory, flight::OnDevice};
use super::{
    flight::{AHEAD, Arrival, Failure, Flight, Flown, Frames, Passenger},
    imp::{BlurDm, CAT, CUT, lock},
    worker::{Work, Worker},
};
use gst::{prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{
        base_transform::{GenerateOutputSuccess, InputBuffer, PrepareOutputBufferSuccess},
        prelude::*,
    },
};

impl BlurDm {
    /// New caps: from now on frames are restored beside the stream, or not. Gives the worker back, rehearsed where it will work.
    pub(super) fn begin_flight(&self, worker: Worker, info: &gst_video::VideoInfo) -> Option<Worker> {
        let asked = lock(&self.settings).frames_in_flight as usize;
        let on_gpu = worker.deblurrer().provider().on_gpu();
        let beside = if asked == 0 { on_gpu } else { asked > AHEAD };
        let mut flight = beside.then(|| Flight::new(info.clone())).and_then(|flight| {
            flight
                .inspect_err(|error| {
                    gst::warning!(CAT, imp = self, "frames are restored in the stream's thread: {error}")
                })
                .ok()
        });
        let worker = match &mut flight {
            Some(flight) if on_gpu => flight.rehearse(worker),
            _ => Some(worker),
        };
        let fps = info.fps();
        let interval = if fps.numer() > 0 {
            Duration::from_secs_f64(f64::from(fps.denom()) / f64::from(fps.numer()))
        } else {
            Duration::ZERO
        };
        self.hold(if flight.is_some() { interval } else { Duration::ZERO });
        let last = std::mem::replace(&mut *lock(&self.flight), flight);
        // Its thread is waited for without the lock.
        drop(last);
        worker
    }

    /// Frames of one pool that the element keeps from others meanwhile.
    pub(super) fn kept_frames(&self) -> u32 {
        if lock(&self.flight).is_some() { AHEAD as u32 } else { 0 }
    }

    /// How long a frame that is restored waits for the next one; part of the latency.
    fn hold(&self, time: Duration) {
        let changed = lock(&self.latency).hold(time);
        if changed {
            self.post_message(gst::message::Latency::builder().src(&*self.obj()).build());
        }
    }

    /// Takes the frame that came, if one did, and gives the one that is due, if one is.
    pub(super) fn fly(&self, flight: &mut Flight) -> Result<GenerateOutputSuccess, gst::FlowError> {
        if let Some(buffer) = self.take_queued_buffer() {
            if self.obj().is_passthrough() {
                flight.pass(buffer);
            } else if self.drop.swap(false, Ordering::Relaxed) {
                flight.gap = true;
            } else {
                self.depart(flight, buffer)?;
            }
        }
        if !flight.is_due() {
            return Ok(GenerateOutputSuccess::NoOutput);
        }
        Ok(match self.arrive(flight)? {
            Some(buffer) => GenerateOutputSuccess::Buffer(buffer),
            None => GenerateOutputSuccess::NoOutput,
        })
    }

    fn depart(&self, flight: &mut Flight, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        let prepared = self.prepare_output_buffer(InputBuffer::Readable(&buffer))?;
        let PrepareOutputBufferSuccess::Buffer(mut out) = prepared else {
            flight.pass(buffer);
            return Ok(());
        };
        let flags = buffer.flags();
        if std::mem::take(&mut flight.gap) {
            out.make_mut().set_flags(gst::BufferFlags::DISCONT);
        }
        if flight.info.fps().numer() == 0
            && let Some(duration) = buffer.duration()
        {
            self.hold(duration.into());
        }
        let Some(mut worker) = lock(&self.worker).take() else {
            return Err(self.no_worker());
        };
        if self.cut.swap(false, Ordering::Relaxed) || flags.intersects(CUT) {
            worker.forget();
        }
        let passenger = match self.passenger(flight, buffer, out) {
            Ok(passenger) => passenger,
            Err(error) => {
                *lock(&self.worker) = Some(worker);
                return Err(error);
            }
        };
        // A gap has nothing in it to restore.
        if flags.contains(gst::BufferFlags::GAP) {
            *lock(&self.worker) = Some(worker);
            return self.pass_gap(flight, passenger);
        }
        flight.depart(worker, passenger).map_err(|worker| {
            *lock(&self.worker) = Some(*worker);
            gst::element_imp_error!(
                self,
                gst::CoreError::Thread,
                ("the thread that restores frames has ended")
            );
            gst::FlowError::Error
        })
    }

    fn passenger(
        &self,
        flight: &mut Flight,
        buffer: gst::Buffer,
        out: gst::Buffer,
    ) -> Result<Passenger, gst::FlowError> {
        let (sampling, finish) = self.asked();
        let level = self.level();
        let work = Work {
            sampling: level.sampling(sampling),
            finish,
            reduction: level.reduction,
        };
        let frames = frames(buffer, out, &flight.info, work).map_err(|failure| self.not_a_frame(&failure))?;
        Ok(Passenger {
            frames: Some(frames),
            work,
            scratch: flight.scratch(),
        })
    }

    fn pass_gap(&self, flight: &mut Flight, mut passenger: Passenger) -> Result<(), gst::FlowError> {
        passenger
            .with(|original, out, _| out.copy(original))
            .map_err(|failure| self.not_a_frame(&failure))?;
        lock(&self.stats).passed();
        self.cut.store(true, Ordering::Relaxed);
        let out = self.out_of(flight, passenger)?;
        flight.pass(out);
        Ok(())
    }

    /// Waits for the oldest frame.
    fn arrive(&self, flight: &mut Flight) -> Result<Option<gst::Buffer>, gst::FlowError> {
        match flight.next() {
            None => Ok(None),
            Some(Arrival::Passed(buffer)) => Ok(Some(buffer)),
            Some(Arrival::Flown(flown)) => self.land(flight, *flown).map(Some),
        }
    }

    fn land(&self, flight: &mut Flight, flown: Flown) -> Result<gst::Buffer, gst::FlowError> {
        let prior_age = flown.prior_age;
        let (mut passenger, ended) = flown.end();
        let reduction = passenger.work.reduction;
        match ended {
            Ok((timing, cost)) => self.restored(timing, reduction, prior_age, cost),
            Err(Failure::Engine(error)) => passenger
                .with(|original, out, _| self.not_restored(&error, original, out))
                .map_err(|failure| self.not_a_frame(&failure))??,
            Err(failure) => return Err(self.not_a_frame(&failure)),
        }
        self.out_of(flight, passenger)
    }

    fn out_of(&self, flight: &mut Flight, passenger: Passenger) -> Result<gst::Buffer, gst::FlowError> {
        flight.recycle(passenger.scratch);
        let out = passenger.frames.map(Frames::into_out);
        out.ok_or_else(|| self.not_a_frame(&Failure::Unmappable))
    }

    /// Waits until no frame is with the thread, and takes the worker back.
    pub(super) fn bring_home(&self) {
        self.with_flight(|_| {});
    }

    /// Does something with the frames on their way, the worker being at home.
    fn with_flight(&self, run: impl FnOnce(&mut Flight)) {
        let Some(mut flight) = lock(&self.flight).take() else {
            return;
        };
        if let Some(worker) = flight.recall() {
            *lock(&self.worker) = Some(worker);
        }
        run(&mut flight);
        *lock(&self.flight) = Some(flight);
    }

    /// Has all frames on their way go out, before what follows them in the stream.
    pub(super) fn drain(&self) {
        self.with_flight(|flight| {
            while !flight.is_empty() {
                let pushed = match self.arrive(flight) {
                    Ok(Some(buffer)) => self.obj().src_pad().push(buffer).map(|_| ()),
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                };
                if let Err(error) = pushed {
                    gst::debug!(CAT, imp = self, "frames on their way are given up: {error}");
                    flight.clear();
                }
            }
        });
    }

    /// Gives up the frames on their way; with the run cancelled before, that is soon done.
    pub(super) fn abandon(&self) {
        self.with_flight(Flight::clear);
    }
}

/// Both frames, mapped to where the model is to find them.
fn frames(buffer: gst::Buffer, out: gst::Buffer, info: &gst_video::VideoInfo, work: Work) -> Result<Frames, Failure> {
    #[cfg(feature = "cuda-memory")]
    if work.finish.is_plain() && work.reduction == 1 && cuda_memory::holds(&buffer) && cuda_memory::holds(&out) {
        let frame = cuda_memory::Mapped::readable(buffer, info).map_err(|_| Failure::Unmappable)?;
        let out = cuda_memory::Mapped::writable(out, info).map_err(|_| Failure::Unmappable)?;
        let info = info.clone();
        return Ok(Frames::OnDevice(Box::new(OnDevice { frame, out, info })));
    }
    #[cfg(not(feature = "cuda-memory"))]
    let _ = work;
    Frames::mapped(buffer, out, info)
}
