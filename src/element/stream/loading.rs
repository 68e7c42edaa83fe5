// SPDX-License-Identifier: MPL-2.0

//! From the properties to a model that runs, or to the error that says why not.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use gst::{prelude::*, subclass::prelude::*};

use super::{
    imp::{BlurDm, CAT, lock},
    settings::Settings,
    worker::Worker,
};
use crate::engine::{self, Bundle, Choice, Deblurrer, FrameSize, Options, Provider, Search};

/// Graphs are tried out on a frame of this size before caps are known, so that a model or a provider that cannot be used is
/// an error of the state change.
const TRIAL: FrameSize = FrameSize { width: 64, height: 64 };

/// What start() has found out: everything but the size.
pub(super) struct Loaded {
    pub bundle: Bundle,
    /// They name the provider that ran.
    pub options: Options,
    pub search: Search,
    asked: Asked,
}

/// What decides which sessions are made.
#[derive(Clone, PartialEq)]
struct Asked {
    model: String,
    options: Options,
    library: Option<PathBuf>,
    cache: Option<PathBuf>,
}

/// Sessions that outlive PAUSED: the next start that asks for the same needs no loading.
pub(super) struct Kept {
    asked: Asked,
    options: Options,
    worker: Worker,
}

impl BlurDm {
    /// Loads the bundle and tries it out on a small frame, or takes up what was kept of it; then the worker is in its place.
    pub(super) fn load(&self, settings: &Settings) -> Result<Loaded, engine::Error> {
        let kept = lock(&self.kept).take();
        let bundle = match settings.model.as_str() {
            "" => Bundle::builtin()?,
            folder => Bundle::open(Path::new(folder))?,
        };
        let search = Search {
            library: settings.library(),
            beside: self.plugin_folder().into_iter().collect(),
            cache: settings.cache(),
        };
        let asked = Asked {
            model: bundle.hash().to_owned(),
            options: settings.options(),
            library: search.library.clone(),
            cache: search.cache.clone(),
        };
        let (options, trial) = match kept {
            Some(kept) if kept.asked == asked => (kept.options, kept.worker),
            _ => {
                let trial = self.try_out(&bundle, &asked.options, &search)?;
                let (provider, precision) = (trial.deblurrer().provider(), trial.deblurrer().precision());
                (
                    Options {
                        provider: Choice::Only(provider),
                        precision: Some(precision),
                        ..asked.options
                    },
                    trial,
                )
            }
        };
        let (steps, max) = (settings.steps as usize, trial.deblurrer().max_steps());
        if steps > max {
            return Err(engine::Error::Steps { steps, max });
        }
        *lock(&self.worker) = Some(trial);
        Ok(Loaded {
            bundle,
            options,
            search,
            asked,
        })
    }

    fn try_out(&self, bundle: &Bundle, options: &Options, search: &Search) -> Result<Worker, engine::Error> {
        let runtime = engine::runtime(search)?;
        gst::info!(
            CAT,
            imp = self,
            "ONNX Runtime {} from {:?}",
            runtime.version(),
            runtime.path()
        );
        let trial = self.sessions(bundle, options, search, TRIAL)?;
        self.ready();
        Ok(trial)
    }

    /// Makes the sessions for frames of a size, which takes seconds, and says that it begins; whoever asked says when all is ready.
    pub(super) fn sessions(
        &self,
        bundle: &Bundle,
        options: &Options,
        search: &Search,
        size: FrameSize,
    ) -> Result<Worker, engine::Error> {
        // Whoever waits is told how long it may be.
        let text = if options.provider == Choice::Only(Provider::TensorRt) {
            "Loading the model; where TensorRT has no engine for it yet, building one takes minutes"
        } else {
            "Loading the model"
        };
        self.post_progress(gst::ProgressType::Start, text);
        let deblurrer = Deblurrer::new(bundle, options, search, size);
        deblurrer
            .inspect_err(|_| self.post_progress(gst::ProgressType::Error, "The model cannot be used"))
            .map(|deblurrer| Worker::new(deblurrer, options.reduction))
    }

    /// With the time that providers may take before the first frame.
    pub(super) fn for_this_stream(&self, options: Options) -> Options {
        Options {
            settings: engine::Settings {
                thorough: !self.upstream_is_live(),
                ..options.settings
            },
            ..options
        }
    }

    /// Sessions are made, and frames may come.
    pub(super) fn ready(&self) {
        self.post_progress(gst::ProgressType::Complete, "The model is loaded");
    }

    /// Keeps the sessions for the next start, if they are good for one.
    pub(super) fn keep(&self) {
        let (worker, loaded) = (lock(&self.worker).take(), lock(&self.loaded).take());
        if self.spoiled.swap(false, Ordering::Relaxed) {
            return;
        }
        *lock(&self.kept) = worker.zip(loaded).map(|(worker, loaded)| Kept {
            asked: loaded.asked.clone(),
            options: loaded.options,
            worker,
        });
    }

    fn plugin_folder(&self) -> Option<PathBuf> {
        let plugin = self.obj().factory()?.plugin()?;
        plugin.filename()?.parent().map(Path::to_owned)
    }

    /// Says on the bus and in the log what runs, and why nothing better does.
    pub(super) fn announce(&self, loaded: &Loaded) {
        let (provider, precision, refused) = match &*lock(&self.worker) {
            Some(worker) => {
                let deblurrer = worker.deblurrer();
                (
                    deblurrer.provider(),
                    deblurrer.precision(),
                    deblurrer.refused().to_vec(),
                )
            }
            None => return,
        };
        let (name, label) = (&loaded.bundle.manifest().name, loaded.bundle.label());
        gst::info!(CAT, imp = self, "model {name} ({label}) on {provider} in {precision}");
        let mut structure = gst::Structure::builder("blurdm-provider")
            .field("provider", provider.nick())
            .field("precision", precision.nick());
        for (provider, reason) in refused {
            gst::info!(CAT, imp = self, "{provider} cannot be used: {reason}");
            structure = structure.field(format!("refused-{}", provider.nick()), reason);
        }
        *lock(&self.provider) = Some(provider);
        let message = gst::message::Element::builder(structure.build())
            .src(&*self.obj())
            .build();
        self.post_message(message);
        self.obj().notify("active-provider");
    }
}
