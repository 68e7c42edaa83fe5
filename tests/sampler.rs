// SPDX-License-Identifier: MPL-2.0

//! The sampler against the arithmetic of the paper, with residuals that are known exactly.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::convert::Infallible;

use gstblurdm::diffusion::{ResidualEstimator, Residuals, SampleError, Sampler, Schedule, ScheduleError, even_times};
use ndarray::{Array1, ArrayView1};

const T: usize = 5;
const D: usize = 16;
const ALPHAS: [f64; T + 1] = [1.0, 1.2, 1.4, 1.6, 1.8, 2.0];
const BETAS: [f64; T + 1] = [0.0, 0.0, 0.005, 0.01, 0.015, 0.02];

/// bbar_t = sqrt(sum over i <= t of (a_{i-1}/a_t)^2 b_i).
fn beta_bars() -> Vec<f64> {
    (0..=T)
        .map(|t| {
            let sum: f64 = (1..=t).map(|i| (ALPHAS[i - 1] / ALPHAS[t]).powi(2) * BETAS[i]).sum();
            sum.sqrt()
        })
        .collect()
}

fn sampler() -> Sampler {
    Sampler::new(Schedule::new(ALPHAS.to_vec(), beta_bars()).unwrap(), D)
}

fn sampled<E: ResidualEstimator>(
    z_blur: ArrayView1<'_, f32>,
    noise: Option<ArrayView1<'_, f32>>,
    steps: usize,
    estimator: &mut E,
) -> Result<Array1<f32>, SampleError<E::Error>> {
    sampler()
        .run(z_blur, noise, steps, estimator)
        .map(|prior| prior.to_owned())
}

/// Returns values between -0.4 and 0.4 without a pattern.
fn values(seed: usize) -> Array1<f64> {
    Array1::from_iter((0..D).map(|i| 0.4 * ((i * 7 + seed * 13 + 1) as f64).sin()))
}

fn narrow(values: &Array1<f64>) -> Array1<f32> {
    values.mapv(|v| v as f32)
}

fn assert_close(found: &Array1<f32>, expected: &Array1<f64>, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let off = (f64::from(*found) - expected).abs();
        assert!(off <= 1e-6, "{what}: {found} and not {expected}");
    }
}

/// A process whose residuals are known: e[t] leads from t - 1 to t, and eps is constant.
struct Truth {
    residuals: Vec<Array1<f64>>,
    noise: Array1<f64>,
    jumps: Vec<(usize, usize)>,
}

impl Truth {
    fn new(residual_of: impl Fn(usize) -> Array1<f64>) -> Self {
        Self {
            residuals: (0..=T).map(residual_of).collect(),
            noise: values(40),
            jumps: Vec::new(),
        }
    }

    /// I_T, by a_t I_t = a_{t-1} I_{t-1} + e_t.
    fn blurred(&self, sharp: &Array1<f64>) -> Array1<f64> {
        (1..=T).fold(sharp.clone(), |image, t| {
            (ALPHAS[t - 1] * image + &self.residuals[t]) / ALPHAS[t]
        })
    }
}

impl ResidualEstimator for Truth {
    type Error = Infallible;

    fn estimate(
        &mut self,
        _z_t: ArrayView1<'_, f32>,
        _z_blur: ArrayView1<'_, f32>,
        t: usize,
        s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), Infallible> {
        self.jumps.push((t, s));
        let sum = (s + 1..=t).fold(Array1::zeros(D), |sum, i| sum + &self.residuals[i]);
        residuals.blur = narrow(&(sum / (t - s) as f64));
        residuals.noise = narrow(&self.noise);
        Ok(())
    }
}

/// Estimates residuals with a closure of (z_t, t).
struct Answer<F>(F);

impl<F: FnMut(ArrayView1<'_, f32>, usize) -> (Array1<f32>, Array1<f32>)> ResidualEstimator for Answer<F> {
    type Error = Infallible;

    fn estimate(
        &mut self,
        z_t: ArrayView1<'_, f32>,
        _z_blur: ArrayView1<'_, f32>,
        t: usize,
        _s: usize,
        residuals: &mut Residuals,
    ) -> Result<(), Infallible> {
        (residuals.blur, residuals.noise) = (self.0)(z_t, t);
        Ok(())
    }
}

