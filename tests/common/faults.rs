// SPDX-License-Identifier: MPL-2.0

//! What every fault must be: one error that names its cause, after which the element can be used again.

use gst::{glib, prelude::*};

use super::{errors_of, pipeline, play_to_end, stat};

const FRAMES: u64 = 2;

/// Starts an element with wrong properties, asserts that this posts one error, and plays the same element with its old properties.
/// Returns the error.
pub fn one_error(wrong: &[(&str, &str)]) -> glib::Error {
    let (pipeline, blurdm) = pipeline(&format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,format=RGBx,width=32,height=32 \
         ! blurdm name=b execution-provider=cpu ! fakesink"
    ));
    let right: Vec<_> = wrong
        .iter()
        .map(|(name, _)| (*name, blurdm.property_value(name)))
        .collect();
    for (name, value) in wrong {
        blurdm.set_property_from_str(name, value);
    }
    assert!(
        pipeline.set_state(gst::State::Playing).is_err(),
        "{wrong:?} is no error of the state change"
    );
    let mut errors = errors_of(&pipeline.bus().unwrap(), &blurdm);
    assert_eq!(errors.len(), 1, "{wrong:?}: {errors:?}");
    pipeline.set_state(gst::State::Null).unwrap();
    for (name, value) in right {
        blurdm.set_property_from_value(name, &value);
    }
    play_to_end(&pipeline);
    assert_eq!(stat::<u64>(&blurdm, "frames"), FRAMES);
    pipeline.set_state(gst::State::Null).unwrap();
    errors.remove(0)
}

pub fn assert_names(error: &glib::Error, parts: &[&str]) {
    for part in parts {
        assert!(
            error.message().contains(part),
            "'{part}' is not in: {}",
            error.message()
        );
    }
}
