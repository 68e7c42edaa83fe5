// SPDX-License-Identifier: MPL-2.0

//! One negotiated size: the loaded model, and the scratch frames for layouts that are not a tensor as they lie.

use crate::{
    engine::{Deblurrer, Error, Sampling, Timing},
    frame::{Finish, View, ViewMut, to_rgbx, write_restored},
};

pub(super) struct Worker {
    deblurrer: Deblurrer,
    input: Vec<u8>,
    restored: Vec<u8>,
}

impl Worker {
    pub fn new(deblurrer: Deblurrer) -> Self {
        Self {
            deblurrer,
            input: Vec::new(),
            restored: Vec::new(),
        }
    }

    /// Restores `frame` into `out`, which has its layout and size.
    pub fn restore(
        &mut self,
        frame: View<'_>,
        out: &mut ViewMut<'_>,
        sampling: Sampling,
        finish: Finish,
    ) -> Result<Timing, Error> {
        let bytes = self.deblurrer.size().bytes();
        let input = match frame.as_tensor() {
            Some(tensor) => tensor,
            None => {
                self.input.resize(bytes, 0);
                to_rgbx(frame, &mut self.input);
                &self.input
            }
        };
        if finish.is_plain()
            && let Some(restored) = out.as_tensor_mut()
        {
            return self.deblurrer.restore(input, restored, sampling);
        }
        self.restored.resize(bytes, 0);
        let timing = self.deblurrer.restore(input, &mut self.restored, sampling)?;
        write_restored(frame, &self.restored, finish, out);
        Ok(timing)
    }

    /// The next frame has nothing to do with the last one.
    pub fn forget(&mut self) {
        self.deblurrer.forget();
    }

    /// How many frames before the last one its prior was sampled.
    pub fn prior_age(&self) -> u32 {
        self.deblurrer.prior_age()
    }
}