#[test]
fn the_facts_of_the_schedule_are_those_of_the_paper() {
    let expected = [0.0, 0.0, 0.060_609, 0.102_317, 0.141_857, 0.180_278];
    for (t, (found, expected)) in beta_bars().iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-6, "bbar_{t} is {found}");
    }
    let schedule = Schedule::new(ALPHAS.to_vec(), beta_bars()).unwrap();
    assert_eq!(schedule.steps(), T);
    assert_eq!(schedule.alphas(), ALPHAS);
    assert_eq!(schedule.start_noise(), schedule.beta_bars()[T]);
}

#[test]
fn the_built_in_model_has_a_schedule_of_this_form() {
    let bundle = gstblurdm::engine::Bundle::builtin().unwrap();
    let schedule = bundle.schedule().unwrap();
    assert_eq!(schedule.steps(), bundle.manifest().prior.as_ref().unwrap().max_steps);
    assert_eq!(
        schedule.beta_bars()[..2],
        [0.0, 0.0],
        "the last step to the sharp prior is free of noise"
    );
}

#[test]
fn with_true_residuals_every_number_of_steps_gives_the_sharp_prior() {
    for steps in 1..=T {
        let mut truth = Truth::new(values);
        let sharp = values(30);
        let (blurred, noise) = (narrow(&truth.blurred(&sharp)), narrow(&truth.noise));
        let found = sampled(blurred.view(), Some(noise.view()), steps, &mut truth).unwrap();
        assert_close(&found, &sharp, &format!("{steps} steps"));
        assert_eq!(truth.jumps.len(), steps);
    }
}

#[test]
fn with_constant_residuals_one_jump_equals_five_steps() {
    let z_blur = narrow(&values(3));
    let mut found = [1, T].map(|steps| {
        let mut constant = Truth::new(|_| values(20));
        let noise = narrow(&constant.noise);
        sampled(z_blur.view(), Some(noise.view()), steps, &mut constant).unwrap()
    });
    let one = found[0].mapv(f64::from);
    assert_close(&found[1], &one, "five steps");
    // Both would agree too if the residuals were ignored.
    found[0].zip_mut_with(&z_blur, |z, b| *z -= b);
    assert!(found[0].iter().any(|v| v.abs() > 0.1));
}

#[test]
fn one_jump_is_twice_the_state_less_five_residuals_less_the_scaled_noise() {
    let (z_blur, e, eps) = (values(1), values(2), values(4));
    let mut answer = Answer(|_: ArrayView1<'_, f32>, _| (narrow(&e), narrow(&eps)));
    let found = sampled(narrow(&z_blur).view(), None, 1, &mut answer).unwrap();
    let expected = 2.0 * &z_blur - 5.0 * &e - 0.360_555_128 * &eps;
    assert_close(&found, &expected, "one jump");
}

#[test]
fn all_steps_are_the_stepwise_formula_of_the_paper() {
    let (z_blur, start_noise) = (values(1), values(9));
    let bbar = beta_bars();
    let (e, eps) = (|t| values(t + 50), |t| values(t + 70));
    let mut image = &z_blur + bbar[T] * &start_noise;
    let mut states = Vec::new();
    for t in (1..=T).rev() {
        states.push(image.clone());
        let (a_t, a_before) = (ALPHAS[t], ALPHAS[t - 1]);
        image = (a_t / a_before) * &image - (1.0 / a_before) * e(t) - (a_t * bbar[t] / a_before - bbar[t - 1]) * eps(t);
    }
    let mut seen = Vec::new();
    let mut answer = Answer(|z: ArrayView1<'_, f32>, t| {
        seen.push(z.to_owned());
        (narrow(&e(t)), narrow(&eps(t)))
    });
    let noise = narrow(&start_noise);
    let found = sampled(narrow(&z_blur).view(), Some(noise.view()), T, &mut answer).unwrap();
    assert_close(&found, &image, "the prior");
    assert_eq!(seen.len(), T);
    for (seen, state) in seen.iter().zip(&states) {
        assert_close(seen, state, "a state that the estimator sees");
    }
}

