// SPDX-License-Identifier: MPL-2.0

//! The program `blurdm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    blurdm_cli::run()
}
