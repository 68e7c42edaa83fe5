// SPDX-License-Identifier: MPL-2.0

//! From the properties to a model that runs, or to the error that says why not.

use std::path::{Path, PathBuf};

use gst::{prelude::*, subclass::prelude::*};

use super::{
    imp::{BlurDm, CAT},
    settings::Settings,
};
use crate::engine::{self, Bundle, Choice, Deblurrer, FrameSize, Options, Search};

/// Graphs are tried out on a frame of this size before caps are known, so that a model or a provider that cannot be used is
/// an error of the state change.
const TRIAL: FrameSize = FrameSize { width: 64, height: 64 };

/// What start() has found out: everything but the size.
pub(super) struct Loaded {
    pub bundle: Bundle,
    pub options: Options,
    pub search: Search,
}

impl BlurDm {
    /// Loads the bundle and tries it out on a small frame. The options then name the provider that ran.
    pub(super) fn load(&self, settings: &Settings) -> Result<(Loaded, Deblurrer), engine::Error> {
        let bundle = match settings.model.as_str() {
            "" => Bundle::builtin()?,
            folder => Bundle::open(Path::new(folder))?,
        };
        let search = Search {
            library: settings.library(),
            beside: self.plugin_folder().into_iter().collect(),
        };
        let runtime = engine::runtime(&search)?;
        gst::info!(
            CAT,
            imp = self,
            "ONNX Runtime {} from {:?}",
            runtime.version(),
            runtime.path()
        );
        let mut options = settings.options();
        let trial = Deblurrer::new(&bundle, &options, &search, TRIAL)?;
        let steps = settings.steps as usize;
        if steps > trial.max_steps() {
            return Err(engine::Error::Steps {
                steps,
                max: trial.max_steps(),
            });
        }
        options.provider = Choice::Only(trial.provider());
        let loaded = Loaded {
            bundle,
            options,
            search,
        };
        Ok((loaded, trial))
    }

    fn plugin_folder(&self) -> Option<PathBuf> {
        let plugin = self.obj().factory()?.plugin()?;
        plugin.filename()?.parent().map(Path::to_owned)
    }

    /// Says on the bus what runs, and why nothing better does.
    pub(super) fn announce(&self, deblurrer: &Deblurrer) {
        let mut structure = gst::Structure::builder("blurdm-provider").field("provider", deblurrer.provider().nick());
        for (provider, reason) in deblurrer.refused() {
            gst::info!(CAT, imp = self, "{provider} cannot be used: {reason}");
            structure = structure.field(format!("refused-{}", provider.nick()), reason);
        }
        let message = gst::message::Element::builder(structure.build())
            .src(&*self.obj())
            .build();
        self.post_message(message);
        self.obj().notify("active-provider");
    }
}