#[test]
fn the_last_step_removes_no_noise() {
    let z_blur = narrow(&values(1));
    let run = |noise_at_one: f32, noise_before: f32| {
        let mut answer = Answer(|_: ArrayView1<'_, f32>, t| {
            let noise = if t == 1 { noise_at_one } else { noise_before };
            (narrow(&values(t)), Array1::from_elem(D, noise))
        });
        let prior = sampled(z_blur.view(), None, T, &mut answer).unwrap();
        prior.mapv(f32::to_bits)
    };
    assert_eq!(run(0.0, 0.5), run(1000.0, 0.5));
    assert_ne!(run(0.0, 0.5), run(0.0, 0.6), "every step before it does");
}

#[test]
fn no_noise_means_zeros() {
    let z_blur = narrow(&values(1));
    let zeros = Array1::zeros(D);
    let ones = Array1::ones(D);
    let run = |noise: Option<ArrayView1<'_, f32>>| {
        let mut truth = Truth::new(values);
        sampled(z_blur.view(), noise, T, &mut truth).unwrap().mapv(f32::to_bits)
    };
    assert_eq!(run(None), run(Some(zeros.view())));
    assert_ne!(run(None), run(Some(ones.view())));
}

#[test]
fn a_sampler_can_be_used_again_and_gives_the_same() {
    let z_blur = narrow(&values(1));
    let mut sampler = sampler();
    let mut run = |steps| {
        sampler
            .run(z_blur.view(), None, steps, &mut Truth::new(values))
            .unwrap()
            .to_owned()
    };
    let first = run(3);
    run(5);
    assert_eq!(first, run(3));
}

#[test]
fn a_warm_start_from_the_true_prior_gives_it_in_one_jump_less() {
    let sharp = values(1);
    for steps in 2..=T {
        let mut truth = Truth::new(|_| values(2));
        truth.noise = Array1::zeros(D);
        let blurred = truth.blurred(&sharp);
        let found = sampler()
            .run_warm(narrow(&blurred).view(), narrow(&sharp).view(), steps, &mut truth)
            .unwrap()
            .to_owned();
        assert_close(&found, &sharp, "the prior");
        let jumps: Vec<_> = even_times(T, steps).zip(even_times(T, steps).skip(1)).skip(1).collect();
        assert_eq!(truth.jumps, jumps);
    }
}

#[test]
fn a_warm_start_with_one_step_is_an_ordinary_run() {
    let z_blur = narrow(&values(1));
    let warm = sampler()
        .run_warm(z_blur.view(), narrow(&values(9)).view(), 1, &mut Truth::new(values))
        .unwrap()
        .to_owned();
    assert_eq!(warm, sampled(z_blur.view(), None, 1, &mut Truth::new(values)).unwrap());
}

#[test]
fn a_warm_start_from_an_invalid_prior_is_refused() {
    let z_blur = narrow(&values(1));
    let warm = |last: Array1<f32>| {
        let mut sampler = sampler();
        let result = sampler.run_warm(z_blur.view(), last.view(), 3, &mut Truth::new(values));
        result.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        warm(Array1::zeros(D - 1)),
        "the last prior has 15 values; this sampler is for 16"
    );
    assert_eq!(
        warm(Array1::from_elem(D, f32::NAN)),
        "the last prior is not a finite number at step 0"
    );
}

#[test]
fn the_times_of_a_sampler_are_spread_evenly() {
    let times = |steps| even_times(T, steps).collect::<Vec<_>>();
    assert_eq!(times(1), [5, 0]);
    assert_eq!(times(2), [5, 3, 0]);
    assert_eq!(times(3), [5, 3, 2, 0]);
    assert_eq!(times(4), [5, 4, 3, 1, 0]);
    assert_eq!(times(5), [5, 4, 3, 2, 1, 0]);
}

#[test]
fn the_estimator_is_called_for_the_jumps_between_these_times() {
    let mut truth = Truth::new(values);
    sampled(narrow(&values(1)).view(), None, 4, &mut truth).unwrap();
    assert_eq!(truth.jumps, [(5, 4), (4, 3), (3, 1), (1, 0)]);
}

#[test]
fn steps_outside_one_to_t_are_refused() {
    for wrong in [0, T + 1] {
        let mut truth = Truth::new(values);
        let error = sampled(narrow(&values(1)).view(), None, wrong, &mut truth).unwrap_err();
        assert!(
            matches!(error, SampleError::Steps { steps, max: T } if steps == wrong),
            "{error}"
        );
        assert!(error.to_string().contains(&wrong.to_string()), "{error}");
        assert!(truth.jumps.is_empty());
    }
}

