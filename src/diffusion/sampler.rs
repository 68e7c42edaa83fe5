// SPDX-License-Identifier: MPL-2.0

use ndarray::{Array1, ArrayView1, Zip};
use thiserror::Error;

use super::Schedule;

/// Predicts what one jump of the sampler removes. The product's is a graph; tests use exact residuals.
pub trait ResidualEstimator {
    type Error;

    /// Fills `residuals` for the jump from time `t` to time `s` < `t` (in steps, 0..=T) at the state `z_t`, given the
    /// latent `z_blur` of the blurred frame. All vectors hold D values.
    fn estimate(
        &mut self,
        z_t: ArrayView1<'_, f32>,
        z_blur: ArrayView1<'_, f32>,
        t: usize,
        s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), Self::Error>;
}

/// The two residuals of a jump, D values each: `blur` is the mean per step that it spans, `noise` is eps.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    pub blur: Array1<f32>,
    pub noise: Array1<f32>,
}

/// Why there is no prior.
#[derive(Debug, Error)]
pub enum SampleError<E> {
    #[error("the sampler has {max} steps; {steps} were asked for (1 to {max} are possible)")]
    Steps { steps: usize, max: usize },
    #[error("noise has {noise} values and the latent {latent}")]
    NoiseLength { noise: usize, latent: usize },
    #[error("{what} is not a finite number at step {t}")]
    NotFinite { what: &'static str, t: usize },
    #[error(transparent)]
    Estimator(E),
}

/// The reduced-step sampler: from z_T = z_B + bbar_T eps down to the sharp prior z_0 in 1 to T jumps.
///
/// Holds the residuals between calls, so that sampling allocates only the prior that it returns.
#[derive(Debug, Clone)]
pub struct Sampler {
    schedule: Schedule,
    residuals: Residuals,
}

impl Sampler {
    /// A sampler over vectors of `latent` values.
    pub fn new(schedule: Schedule, latent: usize) -> Self {
        let zeros = Array1::zeros(latent);
        Self {
            schedule,
            residuals: Residuals {
                blur: zeros.clone(),
                noise: zeros,
            },
        }
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The prior z_0 in `steps` jumps; `steps` = T is the paper's sampler. `noise` is eps; none is zero, which keeps a
    /// still scene still.
    ///
    /// # Errors
    /// [`SampleError`]: steps outside 1..=T, noise of another length, residuals that are not finite, or the estimator's own.
    pub fn run<E: ResidualEstimator>(
        &mut self,
        z_blur: ArrayView1<'_, f32>,
        noise: Option<ArrayView1<'_, f32>>,
        steps: usize,
        estimator: &mut E,
    ) -> Result<Array1<f32>, SampleError<E::Error>> {
        let max = self.schedule.steps();
        if !(1..=max).contains(&steps) {
            return Err(SampleError::Steps { steps, max });
        }
        ensure_finite(z_blur, "the latent of the blurred frame", max)?;
        let mut z = z_blur.to_owned();
        if let Some(noise) = noise {
            if noise.len() != z.len() {
                return Err(SampleError::NoiseLength {
                    noise: noise.len(),
                    latent: z.len(),
                });
            }
            let scale = self.schedule.start_noise();
            z.zip_mut_with(&noise, |z, &n| *z = (f64::from(*z) + scale * f64::from(n)) as f32);
        }
        let mut t = max;
        for s in even_times(max, steps).skip(1) {
            estimator
                .estimate(z.view(), z_blur, t, s, &mut self.residuals)
                .map_err(SampleError::Estimator)?;
            ensure_finite(self.residuals.blur.view(), "the blur residual", t)?;
            ensure_finite(self.residuals.noise.view(), "the noise residual", t)?;
            self.jump(&mut z, t, s);
            t = s;
        }
        ensure_finite(z.view(), "the prior", 0)?;
        Ok(z)
    }

    fn jump(&self, z: &mut Array1<f32>, t: usize, s: usize) {
        let jump = self.schedule.jump(t, s);
        Zip::from(z)
            .and(&self.residuals.blur)
            .and(&self.residuals.noise)
            .for_each(|z, &e, &eps| {
                *z = (jump.state * f64::from(*z) - jump.blur * f64::from(e) - jump.noise * f64::from(eps)) as f32;
            });
    }
}

/// The times T = t_0 > … > t_n = 0 of a sampler with n = `steps` jumps, as evenly spread as integers allow:
/// t_i = floor(T (n - i) / n + 1/2), the rule that training evaluates with.
pub fn even_times(total: usize, steps: usize) -> impl Iterator<Item = usize> {
    (0..=steps).map(move |i| (2 * total * (steps - i) + steps) / (2 * steps))
}

fn ensure_finite<E>(values: ArrayView1<'_, f32>, what: &'static str, t: usize) -> Result<(), SampleError<E>> {
    if values.iter().all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(SampleError::NotFinite { what, t })
    }
}
