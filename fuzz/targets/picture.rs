// SPDX-License-Identifier: MPL-2.0

//! Pictures: one that can be read can be written as the same kind of file, and is the same then.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| blurdm_cli::fuzzing::picture(file));
