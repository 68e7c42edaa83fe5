// SPDX-License-Identifier: MPL-2.0

//! The command `blurdm`: restores video files with the element of the same name, and helps to set up a machine for it.

mod bench;
mod build_engine;
mod child_process;
mod doctor;
mod engine_args;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod media;
mod models;
mod plugin;
mod progress;
mod restore;
mod shell;
mod sync;
mod values;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use error::CommandError;

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
    /// Check this machine: which ONNX Runtime is found, which execution providers work, which GPUs there are
    Doctor(doctor::Arguments),
    /// Build TensorRT engines in advance, which otherwise takes minutes at the first start
    BuildEngine(build_engine::Arguments),
    /// Measure how fast a file is decoded, restored and encoded on this machine
    Bench(Box<bench::Arguments>),
    /// List the available models with their precisions, scores and licences, or check one
    Models(models::Arguments),
    /// Print a completion script for a shell
    Completions(shell::Completions),
    /// Print a manual page
    Man(shell::Manual),
}

/// Runs the command with the arguments of this process. Returns its exit status.
pub fn run() -> ExitCode {
    let out = io::stdout();
    let success = |()| ExitCode::SUCCESS;
    let command = Cli::parse().command;
    let done = limits::raise_open_files()
        .map_err(CommandError::from)
        .and_then(|()| match command {
            Command::Restore(arguments) => restore::run(&arguments, out),
            Command::Doctor(arguments) => doctor::run(&arguments, out).map(success),
            Command::BuildEngine(arguments) => build_engine::run(&arguments, out).map(success),
            Command::Bench(arguments) => bench::run(&arguments, out).map(success),
            Command::Models(arguments) => models::run(&arguments, out).map(success),
            Command::Completions(arguments) => shell::completions(&arguments, Cli::command(), out).map(success),
            Command::Man(arguments) => shell::manual(&arguments, Cli::command(), out).map(success),
        });
    match done {
        Ok(status) => status,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody can be told, the exit status still says it.
            writeln!(io::stderr(), "blurdm: {error}").ok();
            error.exit_status()
        }
    }
}
