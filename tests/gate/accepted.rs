// SPDX-License-Identifier: MPL-2.0

//! What passes.

use std::{fs, path::Path};

use gstblurdm::engine::Bundle;
use prost::Message;

use crate::{
    common::bundle::{BACKBONE, Copy, ENCODER, FP16, INT8, RESIDUALS, messages::Model},
    graphs::{add, graph, int, integers, ints, ones},
};

/// Returns the folders of the bundles of this repository.
fn bundles() -> Vec<std::path::PathBuf> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let folders = fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("manifest.toml").exists()).collect()
}

#[test]
fn every_graph_of_our_bundles_passes() {
    let bundles = bundles();
    assert!(bundles.len() >= 2, "{bundles:?}");
    for folder in bundles {
        Bundle::open(&folder).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn what_the_gate_decodes_of_our_graphs_is_what_their_files_say() {
    for name in [ENCODER, RESIDUALS, BACKBONE, FP16, INT8] {
        let copy = Copy::with_variants();
        let model = Model::decode(copy.file(name).as_slice()).unwrap();
        copy.vouch(name, &model.encode_to_vec());
        Bundle::open(copy.path()).unwrap();
    }
}

#[test]
fn what_networks_for_images_do_besides_passes() {
    Bundle::open(
        Copy::with_backbone(|model| {
            let constants: [(&str, &[i64], &[i64]); 4] = [
                ("eight", &[], &[8]),
                ("shape", &[4], &[1, 4, 1, 1]),
                ("sizes", &[4], &[1, 4, 64, 64]),
                ("pads", &[8], &[0, 0, -1, 2, 0, 0, 2, -1]),
            ];
            for (name, dims, values) in constants {
                integers(model, name, dims, values);
            }
            ones(model, "kernel", &[4, 4, 3, 3]);
            add(
                model,
                "Conv",
                &["numbers", "kernel"],
                &[ints("strides", &[2, 2]), int("group", 1), ints("pads", &[1; 4])],
            );
            add(
                model,
                "ConvTranspose",
                &["numbers", "kernel"],
                &[ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2])],
            );
            graph(model).node.last_mut().unwrap().output = vec!["enlarged".into()];
            let others: [(&str, &[&str]); 5] = [
                ("Shape", &["frame"]),
                ("ConstantOfShape", &["shape"]),
                ("Expand", &["gain", "shape"]),
                ("Resize", &["numbers", "", "", "sizes"]),
                ("Pad", &["numbers", "pads"]),
            ];
            for (number, (operator, inputs)) in others.iter().enumerate() {
                add(model, operator, inputs, &[]);
                graph(model).node.last_mut().unwrap().output = vec![format!("unused {number}")];
            }
            // The sides of a frame are divided by constants.
            add(model, "Div", &["unused 0", "eight"], &[]);
            graph(model).node.last_mut().unwrap().output = vec!["eighths".into()];
        })
        .path(),
    )
    .unwrap_or_else(|error| panic!("{error}"));
}
