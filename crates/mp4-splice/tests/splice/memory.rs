// SPDX-License-Identifier: MPL-2.0

use std::{
    fs::{self, File},
    io::ErrorKind,
};

use mp4_splice::{Error, Movie, ReadAt, Segment, splice};

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

#[test]
fn files_in_memory_and_on_disk_read_alike_at_any_offset() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("five");
    fs::write(&path, b"12345").unwrap();
    let (on_disk, in_memory) = (File::open(&path).unwrap(), b"12345".to_vec());
    let sources: [&dyn ReadAt; 2] = [&on_disk, &in_memory];
    for source in sources {
        for offset in [0, 3, 5, 6, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
            source.read_at(offset, &mut []).unwrap();
            let mut two = [0; 2];
            match source.read_at(offset, &mut two) {
                Ok(()) => assert_eq!(two, b"12345"[offset as usize..][..2]),
                Err(error) => assert!(
                    offset > 3 && error.kind() == ErrorKind::UnexpectedEof,
                    "{offset}: {error}"
                ),
            }
        }
    }
}
