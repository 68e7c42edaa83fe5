// SPDX-License-Identifier: MPL-2.0

//! Processes of this command that it starts itself.

use std::{
    env, io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use rustix::process::Signal;

/// Returns this executable, which may have been replaced by a newer one since the start.
pub fn executable() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        Ok(running.into())
    } else {
        env::current_exe()
    }
}

/// Says how a process has ended, as the rest of a sentence.
pub fn describe(status: ExitStatus) -> String {
    match status.signal() {
        // As the kernel does where memory is short.
        Some(signal) if signal == Signal::KILL.as_raw() => {
            "was killed (SIGKILL), as the system does where memory is short".into()
        }
        // ExitStatus has the names of the signals.
        Some(_) => format!("has crashed, {status}"),
        None => format!("has ended, {status}"),
    }
}
