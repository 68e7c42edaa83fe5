// SPDX-License-Identifier: MPL-2.0

//! `blurdm doctor`: what the element can use on this machine. Each execution provider is tried with the model.

use std::{
    io::{self, Write},
    path::Path,
};

use clap::Args;
use gstblurdm::engine::{
    self, Bundle, Choice, Deblurrer, Error, FrameSize, MissingLibrary, Options, Provider, Runtime, Settings, gpus,
    missing_libraries,
};

use crate::{engine_args::EngineArgs, error::CommandError};

/// The size with which the element, too, tries a model before it has caps.
const TRIAL_SIZE: FrameSize = FrameSize { width: 64, height: 64 };

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    engine: EngineArgs,
}

/// Prints what is found.
///
/// # Errors
/// No ONNX Runtime, or a model that cannot be read.
pub fn run(arguments: &Arguments, mut out: impl Write) -> Result<(), CommandError> {
    let search = arguments.engine.search();
    let runtime = engine::runtime(&search)?;
    writeln!(
        out,
        "ONNX Runtime {} from {}",
        runtime.version(),
        runtime.path().display()
    )?;
    let bundle = arguments.engine.bundle()?;
    // A built-in model's label has its name already, a folder's does not.
    match bundle.label().strip_prefix(&bundle.manifest().name) {
        Some(place) => writeln!(out, "Model {}{place}", bundle.manifest().name)?,
        None => writeln!(out, "Model {} ({})", bundle.manifest().name, bundle.label())?,
    }
    writeln!(out)?;
    writeln!(out, "Execution providers, in the order in which 'auto' tries them:")?;
    let mut first = None;
    for provider in Provider::BEST_FIRST {
        let result = try_provider(arguments, &bundle, provider);
        if result.is_ok() {
            first = first.or(Some(provider));
        }
        print_provider(&mut out, provider, runtime, result)?;
    }
    match first {
        Some(provider) => writeln!(out, "'auto' takes {provider}.")?,
        None => writeln!(out, "'auto' has nothing to take.")?,
    }
    writeln!(out)?;
    print_gpus(&mut out)?;
    print_cache(&mut out, arguments.engine.cache().as_deref())?;
    Ok(())
}

fn try_provider(arguments: &Arguments, bundle: &Bundle, provider: Provider) -> Result<Deblurrer, Error> {
    let options = Options {
        provider: Choice::Only(provider),
        settings: Settings {
            device_id: arguments.engine.device_id,
            ..Settings::default()
        },
        ..Options::default()
    };
    // An engine for the trial size would be of no use later.
    let search = engine::Search {
        cache: None,
        ..arguments.engine.search()
    };
    Deblurrer::new(bundle, &options, &search, TRIAL_SIZE)
}

fn print_provider(
    out: &mut impl Write,
    provider: Provider,
    runtime: &Runtime,
    result: Result<Deblurrer, Error>,
) -> io::Result<()> {
    let lines = match result {
        Ok(deblurrer) => vec![format!("runs the model in {}", deblurrer.precision())],
        Err(error) => {
            let lacking: Vec<String> = missing_libraries(provider, runtime)
                .iter()
                .map(MissingLibrary::to_string)
                .collect();
            if lacking.is_empty() {
                vec![error.to_string()]
            } else {
                lacking
            }
        }
    };
    for (number, line) in lines.iter().enumerate() {
        writeln!(out, "  {:<9} {line}", if number == 0 { provider.nick() } else { "" })?;
    }
    Ok(())
}

fn print_gpus(out: &mut impl Write) -> io::Result<()> {
    let gpus = match gpus() {
        Ok(gpus) if !gpus.is_empty() => gpus,
        Ok(_) => return writeln!(out, "GPUs: none"),
        Err(reason) => return writeln!(out, "GPUs: none ({reason})"),
    };
    writeln!(out, "GPUs:")?;
    for (number, gpu) in gpus.iter().enumerate() {
        let capability = gpu
            .capability
            .as_ref()
            .map(|version| format!(", compute capability {version}"));
        let memory = gpu
            .memory
            .map(|(free, total)| format!(", {} of {} MiB free", free >> 20, total >> 20));
        writeln!(
            out,
            "  {number}  {}{}{}, driver {}",
            gpu.name,
            capability.unwrap_or_default(),
            memory.unwrap_or_default(),
            gpu.driver
        )?;
    }
    Ok(())
}

fn print_cache(out: &mut impl Write, cache: Option<&Path>) -> io::Result<()> {
    match cache {
        Some(folder) => writeln!(out, "Engines are kept in {}", folder.display()),
        None => writeln!(
            out,
            "Engines are not kept: there is no home; set --cache-dir, or CACHE_DIRECTORY for a service"
        ),
    }
}
