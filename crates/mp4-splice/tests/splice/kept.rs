// SPDX-License-Identifier: MPL-2.0

use std::{
    fs,
    path::{Path, PathBuf},
};

use mp4_splice::{
    Movie, Track,
    boxes::{FourCc, Mp4Box},
    splice,
};

use crate::recordings::{Recording, Stream, demuxed, opened, pictures, segment, spliced, variable_rate};

const PLAIN: &str = "x264enc bframes=0 key-int-max=5";
const REORDERED: &str = "x264enc bframes=3 b-adapt=false";
/// Another entropy coder, and so another sample entry.
const FAST: &str = "x264enc speed-preset=ultrafast cabac=false bframes=0";

/// Two segments of 25 and 15 frames.
fn segments(folder: &Path, encoders: [&str; 2]) -> Vec<PathBuf> {
    [(25, "smpte"), (15, "snow")]
        .iter()
        .zip(encoders)
        .map(|(&(frames, pattern), encoder)| segment(&folder.join(format!("{frames}.mp4")), frames, pattern, encoder))
        .collect()
}

fn split(streams: Vec<Stream>) -> (Stream, Vec<Stream>) {
    let (mut video, others): (Vec<_>, Vec<_>) =
        streams.into_iter().partition(|stream| stream.name.starts_with("video"));
    assert_eq!(video.len(), 1);
    (video.remove(0), others)
}

/// Returns the times at which frames are presented, by the edit list.
fn times(stream: &Stream) -> Vec<i128> {
    let mut times: Vec<_> = stream
        .packets
        .iter()
        .map(|packet| packet.stream_time.unwrap())
        .collect();
    times.sort_unstable();
    times
}

fn trak(movie: &Movie, handler: &FourCc) -> (Mp4Box, usize) {
    let index = movie
        .tracks()
        .iter()
        .position(|track| &track.handler == handler)
        .unwrap();
    (movie.trak(index).unwrap().clone(), index)
}

fn check_kept(original: &Path, restored: &Path, frames: usize, others: usize) {
    let ((old, old_tags), (new, new_tags)) = (demuxed(original), demuxed(restored));
    let ((old_video, old_others), (new_video, new_others)) = (split(old), split(new));
    assert_eq!(old_others.len(), others);
    assert!(old_others.iter().all(|stream| !stream.packets.is_empty()));
    assert_eq!(new_others, old_others);
    assert_eq!((old_video.packets.len(), new_video.packets.len()), (frames, frames));
    assert_eq!(times(&new_video), times(&old_video));
    let has = |tags: &[String], text: &str| tags.iter().any(|tag| tag.contains(text));
    for text in ["rotate-90", "Night", "Camera"]
        .iter()
        .take(if others > 0 { 3 } else { 1 })
    {
        assert!(
            has(&old_tags, text) && has(&new_tags, text),
            "{text}: {old_tags:?} {new_tags:?}"
        );
    }

    let (old, new) = (Movie::open(original).unwrap(), Movie::open(restored).unwrap());
    assert_eq!(new.moov().child(b"mvhd"), old.moov().child(b"mvhd"));
    let ((old_trak, _), (new_trak, _)) = (trak(&old, b"vide"), trak(&new, b"vide"));
    for path in [
        [b"tkhd"].as_slice(),
        &[b"edts"],
        &[b"udta"],
        &[b"mdia", b"mdhd"],
        &[b"mdia", b"hdlr"],
        &[b"mdia", b"minf", b"dinf"],
    ] {
        assert_eq!(new_trak.at(path), old_trak.at(path), "{path:?}");
    }
    assert_eq!(
        new.video().unwrap().presentation_ticks,
        old.video().unwrap().presentation_ticks
    );
}

