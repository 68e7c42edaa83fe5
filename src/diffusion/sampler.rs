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

/// The reduced-step sampler: from z_T = z_B + bbar_T eps down to the sharp prior z_0 in 1 to T jumps.
///
/// Holds state and residuals between calls: sampling allocates nothing.
#[derive(Debug, Clone)]
pub struct Sampler {
    schedule: Schedule,
    state: Array1<f32>,
    residuals: Residuals,
}

impl Sampler {
    /// A sampler over vectors of `latent` values.
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

    /// The prior z_0 in `steps` jumps; `steps` = T is the paper's sampler. `noise` is eps; none is zero, which keeps a
    /// still scene still.
    ///
    /// # Errors
    /// [`SampleError`]: steps outside 1..=T, vectors of another length, residuals that are not finite, or the estimator's own.
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

    /// As [`Sampler::run`] without noise, but from where the sampler would be after its first jump, had the prior been `last`:
    /// z_t = (a_0 z_0 + (t/T) (a_T z_B - a_0 z_0)) / a_t, which spreads what lies between the two evenly over the steps.
    /// Takes one jump less; with `steps` = 1 there is none to spare, and this is [`Sampler::run`].
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

    /// From the state at the time after `taken` jumps down to z_0.
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

/// The times T = t_0 > … > t_n = 0 of a sampler with n = `steps` jumps, as evenly spread as integers allow:
/// t_i = floor(T (n - i) / n + 1/2), the rule that training evaluates with.
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
