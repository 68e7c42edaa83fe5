// SPDX-License-Identifier: MPL-2.0

use thiserror::Error;

/// The exposure and noise schedule that a model was trained with.
///
/// `alphas` holds a_0..a_T, the increasing exposure times; `beta_bars` holds the accumulated noise scales
/// bbar_0..bbar_T. Source: BlurDM (NeurIPS 2025), closed form `I_T = B + bbar_T eps`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    alphas: Vec<f64>,
    beta_bars: Vec<f64>,
}

/// Why a schedule cannot be sampled.
#[derive(Debug, Error, PartialEq)]
pub enum ScheduleError {
    #[error("schedule: {alphas} alphas and {beta_bars} beta_bars; both must hold T + 1 values, T at least 1")]
    Lengths { alphas: usize, beta_bars: usize },
    #[error("schedule: alphas[{index}] is {value}; alphas must be finite, positive and grow with every step")]
    Alpha { index: usize, value: f64 },
    #[error(
        "schedule: beta_bars[{index}] is {value}; beta_bars must be finite and not negative, and beta_bars[0] must be 0"
    )]
    BetaBar { index: usize, value: f64 },
}

/// The factors of one jump, so that z_s = `state` z_t - `blur` e - `noise` eps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Jump {
    pub state: f64,
    pub blur: f64,
    pub noise: f64,
}

impl Schedule {
    /// Creates a schedule of T = `alphas.len() - 1` steps.
    ///
    /// # Errors
    /// [`ScheduleError`] when the lengths differ or are less than 2, when the alphas do not increase, or when the
    /// beta_bars are negative, not finite, or do not start at 0.
    pub fn new(alphas: Vec<f64>, beta_bars: Vec<f64>) -> Result<Self, ScheduleError> {
        if alphas.len() != beta_bars.len() || alphas.len() < 2 {
            return Err(ScheduleError::Lengths {
                alphas: alphas.len(),
                beta_bars: beta_bars.len(),
            });
        }
        let mut previous = 0.0;
        for (index, &value) in alphas.iter().enumerate() {
            if !value.is_finite() || value <= previous {
                return Err(ScheduleError::Alpha { index, value });
            }
            previous = value;
        }
        for (index, &value) in beta_bars.iter().enumerate() {
            if !value.is_finite() || value < 0.0 || (index == 0 && value != 0.0) {
                return Err(ScheduleError::BetaBar { index, value });
            }
        }
        Ok(Self { alphas, beta_bars })
    }

    /// Returns T, the number of steps of the full sampler.
    pub fn steps(&self) -> usize {
        self.alphas.len() - 1
    }

    /// Returns a_0..a_T.
    pub fn alphas(&self) -> &[f64] {
        &self.alphas
    }

    /// Returns bbar_0..bbar_T.
    pub fn beta_bars(&self) -> &[f64] {
        &self.beta_bars
    }

    /// Returns bbar_T, the scale of the noise that sampling starts from.
    pub fn start_noise(&self) -> f64 {
        self.beta_bars[self.steps()]
    }

    /// Returns the factors of the jump from t to s < t: z_s = (a_t/a_s) z_t - ((t-s)/a_s) e - (a_t bbar_t/a_s - bbar_s)
    /// eps, where e is the mean blur residual of the steps that it spans. With s = t - 1 this is the paper's reverse
    /// step.
    pub(super) fn jump(&self, t: usize, s: usize) -> Jump {
        let (a_t, a_s) = (self.alphas[t], self.alphas[s]);
        Jump {
            state: a_t / a_s,
            blur: (t - s) as f64 / a_s,
            noise: a_t * self.beta_bars[t] / a_s - self.beta_bars[s],
        }
    }
}
