// SPDX-License-Identifier: MPL-2.0

//! The limits of this process (`ulimit`). Libraries that reach one report what they cannot do then, and rarely why.

use std::{fs, os::unix::process::ExitStatusExt, process::ExitStatus};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::error::{Error, file_too_large};

/// How near to the limit of memory a process has been that could not get more, in bytes. A thread or a library asks for tens of megabytes at once.
const NEAR: u64 = 256 << 20;

/// How many files must be allowed to be open: three times as many as a run with 13 streams has. GStreamer hangs or aborts where pipes cannot be opened.
const OPEN_FILES: u64 = 64;

/// Allows this process, and those that it starts, as many open files as the system lets it have. The usual limit is made for `select`, which nothing here calls.
///
/// # Errors
/// [`Error::Failed`] where that is too few.
pub fn raise_open_files() -> Result<(), Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where that is refused the limit stays as it is.
    setrlimit(Resource::Nofile, raised).ok();
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < OPEN_FILES => Err(Error::Failed(format!(
            "at most {limit} files may be open (ulimit -n), and {OPEN_FILES} are needed: raise the limit"
        ))),
        _ => Ok(()),
    }
}

/// Returns the text of an error. If this process has come near to its limit of memory, that is said as well.
pub fn explained(error: &str) -> String {
    let is_short = |limit: &u64| peak().is_some_and(|peak| peak.saturating_add(NEAR) > *limit);
    joined(error, memory().filter(is_short))
}

/// Returns the text of an error of a process that has ended. If that was by a limit, or it had one of memory as this one has, that is said as well.
pub fn explained_end(error: &str, status: ExitStatus) -> String {
    match status.signal() == Some(Signal::XFSZ.as_raw()) {
        true => file_too_large(),
        false => joined(error, memory()),
    }
}

/// Returns the most address space that this process has had, in bytes.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(peak.saturating_mul(1024))
}

fn memory() -> Option<u64> {
    getrlimit(Resource::As).current
}

fn joined(error: &str, limit: Option<u64>) -> String {
    limit.map_or_else(
        || error.to_owned(),
        |limit| {
            let limit = limit >> 20;
            format!("{error}; memory is limited to {limit} MiB (ulimit -v), which may be the reason")
        },
    )
}
