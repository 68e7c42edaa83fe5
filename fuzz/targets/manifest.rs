// SPDX-License-Identifier: MPL-2.0

//! Bundles: whatever the manifest says, one is opened whose values are within their ranges, or refused.

#![no_main]

use std::{fs, path::Path, sync::LazyLock};

use gstblurdm::engine::Bundle;
use libfuzzer_sys::fuzz_target;

/// The graphs of blurdm-nano, and a place for the manifest.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let nano = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/blurdm-nano");
    for file in fs::read_dir(nano).expect("the model is there").flatten() {
        if file.path().extension().is_some_and(|extension| extension == "onnx") {
            fs::copy(file.path(), folder.path().join(file.file_name())).expect("it can be copied");
        }
    }
    folder
});

fuzz_target!(|manifest: &[u8]| {
    let folder = FOLDER.path();
    fs::write(folder.join("manifest.toml"), manifest).expect("the manifest can be written");
    let Ok(bundle) = Bundle::open(folder) else { return };
    let manifest = bundle.manifest();
    assert_eq!(manifest.prior.is_some(), bundle.schedule().is_some());
    if let Some((prior, schedule)) = manifest.prior.as_ref().zip(bundle.schedule()) {
        assert_eq!(prior.max_steps, schedule.steps());
        assert!((1..=prior.max_steps).contains(&prior.default_steps) && prior.dim > 0);
    }
    assert!(manifest.backbone.multiple > 0);
    assert!(
        manifest
            .files
            .keys()
            .all(|name| folder.join(name).parent() == Some(folder) || !name.contains(".."))
    );
});
