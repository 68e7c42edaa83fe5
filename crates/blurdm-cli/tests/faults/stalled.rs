// SPDX-License-Identifier: MPL-2.0

//! A call of the system that never returns ends its file, and not the batch.

use std::time::{Duration, Instant};

use crate::{
    clips::{clip, folder, restore, stderr, text},
    disk::shim,
};

#[test]
fn a_wait_in_which_nothing_moves_ends_and_names_the_element() {
    let (_folder, folder) = folder();
    let (input, next, out) = (folder.join("1.mp4"), folder.join("2.mp4"), folder.join("out"));
    clip(&input, 12, "mp4mux");
    clip(&next, 12, "mp4mux");
    let began = Instant::now();
    let result = restore(&[text(&input), text(&next), "-o", text(&out), "--stall-limit", "2"])
        .env("LD_PRELOAD", shim(&folder))
        .env("FAULT_FOLDER", out.join("1.mp4.blurdm"))
        .env("FAULT_SUFFIX", "00000.part")
        .env("FAULT_AT", "1")
        .env("FAULT_KIND", "hang")
        .output()
        .unwrap();
    let stderr = stderr(&result);
    assert!(began.elapsed() < Duration::from_secs(60), "{stderr}");
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("1.mp4: failed: nothing has moved in filesink"),
        "{stderr}"
    );
    assert!(stderr.contains("--stall-limit"), "{stderr}");
    assert!(out.join("2.mp4").exists(), "{stderr}");
}
