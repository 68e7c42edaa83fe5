// SPDX-License-Identifier: MPL-2.0

//! Recordings that were joined byte by byte, as with `cat`.

use std::fs;

use crate::clips::{clip, folder, frames, record, run, stderr, succeed, text};

#[test]
fn what_follows_the_end_of_the_first_of_joined_recordings_is_told_with_exit_status_3() {
    let (_folder, folder) = folder();
    for (name, muxer) in [
        ("a.avi", "avimux"),
        ("b.mkv", "matroskamux"),
        ("live.mkv", "matroskamux streamable=true"),
    ] {
        let input = folder.join(name);
        clip(&input, 12, muxer);
        let once = fs::read(&input).unwrap();
        fs::write(&input, once.repeat(2)).unwrap();
        let output = folder.join(format!("{name}.out.mkv"));
        let done = run(&[text(&input), "-o", text(&output)]);
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(3), "{name}: {told}");
        assert!(told.contains(&format!("{} bytes follow", once.len())), "{name}: {told}");
        assert_eq!(record(&output)["gaps"].as_array().unwrap().len(), 1, "{name}");
        assert!(frames(&output).len() >= 11, "{name}");
        // What is no recording is no gap.
        fs::write(&input, [&once[..], &[0; 64]].concat()).unwrap();
        succeed(&[text(&input), "-o", text(&output), "--overwrite"]);
    }
}
