// SPDX-License-Identifier: MPL-2.0

//! Where the model, the library and what is built lie: the same arguments for every part of the command.

use std::path::PathBuf;

use clap::Args;
use gstblurdm::engine::{Bundle, Search, default_cache};

use crate::{failure::Failure, plugin};

#[derive(Debug, Args)]
pub struct Place {
    /// Folder of the model bundle; the built-in blurdm-nano without it
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// ONNX Runtime library, or the folder that holds it; searched for without it
    #[arg(long, value_name = "PATH")]
    library_path: Option<PathBuf>,
    /// Folder that engines are kept in; this user's cache without it
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// GPU to run on
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub device_id: i32,
}

impl Place {
    pub fn bundle(&self) -> Result<Bundle, Failure> {
        Ok(match &self.model {
            Some(folder) => Bundle::open(folder)?,
            None => plugin::builtin_bundle()?,
        })
    }

    pub fn search(&self) -> Search {
        Search {
            library: self.library_path.clone(),
            beside: Vec::new(),
            cache: self.cache(),
        }
    }

    pub fn cache(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(default_cache)
    }
}
