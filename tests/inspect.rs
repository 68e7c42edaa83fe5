// SPDX-License-Identifier: MPL-2.0

//! What `gst-inspect-1.0 blurdm` prints is pinned against `tests/golden/gst-inspect-blurdm.txt`.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// The feature adds caps to the pad templates.
#![cfg(not(feature = "cuda-memory"))]

mod common;

use std::{env, fs, path::Path};

use common::process::gst_inspect;

/// Set to write the file instead of comparing with it.
const UPDATE: &str = "BLURDM_UPDATE_GOLDEN";

#[test]
fn nothing_that_gst_inspect_shows_to_a_user_changes_unnoticed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gst-inspect-blurdm.txt");
    let output = gst_inspect(&["--no-colors", "blurdm"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = element_part(&String::from_utf8(output.stdout).unwrap());
    if env::var_os(UPDATE).is_some() {
        fs::write(&golden, shown).unwrap();
        return;
    }
    let expected = fs::read_to_string(&golden).unwrap();
    let difference = expected.lines().zip(shown.lines()).find(|(old, new)| old != new);
    assert!(
        expected == shown,
        "gst-inspect-1.0 shows something else than {}: {difference:?}. If that is intended, run this test with {UPDATE}=1",
        golden.display()
    );
}

/// Removes what may differ between builds and between versions of GStreamer: the plugin's details, which name its file, its version and
/// its date, the number in the name of the new element, and the types in lists of strings.
fn element_part(text: &str) -> String {
    let plugin = text.find("Plugin Details:").unwrap();
    let end = plugin + text[plugin..].find("\n\n").unwrap() + 2;
    let text = [&text[..plugin], &text[end..]].concat();
    let mut kept: Vec<_> = text.lines().map(str::trim_end).collect();
    while kept.last().is_some_and(|line| line.is_empty()) {
        kept.pop();
    }
    kept.join("\n").replace("\"blurdm0\"", "\"\"").replace("(string)", "") + "\n"
}
