// SPDX-License-Identifier: MPL-2.0

//! Sound of several packets in one block of Matroska, as mkvmerge writes it.

use std::{fs, path::Path};

use crate::clips::{Streams, folder, launch, packets, record, run, stderr, succeed, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacing {
    Xiph = 1,
    Fixed = 2,
    Ebml = 3,
}

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const ENTRY: u32 = 0xae;
const CLUSTER: u32 = 0x1f43_b675;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const DEFAULT_DURATION: u32 = 0x23_e383;
/// Positions in the file, which change.
const INDEXES: [u32; 2] = [0x114d_9b74, 0x1c53_bb6b];

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let id: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
    let size = (body.len() as u64 | 1 << 56).to_be_bytes();
    [&id[..], &size, body].concat()
}

/// Returns the elements of a body. A size that is not stated is that of the rest.
fn children(mut body: &[u8]) -> Vec<(u32, &[u8])> {
    let mut found = Vec::new();
    while let Some(first) = body.first() {
        let id_length = first.leading_zeros() as usize + 1;
        let id = body[..id_length].iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
        let length = body[id_length].leading_zeros() as usize + 1;
        let size = body[id_length..id_length + length]
            .iter()
            .fold(0_u64, |size, &byte| size << 8 | u64::from(byte));
        let unknown = (1 << (7 * length)) - 1;
        let (size, rest) = (size & unknown, &body[id_length + length..]);
        let size = if size == unknown { rest.len() } else { size as usize };
        found.push((id, &rest[..size]));
        body = &rest[size..];
    }
    found
}

/// Returns the head of a block of track 2, the sound, and its packet.
fn sound(body: &[u8]) -> Option<(&[u8], &[u8])> {
    (body[0] == 0x82).then(|| body.split_at(4))
}

/// Joins blocks of one packet each into one, at the time of the first.
fn joined(blocks: &[(&[u8], &[u8])], lacing: Lacing, in_group: bool) -> Vec<u8> {
    let (head, _) = blocks[0];
    let mut body = vec![head[0], head[1], head[2], 0];
    if blocks.len() > 1 {
        body[3] = (lacing as u8) << 1;
        body.push((blocks.len() - 1) as u8);
    }
    let sizes: Vec<usize> = blocks.iter().map(|(_, packet)| packet.len()).collect();
    let all_but_last = &sizes[..sizes.len() - 1];
    match lacing {
        _ if blocks.len() == 1 => {}
        Lacing::Xiph => {
            for &size in all_but_last {
                body.extend(vec![255; size / 255]);
                body.push((size % 255) as u8);
            }
        }
        Lacing::Fixed => assert!(sizes.iter().all(|&size| size == sizes[0])),
        Lacing::Ebml => {
            let mut before = None;
            for &size in all_but_last {
                let value = match before.replace(size) {
                    None => size | 0x4000,
                    // Signed, with a bias.
                    Some(before) => (size + 0x1fff - before) | 0x4000,
                };
                body.extend([(value >> 8) as u8, value as u8]);
            }
        }
    }
    body.extend(blocks.iter().flat_map(|(_, packet)| *packet));
    match in_group {
        true => element(BLOCK_GROUP, &element(BLOCK, &body)),
        false => element(SIMPLE_BLOCK, &[&body[..3], &[body[3] | 0x80], &body[4..]].concat()),
    }
}

/// Laces the sound of a file that GStreamer has written. How long its packets last is stated no more.
fn lace(file: &[u8], lacing: Lacing, in_group: bool) -> Vec<u8> {
    let rewritten = children(file).into_iter().map(|(id, body)| match id {
        SEGMENT => element(SEGMENT, &lace_segment(body, lacing, in_group)),
        _ => element(id, body),
    });
    rewritten.flatten().collect()
}

