// SPDX-License-Identifier: MPL-2.0

//! Arguments of the commands that run the engine themselves.

use std::path::PathBuf;

use clap::Args;
use gstblurdm::engine::{Bundle, Search, default_cache};

use crate::{error::CommandError, plugin};

#[derive(Debug, Args)]
pub struct EngineArgs {
    /// Folder of the model bundle, or an ONNX file [default: the built-in blurdm-nano]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// ONNX Runtime library, or the folder that holds it [default: searched for]
    #[arg(long, value_name = "PATH")]
    library_path: Option<PathBuf>,
    /// Folder for TensorRT engines [default: the user's cache]
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Index of the GPU to run on
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub device_id: i32,
}

impl EngineArgs {
    /// Reads the model that is asked for.
    ///
    /// # Errors
    /// A bundle that cannot be read, or no plugin to read the built-in one from.
    pub fn bundle(&self) -> Result<Bundle, CommandError> {
        match &self.model {
            Some(path) => Ok(Bundle::open(path)?),
            None => Ok(plugin::builtin_bundle()?),
        }
    }

    pub fn search(&self) -> Search {
        Search {
            library: self.library_path.clone(),
            beside: Vec::new(),
            cache: self.cache(),
        }
    }

    /// Returns the folder for TensorRT engines. `None` where there is no home folder to have one in.
    pub fn cache(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(default_cache)
    }
}