#[test]
fn noise_of_another_length_is_refused() {
    let noise = Array1::zeros(D - 1);
    let mut truth = Truth::new(values);
    let result = sampled(narrow(&values(1)).view(), Some(noise.view()), 1, &mut truth);
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            SampleError::Length {
                what: "noise",
                found: 15,
                latent: D
            }
        ),
        "{error}"
    );
}

#[test]
fn values_that_are_not_finite_are_errors_that_name_them() {
    let spoiled = |value: f32| {
        let mut vector: Array1<f32> = Array1::zeros(D);
        vector[D - 1] = value;
        vector
    };
    let good = Array1::<f32>::zeros(D);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bad = spoiled(value);
        let cases = [
            (&bad, &good, &good, "the latent of the blurred frame", 5),
            (&good, &bad, &good, "the blur residual", 3),
            (&good, &good, &bad, "the noise residual", 3),
        ];
        for (z_blur, blur, noise, name, time) in cases {
            let mut answer = Answer(|_: ArrayView1<'_, f32>, t| match t {
                3 => (blur.clone(), noise.clone()),
                _ => (good.clone(), good.clone()),
            });
            let error = sampled(z_blur.view(), None, T, &mut answer).unwrap_err();
            assert!(
                matches!(error, SampleError::NotFinite { what, t } if what == name && t == time),
                "{error}"
            );
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_prior_that_overflows_is_refused() {
    let mut answer = Answer(|_: ArrayView1<'_, f32>, _| (Array1::from_elem(D, f32::MAX), Array1::zeros(D)));
    let error = sampled(narrow(&values(1)).view(), None, 1, &mut answer).unwrap_err();
    assert!(
        matches!(error, SampleError::NotFinite { what: "the prior", .. }),
        "{error}"
    );
}

#[test]
fn an_error_of_the_estimator_is_returned_unchanged() {
    struct Broken;
    impl ResidualEstimator for Broken {
        type Error = &'static str;

        fn estimate(
            &mut self,
            _z_t: ArrayView1<'_, f32>,
            _z_blur: ArrayView1<'_, f32>,
            _t: usize,
            _s: usize,
            _residuals: &mut Residuals,
        ) -> Result<(), &'static str> {
            Err("the estimator is on fire")
        }
    }
    let error = match sampled(narrow(&values(1)).view(), None, 1, &mut Broken) {
        Err(SampleError::Estimator(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(error, "the estimator is on fire");
}

#[test]
fn invalid_schedules_are_errors_with_the_index() {
    type Case<'a> = (&'a [f64], &'a [f64], Option<usize>, &'a str);
    let cases: [Case<'_>; 11] = [
        (&[1.0, 1.2, 1.4], &[0.0, 0.1], None, "lengths"),
        (&[1.0], &[0.0], None, "lengths"),
        (&[], &[], None, "lengths"),
        (&[1.0, 1.2, 1.2], &[0.0, 0.0, 0.1], Some(2), "alpha"),
        (&[1.0, 0.9, 1.2], &[0.0, 0.0, 0.1], Some(1), "alpha"),
        (&[0.0, 1.0, 1.2], &[0.0, 0.0, 0.1], Some(0), "alpha"),
        (&[1.0, f64::NAN, 1.2], &[0.0, 0.0, 0.1], Some(1), "alpha"),
        (&[1.0, 1.2, f64::INFINITY], &[0.0, 0.0, 0.1], Some(2), "alpha"),
        (&[1.0, 1.2, 1.4], &[0.1, 0.1, 0.1], Some(0), "beta_bar"),
        (&[1.0, 1.2, 1.4], &[0.0, -0.1, 0.1], Some(1), "beta_bar"),
        (&[1.0, 1.2, 1.4], &[0.0, 0.0, f64::NAN], Some(2), "beta_bar"),
    ];
    for (alphas, beta_bars, place, kind) in cases {
        let error = Schedule::new(alphas.to_vec(), beta_bars.to_vec()).unwrap_err();
        let found = match &error {
            ScheduleError::Lengths { .. } => ("lengths", None),
            ScheduleError::Alpha { index, .. } => ("alpha", Some(*index)),
            ScheduleError::BetaBar { index, .. } => ("beta_bar", Some(*index)),
        };
        assert_eq!(found, (kind, place), "{alphas:?} {beta_bars:?}: {error}");
    }
}