fn lace_segment(body: &[u8], lacing: Lacing, in_group: bool) -> Vec<u8> {
    let mut laced = 0;
    let parts = children(body).into_iter().filter(|(id, _)| !INDEXES.contains(id));
    let written: Vec<Vec<u8>> = parts
        .map(|(id, body)| match id {
            TRACKS => {
                let entries = children(body).into_iter().map(|(id, entry)| match id {
                    ENTRY => {
                        let fields = children(entry).into_iter();
                        let is_sound = fields.clone().any(|field| field == (0xd7, &[2][..]));
                        let kept = fields.filter(|(id, _)| !is_sound || *id != DEFAULT_DURATION);
                        element(
                            ENTRY,
                            &kept.flat_map(|(id, body)| element(id, body)).collect::<Vec<_>>(),
                        )
                    }
                    _ => element(id, body),
                });
                element(TRACKS, &entries.flatten().collect::<Vec<_>>())
            }
            CLUSTER => {
                let (mut written, mut waiting) = (Vec::new(), Vec::new());
                for (id, body) in children(body) {
                    let block = match id {
                        SIMPLE_BLOCK => sound(body),
                        BLOCK_GROUP => children(body)
                            .iter()
                            .find(|(id, _)| *id == BLOCK)
                            .and_then(|(_, body)| sound(body)),
                        _ => None,
                    };
                    let Some(block) = block else {
                        written.extend(element(id, body));
                        continue;
                    };
                    let fits = |waiting: &Vec<(&[u8], &[u8])>| {
                        lacing != Lacing::Fixed || waiting.first().is_none_or(|first| first.1.len() == block.1.len())
                    };
                    if waiting.len() == 8 || !fits(&waiting) {
                        written.extend(joined(&waiting, lacing, in_group));
                        waiting.clear();
                    }
                    waiting.push(block);
                    laced += 1;
                }
                if !waiting.is_empty() {
                    written.extend(joined(&waiting, lacing, in_group));
                }
                element(CLUSTER, &written)
            }
            _ => element(id, body),
        })
        .collect();
    assert!(laced > 8, "the sound was laced");
    written.concat()
}

/// Makes a clip of 20 frames with sound, in blocks of one packet each.
fn clip(path: &Path, video: &str, audio: &str, muxer: &str) {
    launch(&format!(
        "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! {video} ! m. \
         audiotestsrc num-buffers=40 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! {audio} ! m. \
         {muxer} name=m ! filesink location=\"{}\"",
        path.display()
    ));
}

/// Returns the packets of the sound that have, or are to have, a time, and those.
fn sound_of(path: &Path) -> Vec<(Option<u64>, Vec<u8>)> {
    let found: Streams = packets(path);
    let sound = found.into_iter().find(|(media, _)| media.starts_with("audio/"));
    sound.map(|(_, packets)| packets).unwrap_or_default()
}

/// Asserts that `output` has the packets, at times that are those of the `original` in whole milliseconds.
fn assert_same(what: &str, original: &[(Option<u64>, Vec<u8>)], output: &[(Option<u64>, Vec<u8>)], offset: u64) {
    assert_eq!(original.len(), output.len(), "{what}");
    let differs = original
        .iter()
        .zip(output)
        .position(|(before, after)| before.1 != after.1);
    let sizes = |packets: &[(Option<u64>, Vec<u8>)]| packets.iter().map(|packet| packet.1.len()).collect::<Vec<_>>();
    assert_eq!(
        differs,
        None,
        "{what}: {:?}, and not {:?}",
        sizes(output),
        sizes(original)
    );
    for (number, (before, after)) in original.iter().zip(output).enumerate() {
        let Some(before) = before.0 else { continue };
        let after = after.0.unwrap_or_else(|| panic!("{what}: packet {number} has no time"));
        assert!(
            (before.saturating_sub(offset)).abs_diff(after) <= 2_000_000,
            "{what}: packet {number} is at {after}, and not {before}"
        );
    }
}

#[test]
fn every_packet_of_laced_sound_is_kept_at_its_time() {
    let (_folder, folder) = folder();
    let h264 = "x264enc bframes=0 ! h264parse";
    for (name, audio) in [
        ("opus", "opusenc"),
        ("vorbis", "vorbisenc"),
        ("aac", "avenc_aac ! aacparse"),
        ("mp3", "lamemp3enc ! mpegaudioparse"),
        ("ac3", "avenc_ac3 ! ac3parse"),
        ("pcm", "capsfilter caps=audio/x-raw,format=S16LE"),
    ] {
        let encoder = audio.split(' ').next().unwrap();
        if gst::init().is_ok() && gst::ElementFactory::find(encoder).is_none() {
            assert!(std::env::var_os("CI").is_none(), "{encoder} must be there in CI");
            continue;
        }
        let plain = folder.join(format!("{name}.mkv"));
        clip(&plain, h264, audio, "matroskamux");
        let original = sound_of(&plain);
        assert!(original.len() > 16, "{name}");
        let cases = [(Lacing::Xiph, false), (Lacing::Ebml, true), (Lacing::Fixed, false)];
        for (lacing, in_group) in cases {
            let what = format!("{name} {lacing:?}");
            let input = folder.join(format!("{name}-{lacing:?}.mkv"));
            fs::write(&input, lace(&fs::read(&plain).unwrap(), lacing, in_group)).unwrap();
            let output = folder.join("out").join(input.file_name().unwrap());
            let done = succeed(&[text(&input), "-o", text(&folder.join("out"))]);
            assert!(!stderr(&done).contains("not kept"), "{what}: {}", stderr(&done));
            assert_same(&what, &original, &sound_of(&output), 0);
        }
    }
}

