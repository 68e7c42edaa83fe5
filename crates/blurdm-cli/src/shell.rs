// SPDX-License-Identifier: MPL-2.0

//! `blurdm completions` and `blurdm man`, generated from the definition of the arguments.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::CommandError;

#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to print the script for
    shell: Shell,
}

/// Prints the completion script for a shell.
///
/// # Errors
/// [`CommandError::Output`].
pub fn completions(arguments: &Completions, mut command: Command, mut out: impl Write) -> Result<(), CommandError> {
    // The generator panics where it cannot write.
    let mut text = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    out.write_all(&text)?;
    Ok(())
}

#[derive(Debug, Args)]
pub struct Manual {
    /// Subcommand to print the page of [default: the command itself]
    command: Option<String>,
    /// Write all pages into a folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    into: Option<PathBuf>,
}

/// Prints a manual page, or writes all of them.
///
/// # Errors
/// [`CommandError::NoSubcommand`], [`CommandError::Manual`], [`CommandError::Output`].
pub fn manual(arguments: &Manual, mut command: Command, mut out: impl Write) -> Result<(), CommandError> {
    if let Some(folder) = &arguments.into {
        let unwritable = |reason: io::Error| CommandError::Manual {
            folder: folder.clone(),
            reason,
        };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        return clap_mangen::generate_to(command, folder).map_err(unwritable);
    }
    // Gives the subcommands their full names.
    command.build();
    let page = match &arguments.command {
        Some(name) => command.find_subcommand(name).cloned(),
        None => Some(command),
    };
    let page = page.ok_or_else(|| CommandError::NoSubcommand(arguments.command.clone().unwrap_or_default()))?;
    Man::new(page).render(&mut out)?;
    Ok(())
}
