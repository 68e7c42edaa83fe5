// SPDX-License-Identifier: MPL-2.0

//! One negotiated size: the loaded model at the scales that were asked for so far, and the scratch frames for layouts that are not a
//! tensor as they lie.

use std::{
    mem,
    time::{Duration, Instant},
};

#[cfg(feature = "cuda-memory")]
use crate::engine::DeviceFrame;
use crate::{
    engine::{Begun, Deblurrer, Error, Sampling, Timing},
    frame::{Finish, Picture, PictureMut},
};

pub(super) struct Worker {
    /// For frames reduced as the properties ask.
    deblurrer: Deblurrer,
    reduction: usize,
    /// For frames reduced further, by their reduction.
    reduced: Vec<(usize, Deblurrer)>,
    /// Frames before the last one at which its prior was sampled.
    prior_age: u32,
    scratch: Scratch,
}

/// What is made of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub sampling: Sampling,
    pub finish: Finish,
    pub reduction: usize,
}

/// One frame as the model takes and gives it, where it does not lie so.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    input: Vec<u8>,
    restored: Vec<u8>,
}

impl Worker {
    /// A model for frames reduced by `reduction`.
    pub fn new(deblurrer: Deblurrer, reduction: usize) -> Self {
        Self {
            deblurrer,
            reduction,
            reduced: Vec::new(),
            prior_age: 0,
            scratch: Scratch::default(),
        }
    }

    /// Restores `frame` into `out`, which has its layout and size, reduced as far as there is a model for that.
    pub fn restore(&mut self, frame: &Picture<'_>, out: &mut PictureMut<'_>, work: Work) -> Result<Timing, Error> {
        let mut scratch = mem::take(&mut self.scratch);
        let begun = self.begin(frame, out, &mut scratch, work);
        let ended = begun.and_then(|begun| end(begun, frame, out, &mut scratch, work.finish));
        self.scratch = scratch;
        ended
    }

    /// Begins to do that. The end is [`end`], with the same frames and scratch.
    pub fn begin(
        &mut self,
        frame: &Picture<'_>,
        out: &mut PictureMut<'_>,
        scratch: &mut Scratch,
        work: Work,
    ) -> Result<Begun, Error> {
        let bytes = self.deblurrer.size().bytes();
        let deblurrer = at(&mut self.deblurrer, &mut self.reduced, work.reduction);
        let Scratch { input, restored } = scratch;
        if frame.as_tensor().is_none() {
            input.resize(bytes, 0);
            frame.to_rgbx(input);
        }
        let input = frame.as_tensor().unwrap_or(input);
        let begun = match direct(out, work.finish) {
            Some(out) => deblurrer.begin(input, out, work.sampling)?,
            None => {
                restored.resize(bytes, 0);
                deblurrer.begin(input, restored, work.sampling)?
            }
        };
        self.prior_age = deblurrer.prior_age();
        Ok(begun)
    }

    /// Begins to do that on the device where both frames lie; none where the model is elsewhere.
    #[cfg(feature = "cuda-memory")]
    pub fn begin_on_device(
        &mut self,
        frame: DeviceFrame,
        out: DeviceFrame,
        work: Work,
    ) -> Option<Result<Begun, Error>> {
        let begun = self.deblurrer.begin_on_device(frame, out, work.sampling);
        self.prior_age = self.deblurrer.prior_age();
        begun
    }

    /// How long a frame takes at a reduction, its conversion aside.
    pub fn rehearse(&mut self, reduction: usize) -> Result<Duration, Error> {
        let frame = vec![0; self.deblurrer.size().bytes()];
        let mut restored = frame.clone();
        let deblurrer = at(&mut self.deblurrer, &mut self.reduced, reduction);
        let started = Instant::now();
        deblurrer.restore(&frame, &mut restored, Sampling::default())?;
        let cost = started.elapsed();
        deblurrer.forget();
        Ok(cost)
    }

    pub fn deblurrer(&self) -> &Deblurrer {
        &self.deblurrer
    }

    /// Whether there is a model for frames of this reduction.
    pub fn can_reduce(&self, reduction: usize) -> bool {
        reduction == self.reduction || self.reduced.iter().any(|(known, _)| *known == reduction)
    }

    pub fn add(&mut self, reduction: usize, deblurrer: Deblurrer) {
        self.reduced.push((reduction, deblurrer));
    }

    /// The next frame has nothing to do with the last one.
    pub fn forget(&mut self) {
        self.deblurrer.forget();
        self.reduced.iter_mut().for_each(|(_, deblurrer)| deblurrer.forget());
    }

    /// How many frames before the last one its prior was sampled.
    pub fn prior_age(&self) -> u32 {
        self.prior_age
    }
}

/// Waits for a frame that has begun, and writes it into `out`.
pub(super) fn end(
    begun: Begun,
    frame: &Picture<'_>,
    out: &mut PictureMut<'_>,
    scratch: &mut Scratch,
    finish: Finish,
) -> Result<Timing, Error> {
    if let Some(out) = direct(out, finish) {
        return begun.finish(out);
    }
    let Scratch { input, restored } = scratch;
    let timing = begun.finish(restored)?;
    out.write_restored(frame, frame.as_tensor().unwrap_or(input), restored, finish);
    Ok(timing)
}

/// The frame that goes out itself, if the model may write it.
fn direct<'a>(out: &'a mut PictureMut<'_>, finish: Finish) -> Option<&'a mut [u8]> {
    if finish.is_plain() { out.as_tensor_mut() } else { None }
}

fn at<'a>(full: &'a mut Deblurrer, reduced: &'a mut [(usize, Deblurrer)], reduction: usize) -> &'a mut Deblurrer {
    match reduced.iter_mut().find(|(known, _)| *known == reduction) {
        Some((_, deblurrer)) => deblurrer,
        None => full,
    }
}
