// SPDX-License-Identifier: MPL-2.0

//! `blurdm completions` and `blurdm man`: what shells and `man` know of this command, made of its own description.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to print completions for
    shell: Shell,
}

/// Prints the completions for a shell.
///
/// # Errors
/// Where nothing can be printed.
pub fn completions(arguments: &Completions, mut command: Command, mut out: impl Write) -> Result<(), Failure> {
    // Its generator panics where it cannot write.
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    out.write_all(&text)?;
    Ok(())
}

#[derive(Debug, Args)]
pub struct Manual {
    /// Part of the command that the page is of; the page of the whole without it
    command: Option<String>,
    /// Write all pages into a folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    into: Option<PathBuf>,
}

/// Prints a manual page, or writes all.
///
/// # Errors
/// A part that the command does not have, and where nothing can be written.
pub fn manual(arguments: &Manual, mut command: Command, mut out: impl Write) -> Result<(), Failure> {
    if let Some(folder) = &arguments.into {
        let unwritable = |reason: io::Error| Failure::Manual {
            folder: folder.clone(),
            reason,
        };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        return clap_mangen::generate_to(command, folder).map_err(unwritable);
    }
    // So that the parts have their full names.
    command.build();
    let part = match &arguments.command {
        Some(name) => command.find_subcommand(name).cloned(),
        None => Some(command),
    };
    let part = part.ok_or_else(|| Failure::NoPart(arguments.command.clone().unwrap_or_default()))?;
    Man::new(part).render(&mut out)?;
    Ok(())
}
