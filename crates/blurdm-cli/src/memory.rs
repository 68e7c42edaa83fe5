// SPDX-License-Identifier: MPL-2.0

//! Whether memory was short. Libraries that get none report what they cannot do then, and rarely why.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// How near to the limit a process has been that could not get more, in bytes. A thread or a library asks for tens of megabytes at once.
const NEAR: u64 = 256 << 20;

/// Returns the text of an error. If this process has come near to its limit, that is said as well.
pub fn explained(error: &str) -> String {
    let is_short = |limit: &u64| peak().is_some_and(|peak| peak.saturating_add(NEAR) > *limit);
    joined(error, limit().filter(is_short))
}

/// Returns the text of an error of a process that has ended. If it had a limit, as this one has, that is said as well.
pub fn explained_end(error: &str) -> String {
    joined(error, limit())
}

/// Returns the most address space that this process has had, in bytes.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
    Some(peak.saturating_mul(1024))
}

fn limit() -> Option<u64> {
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
