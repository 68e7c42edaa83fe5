// SPDX-License-Identifier: MPL-2.0

//! The command `blurdm`: what the element does, for files and for whoever sets up a machine.

mod build_engine;
mod doctor;
mod failure;
mod place;
mod progress;
mod restore;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// Removes motion blur from video.
#[derive(Debug, Parser)]
#[command(name = "blurdm", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Restore videos, and keep everything else that is in their files
    Restore(Box<restore::Arguments>),
    /// Tell which ONNX Runtime is found, what each execution provider lacks, and which GPUs there are
    Doctor(doctor::Arguments),
    /// Build TensorRT's engines ahead, which otherwise takes minutes at the first start
    BuildEngine(build_engine::Arguments),
}

fn main() -> ExitCode {
    let out = io::stdout();
    let plainly = |()| ExitCode::SUCCESS;
    let done = match Cli::parse().command {
        Command::Restore(arguments) => restore::run(&arguments, out),
        Command::Doctor(arguments) => doctor::run(&arguments, out).map(plainly),
        Command::BuildEngine(arguments) => build_engine::run(&arguments, out).map(plainly),
    };
    match done {
        Ok(status) => status,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blurdm: {error}");
            ExitCode::FAILURE
        }
    }
}
