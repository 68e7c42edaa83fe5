// SPDX-License-Identifier: MPL-2.0

//! Loading the plugin. The command uses the plugin that is installed, as every application does, and does not contain it.

use std::{
    env,
    path::{Path, PathBuf},
};

use gst::{glib, prelude::*};
use gstblurdm::{
    element::builtin_model,
    engine::{self, Bundle},
};

const ELEMENT: &str = "blurdm";

#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("GStreamer cannot be initialised: {0}")]
    Init(glib::Error),
    #[error(
        "GStreamer has no element {ELEMENT}: {} is not in {}; set GST_PLUGIN_PATH to the folder that holds it, or run 'make install'",
        file_name(),
        joined(searched)
    )]
    Missing { searched: Vec<PathBuf> },
    #[error("'{}' cannot be loaded: {reason}", file.display())]
    Unusable { file: PathBuf, reason: glib::Error },
    #[error(transparent)]
    Element(#[from] glib::BoolError),
    #[error(transparent)]
    Model(#[from] engine::Error),
}

/// Initialises GStreamer and makes the element `blurdm` available.
///
/// The plugin is searched for in `GST_PLUGIN_PATH`, then near the executable, and then where GStreamer's registry has it from. One near
/// the executable comes from the same build, so it takes precedence over an installed one.
///
/// # Errors
/// [`PluginError::Init`], [`PluginError::Missing`], [`PluginError::Unusable`].
pub fn load() -> Result<(), PluginError> {
    gst::init().map_err(PluginError::Init)?;
    let registered = registered_file();
    if registered.as_deref().is_some_and(is_in_plugin_path) {
        return Ok(());
    }
    let near = folders_near_executable();
    let file = near.iter().map(|folder| folder.join(file_name()));
    if let Some(file) = file.into_iter().find(|file| file.is_file()) {
        return match gst::Plugin::load_file(&file) {
            Ok(_) => Ok(()),
            Err(reason) => Err(PluginError::Unusable { file, reason }),
        };
    }
    if registered.is_some() {
        return Ok(());
    }
    let searched = plugin_path().into_iter().chain(near).chain(default_folders());
    Err(PluginError::Missing {
        searched: searched.collect(),
    })
}

/// Reads the model that is built into the plugin.
///
/// # Errors
/// As [`load`]; [`PluginError::Model`] for a plugin that does not answer.
pub fn builtin_bundle() -> Result<Bundle, PluginError> {
    load()?;
    let element = gst::ElementFactory::make(ELEMENT).build()?;
    Ok(builtin_model::bundle(&element)?)
}

fn file_name() -> String {
    format!("{}gstblurdm{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn joined(folders: &[PathBuf]) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    folders.join(", ")
}

/// Returns the file from which GStreamer's registry has the element.
fn registered_file() -> Option<PathBuf> {
    gst::ElementFactory::find(ELEMENT)?.plugin()?.filename()
}

fn is_in_plugin_path(file: &Path) -> bool {
    plugin_path().iter().any(|folder| file.starts_with(folder))
}

/// Returns the folders that the user names, in GStreamer's order.
fn plugin_path() -> Vec<PathBuf> {
    folders_in("GST_PLUGIN_PATH")
}

/// Returns the folders in an environment variable of GStreamer. Its name with the suffix `_1_0` takes precedence.
fn folders_in(variable: &str) -> Vec<PathBuf> {
    let paths = env::var_os(format!("{variable}_1_0")).or_else(|| env::var_os(variable));
    let folders = paths.iter().flat_map(env::split_paths);
    folders.filter(|folder| !folder.as_os_str().is_empty()).collect()
}

/// Returns the folder of the executable, as in a build tree, and the plugin folders of the prefix that it is installed in.
fn folders_near_executable() -> Vec<PathBuf> {
    let executable = env::current_exe().ok();
    let Some(folder) = executable.as_deref().and_then(Path::parent) else {
        return Vec::new();
    };
    let prefix = folder.parent().unwrap_or(folder);
    vec![
        folder.to_owned(),
        prefix.join("lib/gstreamer-1.0"),
        prefix.join("share/gstreamer-1.0/plugins"),
    ]
}

/// Returns the folders that GStreamer searches by default: the user's, and the system's.
fn default_folders() -> Vec<PathBuf> {
    let named = folders_in("GST_PLUGIN_SYSTEM_PATH");
    if !named.is_empty() {
        return named;
    }
    let user = glib::user_data_dir().join("gstreamer-1.0/plugins");
    let core = gst::ElementFactory::find("fakesink").and_then(|element| element.plugin()?.filename());
    let system = core.as_deref().and_then(Path::parent).map(Path::to_owned);
    [user].into_iter().chain(system).collect()
}
