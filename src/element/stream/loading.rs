// SPDX-License-Identifier: MPL-2.0

//! From the properties to a model that runs, or to the error that says why it does not.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use super::{context::Context, deblurrers::Deblurrers};
use crate::{
    element::{
        messages::{CAT, post_progress, post_provider},
        settings::Settings,
    },
    engine::{self, Bundle, Canceler, Choice, Deblurrer, Error, FrameSize, OnLimit, Options, Provider, Search},
};

/// The graphs are tried on a frame of this size before caps are known, so that a model or a provider that cannot be used is an error of
/// the state change.
const TRIAL: FrameSize = FrameSize { width: 64, height: 64 };

/// What is known of the model before caps are.
pub struct LoadedModel {
    bundle: Bundle,
    /// With the provider and the precision that passed the trial.
    options: Options,
    search: Search,
    request: Request,
}

/// What determines the sessions of a model.
#[derive(Clone, PartialEq)]
struct Request {
    bundle_hash: String,
    options: Options,
    library: Option<PathBuf>,
    cache: Option<PathBuf>,
}

/// The sessions of the last start. A start with the same request uses them again.
pub struct Reusable {
    request: Request,
    options: Options,
    deblurrers: Deblurrers,
}

impl LoadedModel {
    /// Loads the bundle and tries it on a small frame, unless `reusable` is what the properties ask for. Posts the progress.
    ///
    /// # Errors
    /// Those of [`Bundle::open`] and [`Deblurrer::new`], and [`Error::Steps`].
    pub fn load(
        context: Context<'_>,
        settings: &Settings,
        reusable: Option<Reusable>,
    ) -> Result<(Self, Deblurrers), Error> {
        let bundle = match settings.model.as_str() {
            "" => Bundle::builtin()?,
            path => Bundle::open_with(Path::new(path), settings.model_format.parse()?)?,
        };
        let search = Search {
            library: settings.library(),
            beside: plugin_folder(context.element).into_iter().collect(),
            cache: settings.cache(),
        };
        let request = Request {
            bundle_hash: bundle.hash().to_owned(),
            options: settings.options(),
            library: search.library.clone(),
            cache: search.cache.clone(),
        };
        let (options, deblurrers) = match reusable {
            Some(reusable) if reusable.request == request => (reusable.options, reusable.deblurrers),
            _ => {
                let trial = try_model(context, &bundle, &request.options, &search)?;
                let options = Options {
                    provider: Choice::Only(trial.full().provider()),
                    precision: Some(trial.full().precision()),
                    ..request.options
                };
                (options, trial)
            }
        };
        let steps = settings.frame.steps as usize;
        if let Some(max) = deblurrers.full().max_steps().filter(|&max| steps > max) {
            return Err(Error::Steps { steps, max });
        }
        let loaded = Self {
            bundle,
            options,
            search,
            request,
        };
        Ok((loaded, deblurrers))
    }

    /// Makes the sessions for the frames of new caps. Posts that this begins; see [`post_loaded`].
    ///
    /// # Errors
    /// Those of [`Deblurrer::new`].
    pub fn for_size(&self, context: Context<'_>, size: FrameSize) -> Result<Deblurrers, Error> {
        let options = Options {
            settings: engine::Settings {
                // A file can wait for the fastest kernels to be found, a camera cannot.
                thorough: !context.upstream_is_live(),
                ..self.options.settings
            },
            ..self.options
        };
        make_sessions(context, &self.bundle, &options, &self.search, size)
    }

    /// Makes the sessions for frames that are reduced by `reduction`, on the same provider.
    ///
    /// # Errors
    /// Those of [`Deblurrer::with_canceler`].
    pub fn reduced(&self, reduction: usize, size: FrameSize, canceler: Canceler) -> Result<Deblurrer, Error> {
        let options = Options {
            reduction,
            ..self.options
        };
        Deblurrer::with_canceler(&self.bundle, &options, &self.search, size, canceler)
    }

    /// Returns the divisor of the sides that the properties ask for.
    pub fn reduction(&self) -> usize {
        self.options.reduction
    }

