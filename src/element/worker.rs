// SPDX-License-Identifier: MPL-2.0

//! One negotiated size: the loaded model, and the scratch frames for layouts that are not a tensor as they lie.

use crate::{
    engine::{Deblurrer, Error, Sampling, Timing},
    frame::{Finish, Picture, PictureMut},
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
        frame: &Picture<'_>,
        out: &mut PictureMut<'_>,
        sampling: Sampling,
        finish: Finish,
    ) -> Result<Timing, Error> {
        let bytes = self.deblurrer.size().bytes();
        let input = match frame.as_tensor() {
            Some(tensor) => tensor,
            None => {
                self.input.resize(bytes, 0);
                frame.to_rgbx(&mut self.input);
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
        out.write_restored(frame, input, &self.restored, finish);
        Ok(timing)
    }

    pub fn deblurrer(&self) -> &Deblurrer {
        &self.deblurrer
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
