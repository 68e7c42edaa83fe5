// SPDX-License-Identifier: MPL-2.0

//! Names that a file has chosen, in messages.

/// Returns a name of the file as a message shows it: without control characters, and of a length that can be read.
pub(super) fn quoted(name: &str) -> String {
    const LONGEST: usize = 80;
    let shown: String = name.escape_debug().take(LONGEST).collect();
    let more = if name.escape_debug().count() > LONGEST {
        "…"
    } else {
        ""
    };
    format!("'{shown}{more}'")
}
