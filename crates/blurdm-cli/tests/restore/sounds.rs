// SPDX-License-Identifier: MPL-2.0

//! Sound is what it was, bit for bit, however the file stores its packets.

use std::{fs, path::Path};

use crate::clips::{SIDE, folder, launch, packets, succeed, text};

/// Makes a clip of 50 frames with two seconds of sound.
fn clip_with(path: &Path, sound: &str) {
    launch(&format!(
        "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc key-int-max=25 bframes=0 ! h264parse ! m. \
         audiotestsrc num-buffers=100 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! {sound} ! m. \
         matroskamux name=m ! filesink location=\"{}\"",
        path.display()
    ));
}

/// Returns the times and contents of the packets of sound, without headers.
fn sound(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let (_, packets) = packets(path)
        .into_iter()
        .find(|(media, _)| media.starts_with("audio/"))
        .unwrap();
    packets
        .into_iter()
        .filter_map(|(time, packet)| Some((time?, packet)))
        .collect()
}

/// Takes the metadata blocks behind the first one out of the header of a FLAC track, as ffmpeg and mkvmerge write it.
fn strip_flac_header(path: &Path) {
    let mut file = fs::read(path).unwrap();
    let mark = file.windows(4).position(|window| window == b"fLaC").unwrap();
    let (block, rest) = (mark + 4, mark + 4 + 4 + 34);
    assert_eq!(file[mark - 3..mark - 1], [0x63, 0xa2], "the size has one byte");
    let private = usize::from(file[mark - 1] & 0x7f);
    let left = mark + private - rest;
    file[mark - 1] = 0x80 | (private - left) as u8;
    file[block] |= 0x80;
    // What is left becomes a Void element.
    file[rest] = 0xec;
    file[rest + 1] = 0x80 | (left - 2) as u8;
    fs::write(path, file).unwrap();
}

#[test]
fn flac_is_kept_whatever_metadata_its_header_has() {
    let (_folder, folder) = folder();
    let input = folder.join("in.mkv");
    clip_with(&input, "flacenc ! flacparse");
    let whole = sound(&input);
    for name in ["tagged", "bare"] {
        if name == "bare" {
            strip_flac_header(&input);
            assert!(sound(&input) == whole);
        }
        let (output, part) = (
            folder.join(format!("{name}.mkv")),
            folder.join(format!("{name}-part.mkv")),
        );
        succeed(&[text(&input), "-o", text(&output)]);
        assert!(sound(&output) == whole, "{name}");
        succeed(&[text(&input), "-o", text(&part), "--start", "1"]);
        let kept = sound(&part);
        let contents =
            |packets: &[(u64, Vec<u8>)]| packets.iter().map(|(_, packet)| packet.clone()).collect::<Vec<_>>();
        assert!(
            !kept.is_empty() && contents(&whole).ends_with(&contents(&kept)),
            "{name}"
        );
    }
}
