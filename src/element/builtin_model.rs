// SPDX-License-Identifier: MPL-2.0

//! The built-in model, for programs that load the plugin and carry no copy of the model themselves.
//!
//! The element answers a custom query with one file of the model, in any state. Nothing is copied: the answer refers to the data
//! of the plugin, which GStreamer never unloads.

use std::io;

use bytes::Bytes;
use gst::{glib, prelude::*};

use crate::engine::{Bundle, Error, Origin, builtin};

/// Name of the query's structure, its field with the name of the file, and the field of the answer.
const QUERY: &str = "blurdm-builtin-file";
const FILE: &str = "file";
const CONTENTS: &str = "contents";

/// Answers the query for a file of the model. Returns `false` for every other query.
pub(super) fn answer(query: &mut gst::QueryRef) -> bool {
    let gst::QueryViewMut::Custom(custom) = query.view_mut() else {
        return false;
    };
    let structure = custom.structure_mut();
    if structure.name() != QUERY {
        return false;
    }
    let contents = structure.get::<&str>(FILE).ok().and_then(builtin::file);
    if let Some(contents) = contents {
        structure.set(CONTENTS, glib::Bytes::from_static(contents));
    }
    true
}

/// Reads the built-in model of the plugin that `element`, a `blurdm`, comes from.
///
/// # Errors
/// As [`Bundle::open`]; [`Error::BundleMissing`] for an element that does not answer.
pub fn bundle(element: &gst::Element) -> Result<Bundle, Error> {
    Bundle::read(builtin::NAME, Origin::BuiltIn, |name, _| {
        let query = gst::Structure::builder(QUERY).field(FILE, name).build();
        let mut query = gst::query::Custom::new(query);
        let answered = element.query(&mut query);
        let answer = query.structure().filter(|_| answered);
        let contents = answer.and_then(|answer| answer.get::<glib::Bytes>(CONTENTS).ok());
        let contents = contents.ok_or(io::ErrorKind::NotFound)?;
        Ok(Bytes::from_owner(contents))
    })
}