    /// Returns the model's own smoothing of priors; 0 without a prior.
    pub fn prior_smoothing(&self) -> f64 {
        let prior = self.bundle.manifest().prior.as_ref();
        prior.map_or(0.0, |prior| prior.smoothing)
    }

    /// Returns whether the model samples priors.
    pub fn has_prior(&self) -> bool {
        self.bundle.manifest().prior.is_some()
    }

    /// Returns what the next start can use again.
    pub fn reusable(&self, deblurrers: Deblurrers) -> Reusable {
        Reusable {
            request: self.request.clone(),
            options: self.options,
            deblurrers,
        }
    }

    /// Tells applications what runs, and why nothing better does.
    pub fn announce(&self, context: Context<'_>, deblurrers: &Deblurrers) {
        let (provider, precision) = (deblurrers.full().provider(), deblurrers.full().precision());
        let (name, label) = (&self.bundle.manifest().name, self.bundle.label());
        gst::info!(
            CAT,
            obj = context.element,
            "model {name} ({label}) on {provider} in {precision}"
        );
        if let Some(conventions) = deblurrers.full().conventions() {
            gst::info!(
                CAT,
                obj = context.element,
                "the model takes {conventions}; set model-format if this is wrong"
            );
        }
        context.shared().provider = Some(provider);
        post_provider(context.element, deblurrers.full());
        context.element.notify("active-provider");
    }
}

/// Posts that the sessions are made and that frames may come.
pub fn post_loaded(context: Context<'_>) {
    post_progress(context.element, gst::ProgressType::Complete, "The model is loaded");
}

fn try_model(context: Context<'_>, bundle: &Bundle, options: &Options, search: &Search) -> Result<Deblurrers, Error> {
    let runtime = engine::runtime(search)?;
    gst::info!(
        CAT,
        obj = context.element,
        "ONNX Runtime {} from {:?}",
        runtime.version(),
        runtime.path()
    );
    let trial = make_sessions(context, bundle, options, search, TRIAL)?;
    post_loaded(context);
    Ok(trial)
}

/// Makes sessions, which takes seconds. Posts that this begins, and if it fails; the caller posts that all is ready.
fn make_sessions(
    context: Context<'_>,
    bundle: &Bundle,
    options: &Options,
    search: &Search,
    size: FrameSize,
) -> Result<Deblurrers, Error> {
    let text = if options.provider == Choice::Only(Provider::TensorRt) {
        "Loading the model; building an engine for TensorRT takes minutes if none is cached"
    } else {
        "Loading the model"
    };
    post_progress(context.element, gst::ProgressType::Start, text);
    let canceler = Canceler::new(engine::runtime(search)?)?;
    begin_loading(context, &canceler)
        .and_then(|()| Deblurrer::load(bundle, options, search, size, canceler, OnLimit::Cancel))
        .inspect_err(|error| {
            let (kind, text) = match error {
                Error::Cancelled => (gst::ProgressType::Canceled, "Loading the model was cancelled"),
                _ => (gst::ProgressType::Error, "The model cannot be used"),
            };
            post_progress(context.element, kind, text);
        })
        .map(|deblurrer| Deblurrers::new(deblurrer, options.reduction))
}

/// Lets a state change cancel what is being loaded, or run before the first frame, until [`end_loading`] is called.
///
/// # Errors
/// [`Error::Cancelled`] if one has begun.
pub fn begin_loading(context: Context<'_>, canceler: &Canceler) -> Result<(), Error> {
    let mut shared = context.shared();
    if shared.stopping {
        return Err(Error::Cancelled);
    }
    shared.loading = Some(canceler.clone());
    Ok(())
}

pub fn end_loading(context: Context<'_>) {
    context.shared().loading = None;
}

/// Returns the folder of the plugin's file; `None` if the plugin is linked statically.
fn plugin_folder(element: &gst_base::BaseTransform) -> Option<PathBuf> {
    let plugin = element.factory()?.plugin()?;
    plugin.filename()?.parent().map(Path::to_owned)
}
