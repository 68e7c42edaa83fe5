// SPDX-License-Identifier: MPL-2.0

//! How players show a video, as MP4 states it: both eyes in one picture, and spherical video.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::clips::{change, folder, mp4, record, succeed, text};

/// Makes a clip with these boxes at the end of the sample entry of its video, and these behind the tables of its samples.
fn clip_with(folder: &Path, in_entry: &[u8], in_tables: &[u8]) -> PathBuf {
    let path = folder.join("clip.mp4");
    mp4(&path, 12);
    insert(
        &path,
        &[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"],
        in_entry,
    );
    insert(&path, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"], in_tables);
    path
}

/// Inserts bytes at the end of the last of these boxes, each of which is in the one before. The index is behind the frames.
fn insert(path: &Path, parents: &[&[u8; 4]], inserted: &[u8]) {
    let mut file = fs::read(path).unwrap();
    let size = |file: &[u8], at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut end) = (0, 0);
    for parent in parents {
        while &file[at + 4..at + 8] != *parent {
            at += size(&file, at);
        }
        end = at + size(&file, at);
        change(&mut file[at..at + 4], |old| old + inserted.len() as u32);
        // The entries of a table are behind its version and their number.
        at += if *parent == b"stsd" { 16 } else { 8 };
    }
    file.splice(end..end, inserted.iter().copied());
    fs::write(path, file).unwrap();
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

fn st3d(mode: u8) -> Vec<u8> {
    boxed(b"st3d", &[0, 0, 0, 0, mode])
}

/// Of ISO/IEC 23000-11: the type of the arrangement, and whether the left eye is first.
fn svmi(kind: u8, left_first: bool) -> Vec<u8> {
    boxed(b"svmi", &[0, 0, 0, 0, kind, u8::from(left_first), 0, 0, 0, 0])
}

/// Restores a clip under this name. Returns what is lost.
fn lost(input: &Path, name: &str, options: &[&str]) -> (PathBuf, String) {
    let output = input.with_file_name(name);
    succeed(
        &[
            &[text(input), "-o", text(&output), "--overwrite", "--strength", "0"],
            options,
        ]
        .concat(),
    );
    let lost = record(&output)["lost"].to_string();
    (output, lost)
}

/// Returns the number of Matroska for both eyes in one picture.
fn stereo_mode(path: &Path) -> Option<u8> {
    let file = fs::read(path).unwrap();
    let head = &file[..file.len().min(4096)];
    let at = head.windows(3).position(|window| window == [0x53, 0xb8, 0x81])?;
    Some(head[at + 3])
}

fn has(path: &Path, bytes: &[u8]) -> bool {
    fs::read(path)
        .unwrap()
        .windows(bytes.len())
        .any(|window| window == bytes)
}

#[test]
fn both_eyes_of_spherical_video_are_the_same_in_matroska_and_in_mp4() {
    let (_folder, folder) = folder();
    for (mode, expected) in [(1, 3), (2, 1), (4, 11)] {
        let input = clip_with(&folder, &st3d(mode), &[]);
        let (output, told) = lost(&input, "out.mkv", &[]);
        assert_eq!(stereo_mode(&output), Some(expected), "st3d {mode}: {told}");
        assert!(!told.contains("st3d"), "{told}");
        let (output, told) = lost(&input, "out.mp4", &[]);
        assert!(has(&output, &st3d(mode)), "st3d {mode}: {told}");
        assert!(!told.contains("st3d"), "{told}");
        let (_, told) = lost(&input, "part.mp4", &["--start", "0.1"]);
        assert!(told.contains(&format!("st3d {mode}")), "{told}");
    }
    let input = clip_with(&folder, &st3d(0), &[]);
    let (output, told) = lost(&input, "out.mkv", &[]);
    assert_eq!(stereo_mode(&output).unwrap_or(0), 0);
    assert!(!told.contains("st3d"), "{told}");
}

#[test]
fn both_eyes_are_never_changed_for_each_other() {
    let (_folder, folder) = folder();
    for (kind, left_first, expected) in [
        (0, true, Some(1)),
        (0, false, Some(11)),
        (2, true, Some(13)),
        (2, false, Some(14)),
        (1, true, None),
    ] {
        let (stated, name) = (svmi(kind, left_first), format!("svmi {kind} {}", u8::from(left_first)));
        let input = clip_with(&folder, &[], &stated);
        let (output, told) = lost(&input, "out.mkv", &[]);
        assert_eq!(stereo_mode(&output), expected, "{name}: {told}");
        assert_eq!(told.contains(&name), expected.is_none(), "{name}: {told}");
        let (output, told) = lost(&input, "out.mp4", &[]);
        assert!(has(&output, &stated), "{name}: {told}");
        assert!(!told.contains("svmi"), "{told}");
        let (output, told) = lost(&input, "part.mp4", &["--start", "0.1"]);
        assert!(told.contains(&name), "{name}: {told}");
        assert!(!has(&output, b"svmi"), "{name}: {told}");
    }
}

#[test]
fn what_matroska_does_not_get_of_spherical_and_stereo_video_is_told() {
    let (_folder, folder) = folder();
    let boxes = [
        st3d(3),
        boxed(b"sv3d", &boxed(b"svhd", &[0; 5])),
        boxed(b"vexu", &boxed(b"eyes", &[])),
        boxed(b"hfov", &[0, 0, 0, 90]),
    ]
    .concat();
    let input = clip_with(&folder, &boxes, &[]);
    let (_, told) = lost(&input, "out.mkv", &[]);
    for name in ["st3d 3", "sv3d", "vexu", "hfov"] {
        assert!(told.contains(&format!("the metadata {name}")), "{told}");
    }
    let (output, told) = lost(&input, "out.mp4", &[]);
    assert!(has(&output, &boxes), "{told}");
    assert_eq!(told, "[]");
}
