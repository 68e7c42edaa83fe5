// SPDX-License-Identifier: MPL-2.0

use ndarray::{Array1, ArrayView1, Zip};
use thiserror::Error;

use super::schedule::Schedule;

/// Predicts what one jump of the sampler removes. The engine implements it with a graph, tests with exact residuals.
pub trait ResidualEstimator {
    type Error;

    /// Fills `residuals` for the jump from time `t` to time `s` < `t` (in steps, 0..=T) at the state `z_t`, given the
    /// latent `z_blur` of the blurred frame. All vectors have D values.
    ///
    /// # Errors
    /// Those of the implementation. They end the sampling.
    fn estimate(
        &mut self,
        z_t: ArrayView1<'_, f32>,
        z_blur: ArrayView1<'_, f32>,
        t: usize,
        s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), Self::Error>;
}

/// The two residuals of a jump, D values each. `blur` is the mean over the steps that the jump spans, `noise` is eps.
#[derive(Debug, Clone, PartialEq)]
pub struct Residuals {
    pub blur: Array1<f32>,
    pub noise: Array1<f32>,
}

/// Why a prior cannot be sampled.
#[derive(Debug, Error)]
pub enum SampleError<E> {
    #[error("the sampler has {max} steps; {steps} were asked for (1 to {max} are possible)")]
    Steps { steps: usize, max: usize },
    #[error("{what} has {found} values; this sampler is for {latent}")]
    Length {
        what: &'static str,
        found: usize,
        latent: usize,
    },
    #[error("{what} is not a finite number at step {t}")]
    NotFinite { what: &'static str, t: usize },
    #[error(transparent)]
    Estimator(E),
}

/// The reduced-step sampler: from z_T = z_B + bbar_T eps to the sharp prior z_0 in 1 to T jumps.
///
/// It owns the state and the residuals, so that sampling allocates nothing.
#[derive(Debug, Clone)]
pub struct Sampler {
    schedule: Schedule,
    state: Array1<f32>,
    residuals: Residuals,
}

impl Sampler {
    /// Creates a sampler of vectors of `latent` values.
    pub fn new(schedule: Schedule, latent: usize) -> Self {
        let zeros = Array1::zeros(latent);
        Self {
            schedule,
            state: zeros.clone(),
            residuals: Residuals {
                blur: zeros.clone(),
                noise: zeros,
            },
        }
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Samples the prior z_0 in `steps` jumps; `steps` = T is the paper's sampler. `noise` is eps; `None` means zero,
    /// with which equal frames have equal priors.
    ///
    /// # Errors
    /// [`SampleError`] for steps outside 1..=T, vectors of another length, values that are not finite, and errors of
    /// the estimator.
    pub fn run<E: ResidualEstimator>(
        &mut self,
        z_blur: ArrayView1<'_, f32>,
        noise: Option<ArrayView1<'_, f32>>,
        steps: usize,
        estimator: &mut E,
    ) -> Result<ArrayView1<'_, f32>, SampleError<E::Error>> {
        self.check(z_blur, steps)?;
        self.state.assign(&z_blur);
        if let Some(noise) = noise {
            self.check_length("noise", noise)?;
            let scale = self.schedule.start_noise();
            self.state
                .zip_mut_with(&noise, |z, &n| *z = (f64::from(*z) + scale * f64::from(n)) as f32);
        }
        self.descend(z_blur, steps, 0, estimator)
    }

    /// As [`Sampler::run`] without noise, but starts where the sampler would be after its first jump if `last` were the
    /// prior: z_t = (a_0 z_0 + (t/T) (a_T z_B - a_0 z_0)) / a_t, which spreads the blur between the two evenly over the
    /// steps. This saves one jump. With `steps` = 1 there is none to save, and this is [`Sampler::run`].
    ///
    /// # Errors
    /// As [`Sampler::run`].
    pub fn run_warm<E: ResidualEstimator>(
        &mut self,
        z_blur: ArrayView1<'_, f32>,
        last: ArrayView1<'_, f32>,
        steps: usize,
        estimator: &mut E,
    ) -> Result<ArrayView1<'_, f32>, SampleError<E::Error>> {
        if steps == 1 {
            return self.run(z_blur, None, steps, estimator);
        }
        self.check(z_blur, steps)?;
        self.check_length("the last prior", last)?;
        ensure_finite(last, "the last prior", 0)?;
        let total = self.schedule.steps();
        let t = even_times(total, steps).nth(1).unwrap_or(total);
        let alphas = self.schedule.alphas();
        let share = t as f64 / total as f64;
        let (sharp, blurred) = (alphas[0] * (1.0 - share) / alphas[t], alphas[total] * share / alphas[t]);
        Zip::from(&mut self.state)
            .and(last)
            .and(z_blur)
            .for_each(|z, &last, &blur| *z = (sharp * f64::from(last) + blurred * f64::from(blur)) as f32);
        self.descend(z_blur, steps, 1, estimator)
    }

    /// Jumps from the state after the first `taken` jumps to z_0.
    fn descend<E: ResidualEstimator>(
        &mut self,
        z_blur: ArrayView1<'_, f32>,
        steps: usize,
        taken: usize,
        estimator: &mut E,
    ) -> Result<ArrayView1<'_, f32>, SampleError<E::Error>> {
        let total = self.schedule.steps();
        let times = even_times(total, steps).skip(taken);
        for (t, s) in times.clone().zip(times.skip(1)) {
            estimator
                .estimate(self.state.view(), z_blur, t, s, &mut self.residuals)
                .map_err(SampleError::Estimator)?;
            ensure_finite(self.residuals.blur.view(), "the blur residual", t)?;
            ensure_finite(self.residuals.noise.view(), "the noise residual", t)?;
            self.jump(t, s);
        }
        ensure_finite(self.state.view(), "the prior", 0)?;
        Ok(self.state.view())
    }

    fn check<E>(&self, z_blur: ArrayView1<'_, f32>, steps: usize) -> Result<(), SampleError<E>> {
        let max = self.schedule.steps();
        if !(1..=max).contains(&steps) {
            return Err(SampleError::Steps { steps, max });
        }
        self.check_length("the latent of the blurred frame", z_blur)?;
        ensure_finite(z_blur, "the latent of the blurred frame", max)
    }

    fn check_length<E>(&self, what: &'static str, values: ArrayView1<'_, f32>) -> Result<(), SampleError<E>> {
        let (found, latent) = (values.len(), self.state.len());
        if found == latent {
            return Ok(());
        }
        Err(SampleError::Length { what, found, latent })
    }

    fn jump(&mut self, t: usize, s: usize) {
        let jump = self.schedule.jump(t, s);
        Zip::from(&mut self.state)
            .and(&self.residuals.blur)
            .and(&self.residuals.noise)
            .for_each(|z, &e, &eps| {
                *z = (jump.state * f64::from(*z) - jump.blur * f64::from(e) - jump.noise * f64::from(eps)) as f32;
            });
    }
}

/// Returns the times T = t_0 > … > t_n = 0 of a sampler with n = `steps` jumps, spread as evenly as integers allow:
/// t_i = floor(T (n - i) / n + 1/2). Training evaluates with the same rule.
pub fn even_times(total: usize, steps: usize) -> impl Iterator<Item = usize> + Clone {
    (0..=steps).map(move |i| (2 * total * (steps - i) + steps) / (2 * steps))
}

fn ensure_finite<E>(values: ArrayView1<'_, f32>, what: &'static str, t: usize) -> Result<(), SampleError<E>> {
    if values.iter().all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(SampleError::NotFinite { what, t })
    }
}
