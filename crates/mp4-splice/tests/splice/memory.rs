// SPDX-License-Identifier: MPL-2.0

use std::fs;

use mp4_splice::{Error, Movie, Segment, splice};

use crate::recordings::{Recording, segment, spliced};

#[test]
fn files_in_memory_give_the_same_bytes_as_files_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    let new = segment(&folder.path().join("new.mp4"), 40, "smpte", "x264enc bframes=0");
    let out = folder.path().join("out.mp4");
    spliced(&original, std::slice::from_ref(&new), &out);

    let movie = Movie::read("ride", fs::read(&original).unwrap()).unwrap();
    let segments = [Segment::read("new", fs::read(&new).unwrap()).unwrap()];
    let ticks = movie.video().unwrap().presentation_ticks;
    let tags = [("blurdm", "nano, 3 Schritte über alles"), ("enhanced", "yes")];
    let mut bytes = Vec::new();
    splice(&movie, &segments, &ticks, &tags, &mut bytes).unwrap();
    assert!(bytes == fs::read(&out).unwrap());
}

#[test]
fn an_error_calls_a_file_in_memory_by_its_name() {
    let error = Movie::read("notes", b"Bought two memory cards.".to_vec()).unwrap_err();
    assert!(matches!(error, Error::NotMp4 { .. }));
    assert_eq!(error.to_string(), "'notes' is not an MP4 or QuickTime file");
}
