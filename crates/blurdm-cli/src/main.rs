// SPDX-License-Identifier: MPL-2.0

//! The command `blurdm`: what the element does, for files and for whoever sets up a machine.

mod bench;
mod build_engine;
mod doctor;
mod failure;
mod models;
mod place;
mod plugin;
mod progress;
mod restore;
mod shell;

use std::{io, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Measure with a part of a file how fast it is decoded, restored and encoded here, and how near it comes to a sharp reference
    Bench(Box<bench::Arguments>),
    /// List the models that are at hand: what they lose in which numbers, their scores and their licences
    Models(models::Arguments),
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Print a manual page
    Man(shell::Manual),
}

fn main() -> ExitCode {
    let out = io::stdout();
    let plainly = |()| ExitCode::SUCCESS;
    let done = match Cli::parse().command {
        Command::Restore(arguments) => restore::run(&arguments, out),
        Command::Doctor(arguments) => doctor::run(&arguments, out).map(plainly),
        Command::BuildEngine(arguments) => build_engine::run(&arguments, out).map(plainly),
        Command::Bench(arguments) => bench::run(&arguments, out).map(plainly),
        Command::Models(arguments) => models::run(&arguments, out).map(plainly),
        Command::Completions(arguments) => shell::completions(&arguments, Cli::command(), out).map(plainly),
        Command::Man(arguments) => shell::manual(&arguments, Cli::command(), out).map(plainly),
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