#[test]
fn a_part_of_laced_sound_and_laced_sound_in_mp4_are_whole() {
    let (_folder, folder) = folder();
    for (name, video, audio, muxer) in [
        ("opus.mkv", "x264enc bframes=0 ! h264parse", "opusenc", "matroskamux"),
        ("vorbis.webm", "vp9enc deadline=1 ! vp9parse", "vorbisenc", "webmmux"),
    ] {
        let (plain, input) = (folder.join(format!("plain-{name}")), folder.join(name));
        clip(&plain, video, audio, muxer);
        fs::write(&input, lace(&fs::read(&plain).unwrap(), Lacing::Xiph, false)).unwrap();
        let original = sound_of(&plain);
        let part = folder.join("part").join(name);
        succeed(&[text(&input), "-o", text(&part), "--start", "0.4", "--duration", "0.32"]);
        let within = |time: Option<u64>| time.is_some_and(|time| (400_000_000..720_000_000).contains(&time));
        let expected: Vec<_> = original.iter().filter(|packet| within(packet.0)).cloned().collect();
        let found: Vec<_> = sound_of(&part)
            .into_iter()
            .filter(|packet| packet.0.is_some())
            .collect();
        assert!(expected.len() > 10, "{name}");
        assert_same(name, &expected, &found, 400_000_000);
        if name == "opus.mkv" {
            let mp4 = folder.join("opus.mp4");
            succeed(&[text(&input), "-o", text(&mp4)]);
            let sound = original.iter().filter(|packet| packet.0.is_some()).cloned();
            assert_same(name, &sound.collect::<Vec<_>>(), &sound_of(&mp4), 0);
        }
    }
}

#[test]
fn packets_whose_times_nothing_states_are_told_with_exit_status_3() {
    let (_folder, folder) = folder();
    let (plain, input) = (folder.join("plain.mkv"), folder.join("laced.mkv"));
    clip(
        &plain,
        "x264enc bframes=0 ! h264parse",
        "capsfilter caps=audio/x-raw,format=S16LE",
        "matroskamux",
    );
    let mut file = lace(&fs::read(&plain).unwrap(), Lacing::Ebml, false);
    // A codec whose packets do not say how long they last.
    let at = file.windows(13).position(|window| window == b"A_PCM/INT/LIT").unwrap();
    file[at..at + 13].copy_from_slice(b"A_TTA1\0\0\0\0\0\0\0");
    fs::write(&input, file).unwrap();
    for (name, part) in [("whole.mkv", &[][..]), ("part.mkv", &["--start", "0.2"])] {
        let output = folder.join(name);
        let done = run(&[&[text(&input), "-o", text(&output)], part].concat());
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(3), "{name}: {told}");
        assert!(told.contains("packets of stream 002"), "{name}: {told}");
        assert_eq!(record(&output)["gaps"].as_array().unwrap().len(), 1, "{name}");
    }
}

/// FFmpeg 9 drops AAC without that flag where it copies.
#[test]
fn sound_can_be_decoded_from_every_block_on_and_video_from_key_frames() {
    let (_folder, folder) = folder();
    for name in ["out.mkv", "out.webm"] {
        let output = folder.join(name);
        let sound = match name {
            "out.webm" => "opusenc ! opusparse",
            _ => "avenc_aac ! aacparse",
        };
        let original = folder.join(format!("{name}.mkv"));
        launch(&format!(
            "videotestsrc num-buffers=30 ! video/x-raw,width=96,height=64,framerate=25/1 ! vp9enc deadline=1 ! vp9parse ! matroskamux name=mux ! \
             filesink location=\"{}\" audiotestsrc num-buffers=50 ! {sound} ! mux.",
            original.display()
        ));
        succeed(&[text(&original), "-o", text(&output)]);
        let file = fs::read(&output).unwrap();
        let mut blocks = Vec::new();
        collect_blocks(&file, &mut blocks);
        let keys = |track: u8| {
            let of_track = blocks.iter().filter(|block| block[0] == 0x80 | track);
            let keys = of_track.clone().filter(|block| block[3] & 0x80 != 0);
            (keys.count(), of_track.count())
        };
        let (keys_of_video, frames) = keys(1);
        assert!(
            keys_of_video > 0 && keys_of_video < frames,
            "{name}: {keys_of_video} of {frames}"
        );
        let (keys_of_sound, packets) = keys(2);
        // Others are in groups, which say what they refer to.
        assert!(
            packets > 0 && keys_of_sound == packets,
            "{name}: {keys_of_sound} of {packets}"
        );
    }
}

/// Collects simple blocks. A cluster whose size is not stated has the next one in it.
fn collect_blocks<'a>(body: &'a [u8], blocks: &mut Vec<&'a [u8]>) {
    for (id, body) in children(body) {
        match id {
            SEGMENT | CLUSTER => collect_blocks(body, blocks),
            SIMPLE_BLOCK => blocks.push(body),
            _ => {}
        }
    }
}