fn check(recording: &Recording, encoders: [&str; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let original = recording.make(&folder.path().join("ride.mp4"));
    let segments = segments(folder.path(), encoders);
    let restored = folder.path().join("restored.mp4");
    let notes = spliced(&original, &segments, &restored);
    assert_eq!(notes, Vec::<String>::new());
    let others = usize::from(recording.audio) + usize::from(recording.subtitles);
    check_kept(&original, &restored, recording.times.len(), others);
    // The duration that the recorder wrote may end before the last frame.
    let shown = pictures(&original).len();
    assert!(shown + 1 >= recording.times.len());
    let mut expected: Vec<_> = segments.iter().flat_map(|segment| pictures(segment)).collect();
    assert_eq!(expected.len(), recording.times.len());
    expected.truncate(shown);
    assert!(
        pictures(&restored) == expected,
        "the pictures are not those of the segments, in their order"
    );
}

#[test]
fn everything_but_the_video_is_as_it_was() {
    check(&Recording::default(), [PLAIN, PLAIN]);
}

#[test]
fn frames_that_the_encoder_reorders_are_shown_in_time() {
    check(&Recording::default(), [REORDERED, PLAIN]);
    let in_order = Recording {
        encoder: "x264enc bframes=0",
        ..Recording::default()
    };
    check(&in_order, [REORDERED, REORDERED]);
}

#[test]
fn a_file_with_its_moov_in_front_is_taken_as_well() {
    let fast_start = Recording {
        muxer: "mp4mux faststart=true",
        ..Recording::default()
    };
    check(&fast_start, [PLAIN, REORDERED]);
}

#[test]
fn a_quicktime_file_is_taken_as_well() {
    let quicktime = Recording {
        muxer: "qtmux",
        ..Recording::default()
    };
    check(&quicktime, [PLAIN, REORDERED]);
}

#[test]
fn a_file_of_video_alone_is_taken_as_well() {
    let silent = Recording {
        audio: false,
        subtitles: false,
        ..Recording::default()
    };
    check(&silent, [PLAIN, PLAIN]);
}

#[test]
fn segments_of_different_encoders_keep_their_sample_entries() {
    check(&Recording::default(), [PLAIN, FAST]);
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    for (encoders, entries) in [([PLAIN, FAST], 2), ([PLAIN, PLAIN], 1)] {
        let restored = folder.path().join("restored.mp4");
        spliced(&original, &segments(folder.path(), encoders), &restored);
        let movie = Movie::open(&restored).unwrap();
        let (_, video) = trak(&movie, b"vide");
        assert_eq!(movie.tracks()[video].entries.len(), entries, "{encoders:?}");
    }
}

#[test]
fn video_and_sound_lie_side_by_side_as_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    let restored = folder.path().join("restored.mp4");
    spliced(&original, &segments(folder.path(), [PLAIN, PLAIN]), &restored);
    let order = |path: &Path| {
        let movie = Movie::open(path).unwrap();
        let chunks_of = |track: &Track| -> Vec<_> {
            let chunks = track.chunks.iter();
            chunks.map(|chunk| (chunk.offset, track.id, chunk.samples)).collect()
        };
        let mut chunks: Vec<_> = movie.tracks().iter().flat_map(chunks_of).collect();
        chunks.sort_unstable();
        chunks
            .into_iter()
            .map(|(_, track, samples)| (track, samples))
            .collect::<Vec<_>>()
    };
    assert!(order(&original).len() > 5);
    assert_eq!(order(&restored), order(&original));
}

#[test]
fn every_time_that_gstreamer_tells_is_that_of_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    let spliced_in_order = folder.path().join("offsets.mp4");
    let in_order = Recording {
        encoder: "x264enc bframes=0",
        ..Recording::default()
    };
    let in_order = in_order.make(&folder.path().join("in-order.mp4"));
    // Signed offsets, which qtdemux shifts.
    spliced(
        &in_order,
        &segments(folder.path(), [REORDERED, REORDERED]),
        &spliced_in_order,
    );
    for path in [original, in_order, spliced_in_order] {
        let video = Movie::open(&path).unwrap().video().unwrap();
        assert_eq!((video.edits, video.width, video.height), (1, 64, 48));
        let (stream, _) = split(demuxed(&path).0);
        let mut ticks: Vec<_> = stream
            .packets
            .iter()
            .map(|packet| video.ticks_of(packet.pts.unwrap()).unwrap())
            .collect();
        ticks.sort_unstable();
        assert_eq!(ticks, video.presentation_ticks, "{}", path.display());
        let second = 1_000_000_000 / u64::from(video.timescale);
        let first = stream.packets.iter().map(|packet| packet.pts.unwrap()).min().unwrap();
        assert_eq!(video.ticks_of(first + second / 3), Some(ticks[0]));
        assert_eq!(video.ticks_of(first + 5 * second), None);
        assert_eq!(video.ticks_of(u64::MAX), None);
    }
}

#[test]
fn frames_that_are_left_out_leave_the_others_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    let movie = Movie::open(&original).unwrap();
    let ticks = movie.video().unwrap().presentation_ticks[5..30].to_vec();
    let segment = segment(&folder.path().join("25.mp4"), 25, "smpte", REORDERED);
    let restored = folder.path().join("restored.mp4");
    splice(
        &movie,
        &opened(&[segment]),
        &ticks,
        &[],
        fs::File::create(&restored).unwrap(),
    )
    .unwrap();
    assert_eq!(
        Movie::open(&restored).unwrap().video().unwrap().presentation_ticks,
        ticks
    );
    let ((_, old), (video, new)) = (split(demuxed(&original).0), split(demuxed(&restored).0));
    assert_eq!(new, old);
    assert_eq!(video.packets.len(), 25);
}

