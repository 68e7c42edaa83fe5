// SPDX-License-Identifier: MPL-2.0

//! Outputs are read again before they get their names.

use std::{fs, path::Path};

use crate::clips::{assert_kept, clip, folder, mp4, run, stderr, succeed, text};

/// Adds auxiliary sample information to the sample table of the last track: one offset, and `after` it.
fn add_auxiliary(path: &Path, after: &[u8]) {
    let mut file = fs::read(path).unwrap();
    let find = |kind: &[u8; 4]| file.windows(4).rposition(|window| window == kind).unwrap() - 4;
    let boxes = [b"moov", b"trak", b"mdia", b"minf", b"stbl"].map(find);
    let stco = find(b"stco");
    let offset = &file[stco + 16..stco + 20];
    let body = [&[0; 4], &[0, 0, 0, 1], offset, after].concat();
    let size = (body.len() as u32 + 8).to_be_bytes();
    let added = [&size[..], b"saio", &body].concat();
    let end =
        |file: &[u8], start: usize| start + u32::from_be_bytes(file[start..start + 4].try_into().unwrap()) as usize;
    let stbl_end = end(&file, boxes[4]);
    assert_eq!(end(&file, boxes[0]), file.len(), "nothing follows the moov");
    for start in boxes {
        let size = (end(&file, start) - start + added.len()) as u32;
        file[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }
    file.splice(stbl_end..stbl_end, added);
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
