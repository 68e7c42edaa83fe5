// SPDX-License-Identifier: MPL-2.0

//! Files that somebody spoiled, by accident or on purpose: an answer for each, and no panic.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::footage::{Recording, segment, variable_rate};
use crate::{Movie, Mp4Error, Segment, boxes::Header, splice};

struct Lab {
    folder: tempfile::TempDir,
    segment: PathBuf,
}

const FRAMES: usize = 12;

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let segment = segment(&folder.path().join("segment.mp4"), FRAMES, "smpte", "x264enc bframes=2");
        Self { folder, segment }
    }

    fn recording(&self, muxer: &'static str) -> Vec<u8> {
        let recording = Recording {
            times: variable_rate(FRAMES),
            muxer,
            ..Recording::default()
        };
        fs::read(recording.make(&self.folder.path().join("ride.mp4"))).unwrap()
    }

    /// What becomes of a file: all that is done with it.
    fn answer(&self, bytes: &[u8]) -> Result<(), Mp4Error> {
        let path = self.folder.path().join("spoilt.mp4");
        fs::write(&path, bytes).unwrap();
        let movie = Movie::open(&path)?;
        let video = movie.video()?;
        for pts in [0, 1, 33_333_333, u64::MAX] {
            video.ticks_of(pts);
        }
        let ticks: Vec<_> = (0..FRAMES as i64).map(|frame| 7 * frame).collect();
        splice(
            &movie,
            std::slice::from_ref(&self.segment),
            &ticks,
            &[("blurdm", "x")],
            io::sink(),
        )?;
        Ok(())
    }
}

/// Where boxes begin and end, in those that hold boxes too.
fn borders(file: &[u8]) -> Vec<usize> {
    fn walk(file: &[u8], mut start: usize, end: usize, borders: &mut Vec<usize>) {
        while let Some(header) = Header::parse(&file[start..end]) {
            let size = header.size.map_or(end - start, |size| size as usize);
            borders.extend([start, start + 4, start + header.header as usize, start + size]);
            if start + size > end {
                break;
            }
            if matches!(
                &header.kind,
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"udta"
            ) {
                walk(file, start + header.header as usize, start + size, borders);
            }
            start += size;
        }
    }
    let mut borders = Vec::new();
    walk(file, 0, file.len(), &mut borders);
    borders.sort_unstable();
    borders.dedup();
    borders
}

fn moov(file: &[u8]) -> std::ops::Range<usize> {
    let start = file.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    let size = u32::from_be_bytes(file[start..start + 4].try_into().unwrap()) as usize;
    start..start + size
}

#[test]
fn a_file_cut_off_at_any_border_of_a_box_has_an_answer() {
    let lab = Lab::new();
    for muxer in ["mp4mux", "mp4mux faststart=true", "qtmux"] {
        let file = lab.recording(muxer);
        lab.answer(&file).unwrap();
        let borders = borders(&file);
        assert!(borders.len() > 100);
        for border in borders {
            for end in [border.saturating_sub(1), border, border + 1] {
                if end < file.len() {
                    assert!(
                        lab.answer(&file[..end]).is_err(),
                        "{muxer}, {end} of {} bytes",
                        file.len()
                    );
                }
            }
        }
    }
}

#[test]
fn a_moov_with_any_number_changed_has_an_answer() {
    let lab = Lab::new();
    let file = lab.recording("mp4mux faststart=true");
    let mut refused = 0;
    // Numbers of boxes are not aligned: every other byte is tried with one of the values.
    let values = [
        0,
        1,
        0x7f,
        0x0100_0000,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
        7,
        0x0001_0000,
    ];
    for (turn, place) in moov(&file).step_by(2).enumerate() {
        let mut spoilt = file.clone();
        let value = values[turn % values.len()];
        let field = &mut spoilt[place..place + 4];
        field.copy_from_slice(&value.to_be_bytes());
        refused += usize::from(lab.answer(&spoilt).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_file_with_bytes_changed_at_random_has_an_answer() {
    let lab = Lab::new();
    for muxer in ["mp4mux", "qtmux"] {
        let file = lab.recording(muxer);
        let moov = moov(&file);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..1500 {
            let mut spoilt = file.clone();
            for _ in 0..=random(4) {
                let place = moov.start + random(moov.len());
                spoilt[place] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
            }
            let _ = lab.answer(&spoilt);
        }
    }
}

#[test]
fn a_spoilt_segment_has_an_answer() {
    let lab = Lab::new();
    let file = fs::read(&lab.segment).unwrap();
    let path = lab.folder.path().join("spoilt.mp4");
    for place in moov(&file).step_by(2) {
        for value in [0, 0x7fff_ffff, u32::MAX] {
            let mut spoilt = file.clone();
            let end = file.len().min(place + 4);
            spoilt[place..end].copy_from_slice(&u32::to_be_bytes(value)[..end - place]);
            fs::write(&path, spoilt).unwrap();
            if let Ok(segment) = Segment::open(&path) {
                assert!(segment.samples.iter().all(|sample| sample.rank < segment.samples.len()));
            }
        }
    }
}

/// A small file must not make large tables.
#[test]
fn millions_of_frames_in_a_few_bytes_are_not_believed() {
    let lab = Lab::new();
    let file = lab.recording("mp4mux");
    let path = |name: &str| lab.folder.path().join(name);
    let table = |kind: &[u8; 4]| file.windows(4).position(|window| window == kind).unwrap();
    let mut spoilt = file.clone();
    let mut put = |place: usize, value: u32| spoilt[place..place + 4].copy_from_slice(&value.to_be_bytes());
    put(table(b"stsz") + 8, 1);
    put(table(b"stsz") + 12, 1 << 22);
    put(table(b"stsc") + 16, 1 << 22);
    put(table(b"stts") + 12, 1 << 22);
    let error = open_and_read(&path("many.mp4"), &spoilt).unwrap_err();
    assert!(
        matches!(error, Mp4Error::Damaged { .. } | Mp4Error::Truncated { .. }),
        "{error}"
    );
}

fn open_and_read(path: &Path, bytes: &[u8]) -> Result<(), Mp4Error> {
    fs::write(path, bytes).unwrap();
    Movie::open(path)?.video()?;
    Ok(())
}
