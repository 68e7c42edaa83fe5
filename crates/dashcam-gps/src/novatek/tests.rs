// SPDX-License-Identifier: MPL-2.0

// A test fails by a panic.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use super::*;
use crate::Fix;

fn boxed(name: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len() + 8).unwrap();
    [&size.to_be_bytes(), name, payload].concat()
}

/// Returns a file as such cameras write it: blocks in `mdat`, and then `moov` with the index.
fn file(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = boxed(b"ftyp", b"avc1\0\0\0\0");
    let (mut media, mut index) = (vec![7; 1000], vec![0, 0, 1, 1]);
    index.extend(u32::try_from(blocks.len()).unwrap().to_be_bytes());
    for block in blocks {
        let at = bytes.len() + 8 + media.len();
        index.extend(u32::try_from(at).unwrap().to_be_bytes());
        index.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
        media.extend(block);
        media.extend([9; 333]);
    }
    bytes.extend(boxed(b"mdat", &media));
    bytes.extend(boxed(
        b"moov",
        &[boxed(b"mvhd", &[0; 100]), boxed(b"gps ", &index)].concat(),
    ));
    bytes
}

fn block(parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut block = boxed(b"free", &[0; 400]);
    block[8..12].copy_from_slice(b"GPS ");
    for (at, bytes) in parts {
        block[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    block
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn singles(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// What a block holds: second from 0 to 59, degrees and minutes in the format of NMEA, and knots.
#[derive(Clone, Copy)]
struct Values {
    second: u32,
    latitude: f64,
    longitude: f64,
    knots: f64,
    hemispheres: [u8; 2],
}

/// Moves north-east at 20 m/s from 51° 20' and 7° 30' on.
fn values_at(second: u32) -> Values {
    let metres = 20.0 / f64::sqrt(2.0) * f64::from(second);
    let minute_north = 1853.25;
    Values {
        second,
        latitude: 5120.0 + metres / minute_north,
        longitude: 730.0 + metres / (minute_north * f64::to_radians(51.3).cos()),
        knots: 20.0 / 0.514_444,
        hemispheres: *b"NE",
    }
}

/// The layout of Viofo A119, or 32 bytes earlier that of A129.
fn single(start: usize, values: Values) -> Vec<u8> {
    let [north, east] = values.hemispheres;
    block(&[
        (start, &words(&[14, 5, values.second, 23, 6, 30])),
        (start + 24, &[b'A', north, east, 0]),
        (
            start + 28,
            &singles(&[
                values.latitude as f32,
                values.longitude as f32,
                values.knots as f32,
                45.0,
            ]),
        ),
    ])
}

/// The layout of Vantrue N4.
fn double(values: Values) -> Vec<u8> {
    let [north, east] = values.hemispheres;
    block(&[
        (16, &words(&[14, 5, values.second])),
        (28, b"A\0\0\0"),
        (32, &values.latitude.to_le_bytes()),
        (40, &[north]),
        (48, &values.longitude.to_le_bytes()),
        (56, &[east]),
        (64, &values.knots.to_le_bytes()),
        (72, &45.0_f64.to_le_bytes()),
        (80, &words(&[23, 6, 30])),
    ])
}

/// The layout of Vantrue S1.
fn date_first(values: Values) -> Vec<u8> {
    let [north, east] = values.hemispheres;
    let numbers = [
        values.longitude as f32,
        values.latitude as f32,
        values.knots as f32,
        45.0,
        117.5,
    ];
    block(&[
        (48, b"horsontech"),
        (64, &[b'A', north, east, 0]),
        (68, &words(&[23, 6, 30, 14, 5, values.second])),
        (92, &singles(&numbers)),
    ])
}

fn drive(block: impl Fn(Values) -> Vec<u8>) -> Vec<u8> {
    file(&(0..30).map(|second| block(values_at(second))).collect::<Vec<_>>())
}

fn track_of(bytes: &[u8]) -> Result<Option<Track>, Error> {
    read(&mut Cursor::new(bytes))
}

fn known(bytes: &[u8]) -> Track {
    track_of(bytes).unwrap().unwrap()
}

/// Returns the reason why there is no track.
fn refused(bytes: &[u8]) -> String {
    match track_of(bytes) {
        Err(Error::Unsupported(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn assert_near(fix: &Fix, latitude: f64, longitude: f64) {
    let near = (fix.latitude - latitude).abs() < 2e-5 && (fix.longitude - longitude).abs() < 2e-5;
    assert!(near, "{fix:?}");
}

#[test]
fn time_position_speed_and_bearing_are_read_in_every_known_layout() {
    let layouts: [Vec<u8>; 4] = [
        drive(|values| single(48, values)),
        drive(|values| single(16, values)),
        drive(double),
        drive(date_first),
    ];
    for bytes in layouts {
        let track = known(&bytes);
        assert_eq!((track.fixes.len(), &track.notes), (30, &Vec::new()));
        let (first, last) = (&track.fixes[0], &track.fixes[29]);
        assert_eq!(first.time.to_string(), "2023-06-30T14:05:00Z");
        assert_eq!(last.time.to_string(), "2023-06-30T14:05:29Z");
        assert_near(first, 51.0 + 20.0 / 60.0, 7.5);
        assert_near(last, 51.337_021, 7.505_899);
        assert!(
            (first.speed.unwrap() - 20.0).abs() < 0.01 && first.bearing == Some(45.0),
            "{first:?}"
        );
    }
    let high = known(&drive(date_first)).fixes[0].altitude;
    assert_eq!(high, Some(117.5));
}

#[test]
fn south_and_west_are_negative() {
    let southwest = |values: Values| {
        single(
            48,
            Values {
                hemispheres: *b"SW",
                ..values
            },
        )
    };
    assert_near(&known(&drive(southwest)).fixes[0], -51.0 - 20.0 / 60.0, -7.5);
}

#[test]
fn seconds_without_reception_are_counted_and_give_no_position() {
    let void = |status: &[u8]| block(&[(48, &words(&[0, 0, 0, 0, 0, 0])), (72, status)]);
    let mut blocks: Vec<Vec<u8>> = (0..30).map(|second| single(48, values_at(second))).collect();
    blocks[3] = void(b"VNE\0");
    blocks[4] = void(b"V\0\0\0");
    blocks[5] = block(&[]);
    let track = known(&file(&blocks));
    assert_eq!(track.fixes.len(), 27);
    assert_eq!(track.notes, ["no reception in 3 of 30 blocks"]);
    let none = known(&file(&vec![void(b"VNE\0"); 5]));
    assert_eq!((none.fixes.len(), none.notes.len()), (0, 1), "{none:?}");
}

#[test]
fn a_file_without_such_data_has_no_track() {
    let movie = [boxed(b"ftyp", b"isom"), boxed(b"moov", &boxed(b"mvhd", &[0; 100]))].concat();
    for bytes in [&b""[..], b"RIFF", b"no MP4 at all, but longer than a head", &movie] {
        assert!(track_of(bytes).unwrap().is_none());
    }
}

#[test]
fn positions_that_are_scaled_are_refused() {
    // As in Rexing V1-4k.
    let obfuscated = |values: Values| {
        single(
            48,
            Values {
                latitude: (values.latitude / 100.0) * 3.0 + 187.982_162,
                longitude: (values.longitude / 100.0) * 2.0 + 2_199.198_737,
                ..values
            },
        )
    };
    // In degrees instead of degrees and minutes.
    let degrees = |values: Values| {
        single(
            48,
            Values {
                latitude: 33.0 + values.latitude % 100.0 / 60.0,
                longitude: 7.0 + values.longitude % 100.0 / 60.0,
                ..values
            },
        )
    };
    for bytes in [drive(obfuscated), drive(degrees)] {
        let why = refused(&bytes);
        assert!(
            why.contains("contradict each other") || why.contains("not known"),
            "{why}"
        );
    }
}

#[test]
fn positions_that_jump_while_the_speed_is_zero_are_refused_and_those_of_a_standing_camera_are_noted_as_unchecked() {
    let jumping = |values: Values| {
        single(
            48,
            Values {
                latitude: 5120.0 + f64::from(values.second * 7 % 11),
                knots: 0.0,
                ..values
            },
        )
    };
    assert!(refused(&drive(jumping)).contains("contradict each other"));
    let standing = |values: Values| {
        single(
            48,
            Values {
                latitude: 5120.0,
                longitude: 730.0,
                knots: 0.0,
                ..values
            },
        )
    };
    let track = known(&drive(standing));
    assert!(track.notes[0].contains("could not be compared"), "{track:?}");
}

#[test]
fn speeds_in_another_unit_are_left_out_and_positions_kept() {
    let in_kmh = |values: Values| single(48, Values { knots: 72.0, ..values });
    let track = known(&drive(in_kmh));
    assert!(track.fixes.iter().all(|fix| fix.speed.is_none()));
    assert!(
        track.fixes.len() == 30 && track.notes[0].contains("speeds are left out"),
        "{:?}",
        track.notes
    );
}

#[test]
fn unknown_layouts_are_reported_and_not_guessed() {
    let base64 = block(&[
        (16, &words(&[8, 34, 1, 24, 8, 16])),
        (40, b"ANE\0"),
        (44, b"gNiiZ8JTtHca6tw="),
        (64, b"htuiZMJSsXUX7No="),
    ]);
    let full_year = block(&[
        (48, &words(&[9, 38, 21, 2025, 5, 16])),
        (72, b"ASE\0"),
        (76, &singles(&[29.79, 30.88, 8.9, 307.2])),
    ]);
    let integers = block(&[
        (16, b"IQS_A7_20150417"),
        (48, &words(&[9, 38, 21, 15, 5, 16])),
        (72, b"ANE\0"),
    ]);
    let no_date = block(&[
        (48, &words(&[9, 38, 21, 23, 2, 30])),
        (72, b"ANE\0"),
        (76, &singles(&[5120.0, 730.0, 0.0, 0.0])),
    ]);
    let no_minutes = block(&[
        (48, &words(&[9, 38, 21, 23, 2, 3])),
        (72, b"ANE\0"),
        (76, &singles(&[5177.0, 730.0, 0.0, 0.0])),
    ]);
    let no_number = block(&[
        (48, &words(&[9, 38, 21, 23, 2, 3])),
        (72, b"ANE\0"),
        (76, &singles(&[f32::NAN, f32::INFINITY, 0.0, 0.0])),
    ]);
    let other = block(&[(16, b"LIGOGPSINFO\0")]);
    let no_block = vec![1; 400];
    for unknown in [
        base64, full_year, integers, no_date, no_minutes, no_number, other, no_block,
    ] {
        let why = refused(&file(&vec![unknown; 3]));
        assert_eq!(why, "3 of 3 blocks have a layout that is not known");
    }
    // It does not affect the blocks that are understood.
    let mut blocks: Vec<Vec<u8>> = (0..30).map(|second| single(48, values_at(second))).collect();
    blocks.push(block(&[(16, b"PWRS=1,ACC=0")]));
    assert_eq!(known(&file(&blocks)).notes, ["1 of 31 blocks are not understood"]);
}

#[test]
fn no_damage_to_a_file_is_more_than_an_error() {
    let whole = drive(|values| single(48, values));
    for length in (0..whole.len()).step_by(97).chain(whole.len() - 300..whole.len()) {
        // Truncated before `moov`, which is at the end.
        assert!(track_of(&whole[..length]).unwrap().is_none(), "{length} bytes");
    }
    let heads = 0..60;
    let index = whole.len() - 260..whole.len();
    for at in heads.chain(index) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            // Any result will do.
            let _ = track_of(&damaged);
        }
    }
}

#[test]
fn an_index_that_claims_more_than_there_is_costs_no_more_than_there_is() {
    let mut bytes = drive(|values| single(48, values));
    let index = bytes.len() - 30 * 8 - 4;
    bytes[index..index + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(known(&bytes).fixes.len(), 30);
    let huge = boxed(b"moov", &boxed(b"gps ", &vec![0xff; 8 * 100_000]));
    assert!(refused(&huge).contains("lists 99999 blocks"));
    // Offsets beyond the end of the file.
    let behind = boxed(b"moov", &boxed(b"gps ", &vec![0xff; 8 * 100]));
    assert!(refused(&behind).contains("99 of 99 blocks"));
}

#[test]
fn boxes_of_64_bits_and_boxes_to_the_end_are_followed() {
    let blocks = file(&(0..30).map(|second| single(48, values_at(second))).collect::<Vec<_>>());
    let movie = blocks.windows(4).rposition(|name| name == b"moov").unwrap() - 4;
    let mut open = blocks.clone();
    open[movie..movie + 4].copy_from_slice(&[0; 4]);
    assert_eq!(known(&open).fixes.len(), 30);
    let mut long = blocks[..movie].to_vec();
    let size = u64::try_from(blocks.len() - movie + 8).unwrap();
    long.extend([&[0, 0, 0, 1][..], b"moov", &size.to_be_bytes(), &blocks[movie + 8..]].concat());
    assert_eq!(known(&long).fixes.len(), 30);
    // Sizes at which arithmetic could overflow.
    for size in [0, 15, u64::MAX, u64::MAX - 7] {
        let bad = [&[0, 0, 0, 1][..], b"moov", &size.to_be_bytes(), &[0; 64]].concat();
        assert!(track_of(&bad).unwrap().is_none());
    }
}

#[test]
fn a_file_of_nothing_but_boxes_ends() {
    let empty = boxed(b"free", &[]).repeat(200_000);
    assert!(track_of(&empty).unwrap().is_none());
}

#[test]
fn a_missing_file_is_an_error() {
    assert!(matches!(track(Path::new("/nonexistent.mp4")), Err(Error::Io(_))));
}
