// SPDX-License-Identifier: MPL-2.0

//! Code that the examples share.

// Every example is a crate of its own, and uses a part of this code.
#![allow(dead_code)]

pub mod bus;
pub mod exposure;
pub mod quality;
pub mod reader;
pub mod restorer;
pub mod still;
pub mod writer;

use std::{error::Error, process::ExitCode};

/// Prints the error of an example, if any, and returns its exit code.
pub fn exit(name: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints how an example is called, and returns its exit code.
pub fn usage(line: &str) -> ExitCode {
    eprintln!("usage: {line}");
    ExitCode::from(2)
}
