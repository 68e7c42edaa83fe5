// SPDX-License-Identifier: MPL-2.0

//! Sound is what it was, bit for bit, however the file stores its packets.

use std::{fs, path::Path};

use crate::clips::{SIDE, folder, forget_default_durations, launch, packets, record, stderr, succeed, text};

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

/// Returns an EBML element.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = (1_u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &size, body].concat()
}

/// Writes the clip again, with eight packets of sound in each block, as mkvmerge does.
fn lace(input: &Path, output: &Path) {
    let file = fs::read(input).unwrap();
    // The first one is where the list of elements names it.
    let at = file
        .windows(4)
        .rposition(|window| window == b"\x16\x54\xae\x6b")
        .unwrap();
    // A size of one to eight bytes, of which the leading zeros tell how many.
    let length = file[at + 4].leading_zeros() as usize + 1;
    let size = file[at + 4..at + 4 + length]
        .iter()
        .fold(0, |size, &byte| size << 8 | usize::from(byte));
    let size = size & ((1 << (7 * length)) - 1);
    let mut tracks = file[at..at + 4 + length + size].to_vec();
    // With the duration of all packets the times of all would be known.
    forget_default_durations(&mut tracks);
    let block = |track: u8, time: u64, flags: u8, body: &[u8]| {
        let time = i16::try_from(time / 1_000_000).unwrap().to_be_bytes();
        let head = [&[0x80 | track][..], &time, &[flags]].concat();
        (time, element(&[0xa3], &[&head, body].concat()))
    };
    let mut blocks = Vec::new();
    for (number, (time, frame)) in packets(input)["video/x-h264"].iter().enumerate() {
        let flags = if number % 25 == 0 { 0x80 } else { 0 };
        blocks.push(block(1, time.unwrap(), flags, frame));
    }
    for packets in sound(input).chunks(8) {
        let mut body = vec![packets.len() as u8 - 1];
        for (_, packet) in &packets[..packets.len() - 1] {
            body.extend(vec![0xff; packet.len() / 255]);
            body.push((packet.len() % 255) as u8);
        }
        body.extend(packets.iter().flat_map(|(_, packet)| packet));
        // With the lacing of Xiph.
        blocks.push(block(2, packets[0].0, 0x82, &body));
    }
    blocks.sort_by_key(|(time, _)| *time);
    let blocks: Vec<u8> = blocks.into_iter().flat_map(|(_, block)| block).collect();
    let head = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"matroska"));
    let info = element(
        b"\x15\x49\xa9\x66",
        &element(b"\x2a\xd7\xb1", &1_000_000_u32.to_be_bytes()),
    );
    let cluster = element(b"\x1f\x43\xb6\x75", &[element(&[0xe7], &[0]), blocks].concat());
    let segment = element(b"\x18\x53\x80\x67", &[&info, &tracks[..], &cluster].concat());
    fs::write(output, [head, segment].concat()).unwrap();
}

#[test]
fn packets_that_share_a_block_are_all_kept_at_their_times() {
    let (_folder, folder) = folder();
    for (name, encoder) in [("opus", "opusenc"), ("vorbis", "vorbisenc")] {
        let (plain, laced) = (
            folder.join(format!("{name}.mkv")),
            folder.join(format!("{name}-laced.mkv")),
        );
        clip_with(&plain, encoder);
        lace(&plain, &laced);
        let whole = sound(&plain);
        assert!(
            sound(&laced).len() <= whole.len() / 8 + 1,
            "only some of them have a time"
        );
        // MP4 cannot hold Vorbis.
        for ending in if name == "opus" {
            &["mkv", "webm", "mp4"][..]
        } else {
            &["mkv", "webm"]
        } {
            let output = folder.join(format!("out-{name}.{ending}"));
            let done = succeed(&[text(&laced), "-o", text(&output)]);
            let lost = record(&output)["lost"].to_string();
            assert!(
                !lost.contains("packets") && !lost.contains("stream"),
                "{}",
                stderr(&done)
            );
            let kept = sound(&output);
            assert_eq!(kept.len(), whole.len(), "{name} in {ending}");
            for ((time, packet), (original_time, original)) in kept.iter().zip(&whole) {
                assert!(packet == original, "{name} in {ending}");
                let distance = time.abs_diff(*original_time);
                assert!(distance <= 8_000_000, "{name} in {ending}: {time} and {original_time}");
            }
        }
    }
}

#[test]
fn sound_that_the_container_cannot_hold_is_told_before_the_work_and_left_out() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in.mkv"), folder.join("out.mp4"));
    clip_with(&input, "flacenc ! flacparse");
    let told = stderr(&succeed(&[text(&input), "-o", text(&output)]));
    let (noted, restored) = (
        told.find("cannot hold a stream of audio/x-flac"),
        told.find("restored, 50 frames"),
    );
    assert!(noted.is_some() && noted < restored, "{told}");
    assert!(record(&output)["lost"].to_string().contains("audio/x-flac"));
    // AC-3 is known by its first packet only.
    let encoder = ["avenc_eac3 ! ac3parse", "avenc_ac3 ! ac3parse"];
    for (encoder, is_kept) in encoder.into_iter().zip([false, true]) {
        clip_with(&input, &format!("audioconvert ! {encoder}"));
        let output = folder.join(format!("kept-{is_kept}.mp4"));
        let told = stderr(&succeed(&[text(&input), "-o", text(&output)]));
        assert_eq!(told.contains("cannot hold a stream of"), !is_kept, "{told}");
        assert_eq!(packets(&output).len(), 1 + usize::from(is_kept), "{told}");
    }
}

#[test]
fn opus_of_ogg_and_mpeg_ts_is_kept_in_other_containers() {
    let (_folder, folder) = folder();
    for (name, video, muxer) in [
        ("ogv", "theoraenc", "oggmux"),
        ("ts", "x264enc key-int-max=25 bframes=0 ! h264parse", "mpegtsmux"),
    ] {
        let input = folder.join(format!("in.{name}"));
        launch(&format!(
            "videotestsrc num-buffers=25 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! {video} ! m. \
             audiotestsrc num-buffers=50 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! m. \
             {muxer} name=m ! filesink location=\"{}\"",
            input.display()
        ));
        // The headers of Ogg are packets without a time.
        let contents = |path: &Path| -> Vec<Vec<u8>> {
            let packets = packets(path).remove("audio/x-opus").unwrap().into_iter();
            let packets = packets.map(|(_, packet)| packet);
            packets.filter(|packet| !packet.starts_with(b"Opus")).collect()
        };
        let whole = contents(&input);
        assert!(whole.len() >= 50, "{name}");
        for ending in ["mkv", "mp4"] {
            let output = folder.join(format!("out-{name}.{ending}"));
            succeed(&[text(&input), "-o", text(&output)]);
            assert!(contents(&output) == whole, "{name} in {ending}");
        }
    }
}
