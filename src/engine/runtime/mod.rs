// SPDX-License-Identifier: MPL-2.0

//! ONNX Runtime: finding and loading the library, its log, and its execution providers.

mod libraries;
mod loading;
pub mod log;
mod provider_options;
mod search;

pub use libraries::{MissingLibrary, missing_libraries};
pub(super) use libraries::{explain, loaded_file, refusal};
pub use loading::{Runtime, runtime};
pub(super) use provider_options::{Setup, register};
pub use search::{MINIMUM_MINOR, Search};
