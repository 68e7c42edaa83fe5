// SPDX-License-Identifier: MPL-2.0

//! Outputs are read again before they get their names.

use std::{fs, path::Path};

use mp4_splice::Movie;

use crate::clips::{assert_kept, clip, folder, mp4, record, run, stderr, succeed, text};

/// Adds a box to the last of these boxes, each of which is the last of its type and in the one before it.
fn add_box(file: &mut Vec<u8>, parents: &[&[u8; 4]], added: &[u8]) {
    let starts: Vec<usize> = parents.iter().map(|kind| find(file, kind)).collect();
    let size = |file: &[u8], start: usize| u32::from_be_bytes(file[start..start + 4].try_into().unwrap()) as usize;
    assert_eq!(
        starts[0] + size(file, starts[0]),
        file.len(),
        "nothing follows the moov"
    );
    let end = starts.last().map(|&start| start + size(file, start)).unwrap();
    for start in starts {
        let grown = (size(file, start) + added.len()) as u32;
        file[start..start + 4].copy_from_slice(&grown.to_be_bytes());
    }
    file.splice(end..end, added.iter().copied());
}

/// Returns where the last box of a type is.
fn find(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).rposition(|window| window == kind).unwrap() - 4
}

/// Adds auxiliary sample information to the sample table of the last track: one offset, and `after` it.
fn add_auxiliary(path: &Path, after: &[u8]) {
    let mut file = fs::read(path).unwrap();
    let stco = find(&file, b"stco");
    let body = [&[0; 4], &[0, 0, 0, 1], &file[stco + 16..stco + 20], after].concat();
    let size = (body.len() as u32 + 8).to_be_bytes();
    let saio = [&size[..], b"saio", &body].concat();
    add_box(&mut file, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"], &saio);
    fs::write(path, file).unwrap();
}

#[test]
fn offsets_of_auxiliary_information_are_right_whatever_follows_them() {
    let (_folder, folder) = folder();
    for (name, after) in [("exact.mp4", 0), ("trailing.mp4", 24), ("odd.mp4", 3)] {
        let input = folder.join(name);
        clip(&input, 12, "mp4mux");
        add_auxiliary(&input, &vec![0; after]);
        let output = folder.join("out").join(name);
        succeed(&[text(&input), "-o", text(&folder.join("out"))]);
        assert_kept(&input, &output);
    }
}

#[test]
fn an_output_that_is_not_what_was_planned_gets_no_name() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    mp4(&input, 30);
    succeed(&[text(&input), "-o", text(&output), "--segments", "0"]);
    // What was planned is a frame at another time.
    let finished = folder.join("out.mp4.blurdm/00000.json");
    let mut plan: serde_json::Value = serde_json::from_slice(&fs::read(&finished).unwrap()).unwrap();
    let time = &mut plan["frames"][3]["time"];
    *time = (time.as_u64().unwrap() + 5_000_000).into();
    fs::write(&finished, plan.to_string()).unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(
        told.contains("out.mp4' is not kept")
            && told.contains("frame 3 of its video is at 0.120000 s, and not at 0.125000 s"),
        "{told}"
    );
    assert!(!output.exists() && !folder.join("out.mp4.blurdm/output.part").exists());
}

/// Makes the last track one of hints for streaming another one, as RTP servers use them.
fn make_hints(path: &Path, of_track: u32) {
    let mut file = fs::read(path).unwrap();
    let handler = file.windows(4).rposition(|window| window == b"soun").unwrap();
    file[handler..handler + 4].copy_from_slice(b"hint");
    let tref = [
        &20_u32.to_be_bytes()[..],
        b"tref",
        &12_u32.to_be_bytes(),
        b"hint",
        &of_track.to_be_bytes(),
    ]
    .concat();
    add_box(&mut file, &[b"moov", b"trak"], &tref);
    fs::write(path, file).unwrap();
}

#[test]
fn hints_for_streaming_the_old_video_are_left_out_and_told_and_others_are_kept() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    for (of_track, is_kept) in [(1, false), (9, true)] {
        clip(&input, 12, "mp4mux");
        make_hints(&input, of_track);
        let output = folder.join(format!("out-{of_track}.mp4"));
        let done = succeed(&[text(&input), "-o", text(&output)]);
        let movie = Movie::open(&output).unwrap();
        assert_eq!(movie.tracks().iter().any(|track| &track.handler == b"hint"), is_kept);
        let lost = record(&output)["lost"].to_string();
        for told in [stderr(&done), lost] {
            assert_eq!(told.contains("hints for streaming the old video"), !is_kept, "{told}");
        }
    }
}
