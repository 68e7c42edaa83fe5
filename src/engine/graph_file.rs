// SPDX-License-Identifier: MPL-2.0

//! One ONNX file outside a bundle.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;

use super::{
    bundle::{LARGEST_GRAPH, check_graph},
    error::Error,
    loading::{self, OnLimit},
    regular_file,
    runtime::{Search, runtime},
    session::{Canceler, try_graph},
};

/// An ONNX file that has passed the gate, as the graphs of a bundle do. It need not be one of a bundle's.
#[derive(Debug, Clone)]
pub struct GraphFile {
    label: String,
    bytes: Bytes,
}

impl GraphFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::BundleMissing`] if it cannot be read, [`Error::BundleInvalid`] if it is refused.
    pub fn open(file: &Path) -> Result<Self, Error> {
        let label = file.display().to_string();
        let missing = |error: std::io::Error| Error::BundleMissing {
            bundle: label.clone(),
            reason: error.to_string(),
        };
        let path = fs::canonicalize(file).map_err(missing)?;
        let bytes = regular_file::read(&path, LARGEST_GRAPH).map_err(missing)?;
        Self::from_bytes(&label, bytes)
    }

    /// Takes the bytes of a file. Errors name it by `label`.
    ///
    /// # Errors
    /// [`Error::BundleInvalid`] if it is refused.
    pub fn from_bytes(label: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let bytes = Bytes::from(bytes);
        check_graph(&bytes).map_err(|reason| Error::BundleInvalid {
            bundle: label.to_owned(),
            file: "the graph".into(),
            reason,
        })?;
        Ok(Self {
            label: label.to_owned(),
            bytes,
        })
    }

    /// Creates a session on the CPU within `limit`, and drops it. The graph is not run, but what in it is constant is
    /// computed.
    ///
    /// # Errors
    /// [`Error::BundleInvalid`] if ONNX Runtime cannot load it, [`Error::LoadTimeout`], and those of
    /// [`runtime()`](crate::engine::runtime()).
    pub fn load(&self, search: &Search, limit: Duration) -> Result<(), Error> {
        let runtime = runtime(search)?;
        let canceler = Canceler::new(runtime)?;
        let Self { label, bytes } = self.clone();
        loading::in_own_thread(&canceler, limit, OnLimit::Cancel, move || {
            try_graph(runtime, &label, &bytes)
        })
    }
}
