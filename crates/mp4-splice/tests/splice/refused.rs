// SPDX-License-Identifier: MPL-2.0

use std::fs;

use mp4_splice::{Error, Movie, Segment, splice};

use crate::recordings::{Recording, opened, segment};

const SEGMENT: &str = "x264enc bframes=0";

#[test]
fn what_is_no_movie_is_told_from_one_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in ["", "x", "Bought two memory cards.", "\x1aE\u{df}\u{a3} matroska, say"] {
        fs::write(&path, text).unwrap();
        assert!(
            !matches!(Movie::open(&path), Ok(_) | Err(Error::Damaged { .. })),
            "{text}"
        );
    }
    let missing = Movie::open(&folder.path().join("missing.mp4")).unwrap_err();
    assert!(matches!(missing, Error::Read { .. }));
    assert!(missing.to_string().contains("missing.mp4"));
}

#[test]
fn a_fragmented_file_is_refused_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let fragmented = Recording {
        muxer: "mp4mux fragment-duration=300",
        ..Recording::default()
    };
    let path = fragmented.make(&folder.path().join("ride.mp4"));
    assert!(matches!(Movie::open(&path), Err(Error::Fragmented { .. })));
}

#[test]
fn a_file_that_is_cut_off_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let fast_start = Recording {
        muxer: "mp4mux faststart=true",
        ..Recording::default()
    };
    let path = fast_start.make(&folder.path().join("ride.mp4"));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 2000]).unwrap();
    let error = Movie::open(&path).unwrap_err();
    let Error::Truncated { at, .. } = error else {
        panic!("{error}")
    };
    assert!(at < whole.len() as u64 && at > whole.len() as u64 / 2, "{at}");

    let path = Recording::default().make(&folder.path().join("open.mp4"));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(Movie::open(&path), Err(Error::NoMoov { .. })));
}

#[test]
fn sound_alone_is_no_video() {
    let folder = tempfile::tempdir().unwrap();
    let path = Recording::default().make(&folder.path().join("ride.mp4"));
    let mut file = fs::read(&path).unwrap();
    let handler = file.windows(8).position(|window| window == b"\0\0\0\0vide").unwrap();
    file[handler + 4..handler + 8].copy_from_slice(b"meta");
    fs::write(&path, file).unwrap();
    let movie = Movie::open(&path).unwrap();
    assert!(matches!(movie.video(), Err(Error::NoVideo { .. })));
}

#[test]
fn there_must_be_a_time_for_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = Recording::default().make(&folder.path().join("ride.mp4"));
    let movie = Movie::open(&path).unwrap();
    let segment = segment(&folder.path().join("segment.mp4"), 10, "smpte", SEGMENT);
    for ticks in [vec![], vec![0, 1, 2], (0..11).collect(), (0..10).rev().collect()] {
        let mut out = Vec::new();
        let error = splice(&movie, &opened(std::slice::from_ref(&segment)), &ticks, &[], &mut out).unwrap_err();
        assert!(matches!(error, Error::Frames { .. }), "{error}");
        assert!(out.is_empty());
    }
}

#[test]
fn a_segment_must_begin_with_a_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment(&folder.path().join("segment.mp4"), 10, "smpte", SEGMENT);
    assert_eq!(Segment::open(&path).unwrap().samples().len(), 10);
    let mut file = fs::read(&path).unwrap();
    let stss = file.windows(4).position(|window| window == b"stss").unwrap();
    file[stss + 15] = 2;
    fs::write(&path, file).unwrap();
    let error = Segment::open(&path).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("segment.mp4"));
}

#[test]
fn a_full_disk_is_the_outputs_fault() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = Recording::default().make(&folder.path().join("ride.mp4"));
    let movie = Movie::open(&path).unwrap();
    let segment = segment(&folder.path().join("segment.mp4"), 40, "smpte", SEGMENT);
    let ticks = movie.video().unwrap().presentation_ticks;
    for room in [0, 1000, 8000] {
        let error = splice(&movie, &opened(std::slice::from_ref(&segment)), &ticks, &[], Full(room)).unwrap_err();
        assert!(
            matches!(&error, Error::Write(why) if why.kind() == std::io::ErrorKind::StorageFull),
            "{error}"
        );
    }
}
