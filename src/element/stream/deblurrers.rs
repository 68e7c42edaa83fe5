// SPDX-License-Identifier: MPL-2.0

//! The loaded model for one frame size at each working scale that was needed so far, and the buffers in which frames are converted whose
//! layout no graph takes.

use std::{
    mem,
    time::{Duration, Instant},
};

#[cfg(feature = "cuda-memory")]
use crate::engine::DeviceFrame;
use crate::{
    engine::{Deblurrer, Error, PriorInUse, Sampling, Submission, Timing},
    frame::{Finish, Picture, PictureMut},
};

/// One [`Deblurrer`] per working scale.
pub struct Deblurrers {
    /// At the scale that the properties ask for.
    full: Deblurrer,
    reduction: usize,
    /// At smaller scales, by their reduction.
    reduced: Vec<(usize, Deblurrer)>,
    prior: PriorInUse,
    scratch: Scratch,
}

/// How one frame is restored.
#[derive(Debug, Clone, Copy)]
pub struct FrameOptions {
    pub sampling: Sampling,
    pub finish: Finish,
    /// The divisor of the sides at the working scale.
    pub reduction: usize,
}

/// The input and the output of the graphs, for frames that the graphs cannot read or write in place.
#[derive(Debug, Default)]
pub struct Scratch {
    input: Vec<u8>,
    restored: Vec<u8>,
}

impl Deblurrers {
    /// `full` is loaded for frames that are reduced by `reduction`.
    pub fn new(full: Deblurrer, reduction: usize) -> Self {
        Self {
            full,
            reduction,
            reduced: Vec::new(),
            prior: PriorInUse::default(),
            scratch: Scratch::default(),
        }
    }

    /// Restores `frame` into `out`, which has its layout and size.
    ///
    /// # Errors
    /// Those of [`Deblurrer::restore`].
    pub fn restore(
        &mut self,
        frame: &Picture<'_>,
        out: &mut PictureMut<'_>,
        options: FrameOptions,
    ) -> Result<Timing, Error> {
        let mut scratch = mem::take(&mut self.scratch);
        let restored = self
            .submit(frame, out, &mut scratch, options)
            .and_then(|submission| collect(submission, frame, out, &mut scratch, options.finish));
        self.scratch = scratch;
        restored
    }

    /// Submits `frame` without waiting for it. It is in `out` after [`collect`] with the same arguments. Without a deblurrer for
    /// `options.reduction` the frame is restored at the scale that the properties ask for.
    ///
    /// # Errors
    /// Those of [`Deblurrer::submit`].
    pub fn submit(
        &mut self,
        frame: &Picture<'_>,
        out: &mut PictureMut<'_>,
        scratch: &mut Scratch,
        options: FrameOptions,
    ) -> Result<Submission, Error> {
        let bytes = self.full.size().bytes();
        let deblurrer = at_scale(&mut self.full, &mut self.reduced, options.reduction);
        let Scratch { input, restored } = scratch;
        if frame.as_tensor().is_none() {
            input.resize(bytes, 0);
            frame.to_rgbx(input);
        }
        let input = frame.as_tensor().unwrap_or(input);
        let submission = match in_place(out, options.finish) {
            Some(out) => deblurrer.submit(input, out, options.sampling)?,
            None => {
                restored.resize(bytes, 0);
                deblurrer.submit(input, restored, options.sampling)?
            }
        };
        self.prior = deblurrer.prior_in_use();
        Ok(submission)
    }

    /// As [`Deblurrers::submit`], for frames in the GPU's memory. `None` if the model does not run there.
    #[cfg(feature = "cuda-memory")]
    pub fn submit_on_device(
        &mut self,
        frame: DeviceFrame,
        out: DeviceFrame,
        options: FrameOptions,
    ) -> Option<Result<Submission, Error>> {
        let submission = self.full.submit_on_device(frame, out, options.sampling);
        self.prior = self.full.prior_in_use();
        submission
    }

    /// Restores a black frame at a working scale. Returns how long that took, conversion aside.
    ///
    /// # Errors
    /// Those of [`Deblurrer::restore`].
    pub fn warm_up(&mut self, reduction: usize) -> Result<Duration, Error> {
        let frame = vec![0; self.full.size().bytes()];
        let mut restored = frame.clone();
        let deblurrer = at_scale(&mut self.full, &mut self.reduced, reduction);
        let started = Instant::now();
        deblurrer.restore(&frame, &mut restored, Sampling::default())?;
        let cost = started.elapsed();
        deblurrer.reset_history();
        Ok(cost)
    }

    /// Warms up at the scale that the properties ask for in the thread that calls this: providers do some work once per thread. An error
    /// is ignored: the first frame will meet it.
    pub fn warmed_up(mut self) -> Self {
        self.warm_up(self.reduction).ok();
        self
    }

    /// Returns the deblurrer at the scale that the properties ask for.
    pub fn full(&self) -> &Deblurrer {
        &self.full
    }

    /// Returns whether frames can be reduced by `reduction`.
    pub fn has(&self, reduction: usize) -> bool {
        reduction == self.reduction || self.reduced.iter().any(|(known, _)| *known == reduction)
    }

    /// Adds a deblurrer for frames that are reduced by `reduction`.
    pub fn add(&mut self, reduction: usize, deblurrer: Deblurrer) {
        self.reduced.push((reduction, deblurrer));
    }

    /// Forgets the frames so far: the next one does not follow them.
    pub fn reset_history(&mut self) {
        self.full.reset_history();
        self.reduced
            .iter_mut()
            .for_each(|(_, deblurrer)| deblurrer.reset_history());
    }

    /// Returns the prior that the last frame was restored with.
    pub fn prior_in_use(&self) -> PriorInUse {
        self.prior
    }
}

/// Blocks until the frame of [`Deblurrers::submit`] is restored, and writes it into `out`.
///
/// # Errors
/// Those of [`Submission::collect`].
pub fn collect(
    submission: Submission,
    frame: &Picture<'_>,
    out: &mut PictureMut<'_>,
    scratch: &mut Scratch,
    finish: Finish,
) -> Result<Timing, Error> {
    if let Some(out) = in_place(out, finish) {
        return submission.collect(out);
    }
    let Scratch { input, restored } = scratch;
    let timing = submission.collect(restored)?;
    out.write_restored(frame, frame.as_tensor().unwrap_or(input), restored, finish);
    Ok(timing)
}

/// Returns the output frame as the graph's output tensor; `None` if it has another layout or if more than restoring is asked for.
fn in_place<'a>(out: &'a mut PictureMut<'_>, finish: Finish) -> Option<&'a mut [u8]> {
    if finish.is_plain() { out.as_tensor_mut() } else { None }
}

fn at_scale<'a>(full: &'a mut Deblurrer, reduced: &'a mut [(usize, Deblurrer)], reduction: usize) -> &'a mut Deblurrer {
    match reduced.iter_mut().find(|(known, _)| *known == reduction) {
        Some((_, deblurrer)) => deblurrer,
        None => full,
    }
}
