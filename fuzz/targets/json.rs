// SPDX-License-Identifier: MPL-2.0

//! Records, plans, finished segments and the worker's lines: what is read stays the same when it is written.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| blurdm_cli::fuzzing::json(text));
