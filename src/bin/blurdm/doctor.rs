// SPDX-License-Identifier: MPL-2.0

//! `blurdm doctor`: what of this machine the element can use, by really using it.

use std::path::Path;

use clap::Args;
use gstblurdm::engine::{
    self, Bundle, Choice, Deblurrer, Error, FrameSize, Lack, Options, Provider, Runtime, Settings, gpus, lacking,
};

use crate::place::Place;

/// As the element tries a model out before it knows the size of its frames.
const TRIAL: FrameSize = FrameSize { width: 64, height: 64 };

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
}

/// Prints what is found.
///
/// # Errors
/// Where nothing can run: no runtime, or a model that cannot be read.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let search = arguments.place.search();
    let runtime = engine::runtime(&search)?;
    println!("ONNX Runtime {} from {}", runtime.version(), runtime.path().display());
    let bundle = arguments.place.bundle()?;
    println!("Model {} ({})", bundle.manifest().name, bundle.label());
    println!();
    println!("Execution providers, in the order in which 'auto' tries them:");
    let mut first = None;
    for provider in Provider::BEST_FIRST {
        let tried = try_out(arguments, &bundle, provider);
        if tried.is_ok() {
            first = first.or(Some(provider));
        }
        print_provider(provider, runtime, tried);
    }
    match first {
        Some(provider) => println!("'auto' takes {provider}."),
        None => println!("'auto' has nothing to take."),
    }
    println!();
    print_gpus();
    print_cache(arguments.place.cache().as_deref());
    Ok(())
}

fn try_out(arguments: &Arguments, bundle: &Bundle, provider: Provider) -> Result<Deblurrer, Error> {
    let options = Options {
        provider: Choice::Only(provider),
        settings: Settings {
            device_id: arguments.place.device_id,
            ..Settings::default()
        },
        ..Options::default()
    };
    // An engine for this size would be of no use to anybody.
    let search = engine::Search {
        cache: None,
        ..arguments.place.search()
    };
    Deblurrer::new(bundle, &options, &search, TRIAL)
}

fn print_provider(provider: Provider, runtime: &Runtime, tried: Result<Deblurrer, Error>) {
    let lines = match tried {
        Ok(deblurrer) => vec![format!("runs the model in {}", deblurrer.precision())],
        Err(error) => {
            let lacking: Vec<String> = lacking(provider, runtime).iter().map(Lack::to_string).collect();
            if lacking.is_empty() {
                vec![error.to_string()]
            } else {
                lacking
            }
        }
    };
    for (number, line) in lines.iter().enumerate() {
        println!("  {:<9} {line}", if number == 0 { provider.nick() } else { "" });
    }
}

fn print_gpus() {
    let gpus = match gpus() {
        Ok(gpus) if !gpus.is_empty() => gpus,
        Ok(_) => return println!("GPUs: none"),
        Err(reason) => return println!("GPUs: none ({reason})"),
    };
    println!("GPUs:");
    for (number, gpu) in gpus.iter().enumerate() {
        let capability = gpu
            .capability
            .as_ref()
            .map(|version| format!(", compute capability {version}"));
        let memory = gpu
            .memory
            .map(|(free, total)| format!(", {} of {} MiB free", free >> 20, total >> 20));
        println!(
            "  {number}  {}{}{}, driver {}",
            gpu.name,
            capability.unwrap_or_default(),
            memory.unwrap_or_default(),
            gpu.driver
        );
    }
}

fn print_cache(cache: Option<&Path>) {
    match cache {
        Some(folder) => println!("Engines are kept in {}", folder.display()),
        None => println!("Engines are not kept: there is no home; set --cache-dir, or CACHE_DIRECTORY for a service"),
    }
}
