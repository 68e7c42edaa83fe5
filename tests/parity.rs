// SPDX-License-Identifier: MPL-2.0

//! The three graphs against the results of the network in PyTorch, in `models/blurdm-nano/reference`.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{collections::BTreeMap, fs, io::BufReader, path::PathBuf};

use common::{deblurrer, has_library, nano, size, the_runtime};
use gstblurdm::engine::{Bundle, FrameSize, PIXEL_BYTES, Provider};
use ort::{session::Session, value::TensorRef};

fn reference(name: &str) -> PathBuf {
    nano().join("reference").join(name)
}

fn png(name: &str) -> (FrameSize, Vec<u8>) {
    let path = reference(name);
    let file = fs::File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(
        (info.color_type, info.bit_depth),
        (png::ColorType::Rgba, png::BitDepth::Eight),
        "{name}"
    );
    pixels.truncate(info.buffer_size());
    (size(info.width as usize, info.height as usize), pixels)
}

#[derive(Debug)]
struct Latents {
    name: String,
    z_blur: Vec<f32>,
    /// The priors of 1, 2, ... steps.
    priors: Vec<Vec<f32>>,
}

/// Reads the references, which have several sizes, an odd one among them.
fn latents() -> Vec<Latents> {
    let text = fs::read_to_string(reference("latents.json")).unwrap();
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let vector = |value: &serde_json::Value| serde_json::from_value::<Vec<f32>>(value.clone()).unwrap();
    let found: Vec<Latents> = all
        .into_iter()
        .map(|(name, value)| Latents {
            name,
            z_blur: vector(&value["z_blur"]),
            priors: value["priors"].as_array().unwrap().iter().map(vector).collect(),
        })
        .collect();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// Returns the distance between two vectors, relative to the norm of the second.
fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    off / norm(&mut expected.iter().copied())
}

fn assert_restores_as_pytorch(provider: Provider) {
    for Latents { name, .. } in latents() {
        let (size, frame) = png(&format!("frame_{name}.png"));
        let (of_size, expected) = png(&format!("restored_{name}.png"));
        assert_eq!(size, of_size);
        assert_ne!(frame, expected, "the reference restores nothing");
        let mut restored = vec![0; frame.len()];
        deblurrer(provider, size).restore(&frame, &mut restored, 1).unwrap();
        let off: Vec<u8> = restored.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let close = off.iter().filter(|&&off| off <= 1).count();
        let share = close as f64 / off.len() as f64;
        let worst = off.iter().max().unwrap();
        assert!(
            share >= 0.999,
            "{provider}, {name}: {share} within 1 grey level, the worst is {worst} off"
        );
    }
}

#[test]
fn frames_are_restored_on_the_cpu_as_in_pytorch() {
    assert_restores_as_pytorch(Provider::Cpu);
}

#[test]
fn frames_are_restored_on_every_other_provider_as_in_pytorch() {
    // TensorRT computes in half precision, which has another bound. engine.rs tests the errors of providers that are
    // not installed.
    for provider in [Provider::OpenVino, Provider::Cuda] {
        if has_library(provider) {
            assert_restores_as_pytorch(provider);
        }
    }
}

#[test]
fn the_prior_of_every_number_of_steps_is_that_of_pytorch() {
    for Latents { name, priors, .. } in latents() {
        let (size, frame) = png(&format!("frame_{name}.png"));
        let mut deblurrer = deblurrer(Provider::Cpu, size);
        assert_eq!(Some(priors.len()), deblurrer.max_steps(), "{name}");
        for (steps, expected) in (1..).zip(&priors) {
            let found = deblurrer.prior(&frame, steps).unwrap();
            let off = relative_error(found.as_slice().unwrap(), expected);
            assert!(off <= 1e-3, "{name}, {steps} steps: {off} off");
        }
    }
}

#[test]
fn the_latent_of_the_blurred_frame_is_that_of_pytorch() {
    let runtime = the_runtime();
    let bundle = Bundle::builtin().unwrap();
    let graph = nano().join(&bundle.manifest().prior.as_ref().unwrap().encoder);
    let mut session = Session::builder(runtime.environment())
        .unwrap()
        .commit_from_file(graph)
        .unwrap();
    for Latents { name, z_blur, .. } in latents() {
        let (size, frame) = png(&format!("frame_{name}.png"));
        let shape = [1, size.height, size.width, PIXEL_BYTES];
        let input = TensorRef::from_array_view((shape, frame.as_slice())).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        let (_, found) = outputs["z_blur"].try_extract_tensor::<f32>().unwrap();
        let off = relative_error(found, &z_blur);
        assert!(off <= 1e-3, "{name}: {off} off");
    }
}

#[test]
fn one_step_with_the_residual_graph_gives_the_prior_of_pytorch() {
    let runtime = the_runtime();
    let bundle = Bundle::builtin().unwrap();
    let graph = nano().join(&bundle.manifest().prior.as_ref().unwrap().residuals);
    let mut session = Session::builder(runtime.environment())
        .unwrap()
        .commit_from_file(graph)
        .unwrap();
    let schedule = bundle.schedule().unwrap();
    let (max, dim) = (schedule.steps(), bundle.manifest().prior.as_ref().unwrap().dim);
    let (a_t, a_0, bbar_t) = (schedule.alphas()[max], schedule.alphas()[0], schedule.start_noise());
    for Latents { name, z_blur, priors } in latents() {
        let (t, s) = ([max as f32], [0_f32]);
        let outputs = session
            .run(ort::inputs![
                "z_t" => TensorRef::from_array_view(([1, dim], z_blur.as_slice())).unwrap(),
                "z_blur" => TensorRef::from_array_view(([1, dim], z_blur.as_slice())).unwrap(),
                "t" => TensorRef::from_array_view(([1], &t[..])).unwrap(),
                "s" => TensorRef::from_array_view(([1], &s[..])).unwrap(),
            ])
            .unwrap();
        let (_, e) = outputs["blur_residual"].try_extract_tensor::<f32>().unwrap();
        let (_, eps) = outputs["noise_residual"].try_extract_tensor::<f32>().unwrap();
        let found: Vec<f32> = z_blur
            .iter()
            .zip(e.iter().zip(eps))
            .map(|(&z, (&e, &eps))| {
                let (z, e, eps) = (f64::from(z), f64::from(e), f64::from(eps));
                ((a_t * z - max as f64 * e - a_t * bbar_t * eps) / a_0) as f32
            })
            .collect();
        let off = relative_error(&found, &priors[0]);
        assert!(off <= 1e-3, "{name}: {off} off");
    }
}