/// Adds boxes with GPS blocks as Novatek's cameras write them, and the index of these in `moov`.
fn with_gps(original: &Path, blocks: &[u8]) -> PathBuf {
    let movie = Movie::open(original).unwrap();
    let mut file = fs::read(original).unwrap();
    let moov = file.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    file.truncate(moov);
    let mut gps = vec![0, 0, 1, 1, 0, 0, 0, 0];
    for &number in blocks {
        gps.extend((file.len() as u32).to_be_bytes());
        let block = Mp4Box::bytes(b"free", [b"GPS ", [number; 40].as_slice()].concat()).to_bytes();
        gps.extend((block.len() as u32).to_be_bytes());
        file.extend(block);
    }
    let mut tree = movie.moov().clone();
    tree.children_mut().unwrap().insert(1, Mp4Box::bytes(b"gps ", gps));
    file.extend(tree.to_bytes());
    let path = original.with_extension("gps.mp4");
    fs::write(&path, file).unwrap();
    path
}

fn gps_blocks(path: &Path) -> Option<Vec<u8>> {
    let file = fs::read(path).unwrap();
    let movie = Movie::open(path).unwrap();
    let gps = movie.moov().child(b"gps ")?.data().unwrap()[8..].to_vec();
    let number = |entry: &[u8]| u32::from_be_bytes(entry[..4].try_into().unwrap()) as usize;
    let blocks = gps
        .chunks(8)
        .map(|entry| file[number(entry)..][..number(&entry[4..])].to_vec());
    Some(
        blocks
            .map(|block| {
                assert_eq!(&block[4..12], b"freeGPS ");
                block[12]
            })
            .collect(),
    )
}

#[test]
fn a_dash_cams_positions_are_found_where_they_are_now() {
    let folder = tempfile::tempdir().unwrap();
    let original = Recording::default().make(&folder.path().join("ride.mp4"));
    let original = with_gps(&original, &[7, 8, 9]);
    assert_eq!(gps_blocks(&original), Some(vec![7, 8, 9]));
    let restored = folder.path().join("restored.mp4");
    let notes = spliced(&original, &segments(folder.path(), [PLAIN, PLAIN]), &restored);
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(gps_blocks(&restored), Some(vec![7, 8, 9]));
}

#[test]
fn positions_that_are_not_where_the_file_says_go_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let original = with_gps(&Recording::default().make(&folder.path().join("ride.mp4")), &[7, 8]);
    let mut file = fs::read(&original).unwrap();
    let block = file.windows(8).position(|window| window == b"freeGPS ").unwrap();
    file[block + 4] = b'X';
    fs::write(&original, file).unwrap();
    let restored = folder.path().join("restored.mp4");
    let notes = spliced(&original, &segments(folder.path(), [PLAIN, PLAIN]), &restored);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("box 'gps ' is not kept"), "{notes:?}");
    assert_eq!(gps_blocks(&restored), None);
}

#[test]
fn boxes_that_nobody_knows_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ride.mp4");
    let original = Recording::default().make(&path);
    let movie = Movie::open(&original).unwrap();
    let unknown = Mp4Box::bytes(b"VNDR", (0..200).collect());
    let mut file = fs::read(&original).unwrap();
    let moov = file.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    file.truncate(moov);
    let mut tree = movie.moov().clone();
    tree.children_mut().unwrap().push(unknown.clone());
    for in_video in [[b"trak"].as_slice(), &[b"trak", b"mdia", b"minf", b"stbl"]] {
        tree.at_mut(in_video)
            .unwrap()
            .children_mut()
            .unwrap()
            .push(unknown.clone());
    }
    file.extend(tree.to_bytes());
    file.extend(unknown.to_bytes());
    file.extend(b"junk");
    fs::write(&original, file).unwrap();

    let restored = folder.path().join("restored.mp4");
    spliced(&original, &segments(folder.path(), [PLAIN, PLAIN]), &restored);
    let movie = Movie::open(&restored).unwrap();
    assert_eq!(movie.moov().child(b"VNDR"), Some(&unknown));
    let (video, _) = trak(&movie, b"vide");
    assert_eq!(video.child(b"VNDR"), Some(&unknown));
    assert_eq!(video.at(&[b"mdia", b"minf", b"stbl", b"VNDR"]), Some(&unknown));
    assert!(
        fs::read(&restored)
            .unwrap()
            .ends_with(&[unknown.to_bytes().as_slice(), b"junk"].concat())
    );
}

#[test]
fn a_constant_rate_is_kept_as_well() {
    let constant = Recording {
        times: (0..40).map(|frame| frame * 40).collect(),
        ..Recording::default()
    };
    check(&constant, [REORDERED, PLAIN]);
    assert_ne!(variable_rate(40), constant.times);
}
