// SPDX-License-Identifier: MPL-2.0

//! One negotiated size: the loaded model at the scales that were asked for so far, and the scratch frames for layouts that are not a
//! tensor as they lie.

use std::time::{Duration, Instant};

use crate::{
    engine::{Deblurrer, Error, Sampling, Timing},
    frame::{Finish, Picture, PictureMut},
};

pub(super) struct Worker {
    deblurrer: Deblurrer,
    /// For reduced frames, by their reduction.
    reduced: Vec<(usize, Deblurrer)>,
    /// Frames before the last one at which its prior was sampled.
    prior_age: u32,
    input: Vec<u8>,
    restored: Vec<u8>,
}

impl Worker {
    pub fn new(deblurrer: Deblurrer) -> Self {
        Self {
            deblurrer,
            reduced: Vec::new(),
            prior_age: 0,
            input: Vec::new(),
            restored: Vec::new(),
        }
    }

    /// Restores `frame` into `out`, which has its layout and size, reduced as far as there is a model for that.
    pub fn restore(
        &mut self,
        frame: &Picture<'_>,
        out: &mut PictureMut<'_>,
        sampling: Sampling,
        finish: Finish,
        reduction: usize,
    ) -> Result<Timing, Error> {
        let bytes = self.deblurrer.size().bytes();
        let deblurrer = at(&mut self.deblurrer, &mut self.reduced, reduction);
        let input = match frame.as_tensor() {
            Some(tensor) => tensor,
            None => {
                self.input.resize(bytes, 0);
                frame.to_rgbx(&mut self.input);
                &self.input
            }
        };
        let timing = if finish.is_plain()
            && let Some(restored) = out.as_tensor_mut()
        {
            deblurrer.restore(input, restored, sampling)?
        } else {
            self.restored.resize(bytes, 0);
            let timing = deblurrer.restore(input, &mut self.restored, sampling)?;
            out.write_restored(frame, input, &self.restored, finish);
            timing
        };
        self.prior_age = deblurrer.prior_age();
        Ok(timing)
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
        reduction == 1 || self.reduced.iter().any(|(known, _)| *known == reduction)
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

fn at<'a>(full: &'a mut Deblurrer, reduced: &'a mut [(usize, Deblurrer)], reduction: usize) -> &'a mut Deblurrer {
    match reduced.iter_mut().find(|(known, _)| *known == reduction) {
        Some((_, deblurrer)) => deblurrer,
        None => full,
    }
}
