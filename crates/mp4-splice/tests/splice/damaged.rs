// SPDX-License-Identifier: MPL-2.0

//! Files that are damaged, by accident or on purpose: an answer for each, and no panic.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mp4_splice::{Error, Movie, Segment, boxes::Header, splice};

use crate::recordings::{Recording, opened, segment, variable_rate};

struct Bench {
    folder: tempfile::TempDir,
    segment: PathBuf,
}

const FRAMES: usize = 12;

impl Bench {
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

    /// Does with a file all that can be done with one.
    fn answer(&self, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.path().join("damaged.mp4");
        fs::write(&path, bytes).unwrap();
        let movie = Movie::open(&path)?;
        let video = movie.video()?;
        for pts in [0, 1, 33_333_333, u64::MAX] {
            video.ticks_of(pts);
        }
        let ticks: Vec<_> = (0..FRAMES as i64).map(|frame| 7 * frame).collect();
        splice(
            &movie,
            &opened(std::slice::from_ref(&self.segment)),
            &ticks,
            &[("blurdm", "x")],
            io::sink(),
        )?;
        Ok(())
    }
}

/// Returns where boxes begin and end, at all levels.
fn borders(file: &[u8]) -> Vec<usize> {
    fn walk(file: &[u8], mut start: usize, end: usize, borders: &mut Vec<usize>) {
        while let Some(header) = Header::parse(&file[start..end]) {
            let size = header.size.map_or(end - start, |size| size as usize);
            borders.extend([start, start + 4, start + header.length as usize, start + size]);
            if start + size > end {
                break;
            }
            if matches!(
                &header.kind,
                b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"udta"
            ) {
                walk(file, start + header.length as usize, start + size, borders);
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
    let bench = Bench::new();
    for muxer in ["mp4mux", "mp4mux faststart=true", "qtmux"] {
        let file = bench.recording(muxer);
        bench.answer(&file).unwrap();
        let borders = borders(&file);
        assert!(borders.len() > 100);
        for border in borders {
            for end in [border.saturating_sub(1), border, border + 1] {
                if end < file.len() {
                    assert!(
                        bench.answer(&file[..end]).is_err(),
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
    let bench = Bench::new();
    let file = bench.recording("mp4mux faststart=true");
    let mut refused = 0;
    // Fields of boxes are not aligned: every other byte gets one of the values.
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
    for (turn, offset) in moov(&file).step_by(2).enumerate() {
        let mut damaged = file.clone();
        let value = values[turn % values.len()];
        let field = &mut damaged[offset..offset + 4];
        field.copy_from_slice(&value.to_be_bytes());
        refused += usize::from(bench.answer(&damaged).is_err());
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_file_with_bytes_changed_at_random_has_an_answer() {
    let bench = Bench::new();
    for muxer in ["mp4mux", "qtmux"] {
        let file = bench.recording(muxer);
        let moov = moov(&file);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..1500 {
            let mut damaged = file.clone();
            for _ in 0..=random(4) {
                let offset = moov.start + random(moov.len());
                damaged[offset] = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
            }
            let _ = bench.answer(&damaged);
        }
    }
}

/// They would be others after the frames in them are others, and could be read as boxes.
#[test]
fn frames_in_bytes_that_are_no_box_are_refused() {
    let bench = Bench::new();
    let mut file = bench.recording("mp4mux faststart=true");
    let mdat = file.windows(4).position(|window| window == b"mdat").unwrap();
    file[mdat - 4..mdat].copy_from_slice(&3_u32.to_be_bytes());
    let error = bench.answer(&file).unwrap_err();
    assert!(error.to_string().contains("not in media data"), "{error}");
}

#[test]
fn a_damaged_segment_has_an_answer() {
    let bench = Bench::new();
    let file = fs::read(&bench.segment).unwrap();
    let path = bench.folder.path().join("damaged.mp4");
    for offset in moov(&file).step_by(2) {
        for value in [0, 0x7fff_ffff, u32::MAX] {
            let mut damaged = file.clone();
            let end = file.len().min(offset + 4);
            damaged[offset..end].copy_from_slice(&u32::to_be_bytes(value)[..end - offset]);
            fs::write(&path, damaged).unwrap();
            if let Ok(segment) = Segment::open(&path) {
                assert!(
                    segment
                        .samples()
                        .iter()
                        .all(|sample| sample.rank < segment.samples().len())
                );
            }
        }
    }
}

/// A small file must not lead to large tables.
#[test]
fn millions_of_frames_in_a_few_bytes_are_refused() {
    let bench = Bench::new();
    let file = bench.recording("mp4mux");
    let path = |name: &str| bench.folder.path().join(name);
    let table = |kind: &[u8; 4]| file.windows(4).position(|window| window == kind).unwrap();
    let mut damaged = file.clone();
    let mut put = |offset: usize, value: u32| damaged[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    put(table(b"stsz") + 8, 1);
    put(table(b"stsz") + 12, 1 << 22);
    put(table(b"stsc") + 16, 1 << 22);
    put(table(b"stts") + 12, 1 << 22);
    let error = open_and_read(&path("many.mp4"), &damaged).unwrap_err();
    assert!(
        matches!(error, Error::Damaged { .. } | Error::Truncated { .. }),
        "{error}"
    );
}

fn open_and_read(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    fs::write(path, bytes).unwrap();
    Movie::open(path)?.video()?;
    Ok(())
}
