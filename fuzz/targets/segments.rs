// SPDX-License-Identifier: MPL-2.0

//! `--segments`: what is taken for a range is one, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(range) = blurdm_cli::fuzzing::segments(text) else {
        return;
    };
    assert!(range.start() <= range.end());
    let again = format!("{}-{}", range.start(), range.end());
    assert_eq!(blurdm_cli::fuzzing::segments(&again), Some(range));
});
