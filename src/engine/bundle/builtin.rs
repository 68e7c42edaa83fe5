// SPDX-License-Identifier: MPL-2.0

//! The files of the bundle that is compiled into the library.

/// The label of the built-in bundle.
pub(crate) const NAME: &str = "blurdm-nano (built in)";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/blurdm-nano/", $name)))),+]
    };
}

static FILES: &[(&str, &[u8])] = files!(
    "manifest.toml",
    "prior_encoder.onnx",
    "residuals.onnx",
    "backbone.onnx",
    "backbone.fp16.onnx",
    "backbone.int8.onnx",
);

/// Returns the contents of a file of the bundle, or `None` if it has no such file.
pub(crate) fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}
