// SPDX-License-Identifier: MPL-2.0

//! Parse, splice, parse again: the new file has the new frames at the old times, and all other tracks byte for byte. Spliced once more, it is the same.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use mp4_splice::{Movie, Segment, Track, splice};

/// A segment of 4 frames, as `blurdm restore` writes it.
const SEGMENT: &[u8] = include_bytes!("../seeds/segment.mp4");

fuzz_target!(|file: &[u8]| -> Corpus {
    let Ok(old) = Movie::read("old.mp4", file.to_vec()) else {
        // Of a file without tables there is nothing to learn.
        return Corpus::Reject;
    };
    let Some(new) = spliced(&old) else {
        return Corpus::Keep;
    };
    let new = Movie::read("new.mp4", new).expect("what was written can be read");
    let (old_video, new_video) = (old.video().expect("it was spliced"), new.video().expect("it is there"));
    assert_eq!(new_video.presentation_ticks, ticks(&old));
    assert_eq!(new.tracks().len(), old.tracks().len());
    let pairs = old.tracks().iter().zip(new.tracks()).enumerate();
    for (_, (old_track, new_track)) in pairs.filter(|(index, _)| *index != old_video.index()) {
        assert_eq!((new_track.id, new_track.samples), (old_track.id, old_track.samples));
        assert!(
            samples(&new, new_track) == samples(&old, old_track),
            "track {} is another",
            old_track.id
        );
    }
    assert!(samples(&new, &new.tracks()[new_video.index()]) == samples_of_segment());
    let again = spliced(&new).expect("it can be spliced again");
    let again = Movie::read("again.mp4", again).expect("what was written again can be read");
    assert_eq!(
        again.video().expect("it is still there").presentation_ticks,
        new_video.presentation_ticks
    );
    Corpus::Keep
});

/// The file with the segment for its video. `None` where it is refused.
fn spliced(movie: &Movie) -> Option<Vec<u8>> {
    movie.video().ok()?;
    let segment = Segment::read("segment.mp4", SEGMENT.to_vec()).expect("the segment is one");
    let mut file = Vec::new();
    splice(movie, &[segment], &ticks(movie), &[("blurdm", "fuzz")], &mut file).ok()?;
    Some(file)
}

/// Times for the frames of the segment: those of the first frames, or as many ticks after the last one.
fn ticks(movie: &Movie) -> Vec<i64> {
    let video = movie.video().expect("it has a video");
    let frames = Segment::read("segment.mp4", SEGMENT.to_vec())
        .expect("the segment is one")
        .samples()
        .len();
    let mut ticks: Vec<i64> = video.presentation_ticks.iter().copied().take(frames).collect();
    while ticks.len() < frames {
        ticks.push(ticks.last().map_or(0, |last| last.saturating_add(1)));
    }
    ticks
}

/// The bytes of a track's chunks one after the other. Chunks in other files have none here.
fn samples(movie: &Movie, track: &Track) -> Vec<u8> {
    let mut all = Vec::new();
    for chunk in track.chunks.iter().filter(|chunk| track.is_in_this_file(chunk)) {
        let start = all.len();
        all.resize(start + usize::try_from(chunk.bytes).expect("it is within the file"), 0);
        movie
            .read_at(chunk.offset, &mut all[start..])
            .expect("chunks are checked to be in the file");
    }
    all
}

fn samples_of_segment() -> Vec<u8> {
    let movie = Movie::read("segment.mp4", SEGMENT.to_vec()).expect("the segment is one");
    let index = movie.video().expect("it has a video").index();
    samples(&movie, &movie.tracks()[index])
}
