// SPDX-License-Identifier: MPL-2.0

//! The plugin, which the command loads as every application does and does not carry itself.

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
        listed(.searched)
    )]
    Missing { searched: Vec<PathBuf> },
    #[error("'{}' cannot be loaded: {reason}", file.display())]
    Unusable { file: PathBuf, reason: glib::Error },
}

/// Initialises GStreamer and makes the element `blurdm` available.
///
/// The plugin is searched for in `GST_PLUGIN_PATH`, near the executable, and then wherever else GStreamer's registry knows one. A
/// plugin near the executable comes from the same build, so it is preferred to one that is installed.
///
/// # Errors
/// [`PluginError`]; one that is missing names every folder that was searched.
pub fn load() -> Result<(), PluginError> {
    gst::init().map_err(PluginError::Init)?;
    let registered = registered();
    if registered.as_deref().is_some_and(is_in_plugin_path) {
        return Ok(());
    }
    let near = folders_near_executable();
    if let Some(file) = near
        .iter()
        .map(|folder| folder.join(file_name()))
        .find(|file| file.is_file())
    {
        return match gst::Plugin::load_file(&file) {
            Ok(_) => Ok(()),
            Err(reason) => Err(PluginError::Unusable { file, reason }),
        };
    }
    match registered {
        Some(_) => Ok(()),
        None => Err(PluginError::Missing {
            searched: plugin_path().chain(near).chain(registry_folders()).collect(),
        }),
    }
}

/// Reads the model that is built into the plugin.
///
/// # Errors
/// As [`load`]; a model that the plugin does not give out, or that is damaged.
pub fn builtin_bundle() -> Result<Bundle, BuiltinError> {
    load()?;
    let element = gst::ElementFactory::make(ELEMENT).build()?;
    Ok(builtin_model::bundle(&element)?)
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum BuiltinError {
    Plugin(#[from] PluginError),
    Element(#[from] glib::BoolError),
    Bundle(#[from] engine::Error),
}

fn file_name() -> String {
    format!("{}gstblurdm{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

fn listed(folders: &[PathBuf]) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    folders.join(", ")
}

/// Returns the file of the plugin that GStreamer's registry has the element from.
fn registered() -> Option<PathBuf> {
    let factory = gst::ElementFactory::find(ELEMENT)?;
    factory.plugin()?.filename()
}

fn is_in_plugin_path(file: &Path) -> bool {
    plugin_path().any(|folder| file.starts_with(folder))
}

/// The folders that the user names, in GStreamer's order.
fn plugin_path() -> impl Iterator<Item = PathBuf> {
    let paths = env::var_os("GST_PLUGIN_PATH_1_0").or_else(|| env::var_os("GST_PLUGIN_PATH"));
    let folders: Vec<PathBuf> = paths.iter().flat_map(env::split_paths).collect();
    folders.into_iter().filter(|folder| !folder.as_os_str().is_empty())
}

/// The executable's own folder, as in a build tree, and those of plugins below the same prefix.
fn folders_near_executable() -> Vec<PathBuf> {
    let executable = env::current_exe().ok();
    let Some(folder) = executable.as_deref().and_then(Path::parent) else {
        return Vec::new();
    };
    let mut folders = vec![folder.to_owned()];
    if let Some(prefix) = folder.parent() {
        folders.extend(["lib/gstreamer-1.0", "share/gstreamer-1.0/plugins"].map(|below| prefix.join(below)));
    }
    folders
}

/// The folders that GStreamer searches by itself: the user's, and the system's.
fn registry_folders() -> Vec<PathBuf> {
    let named = env::var_os("GST_PLUGIN_SYSTEM_PATH_1_0").or_else(|| env::var_os("GST_PLUGIN_SYSTEM_PATH"));
    if let Some(paths) = named {
        return env::split_paths(&paths).collect();
    }
    let system = gst::Registry::get().lookup_feature("fakesink");
    let system = system.and_then(|feature| feature.plugin()?.filename()?.parent().map(Path::to_owned));
    let user = glib::user_data_dir().join("gstreamer-1.0/plugins");
    [user].into_iter().chain(system).collect()
}
