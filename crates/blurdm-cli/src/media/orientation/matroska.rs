// SPDX-License-Identifier: MPL-2.0

//! The projection of a Matroska track, which says how its pictures are turned: RFC 9559, section 5.1.4.1.28.41.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::turns::Orientation;

const HEADER: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const NUMBER: u32 = 0xd7;
const VIDEO: u32 = 0xe0;
const PROJECTION: u32 = 0x7670;
const KIND: u32 = 0x7671;
const YAW: u32 = 0x7673;
const PITCH: u32 = 0x7674;
const ROLL: u32 = 0x7675;

/// A larger description of the tracks is taken for damage.
const MAX_TRACKS: u64 = 16 << 20;

/// Angles may be off by this, in degrees.
const TOLERANCE: f64 = 0.01;

/// Angles in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pose {
    yaw: f64,
    pitch: f64,
    roll: f64,
}

impl Pose {
    /// Returns the orientation of a flat picture: half a turn of yaw mirrors it, and roll turns it counter-clockwise. `None` for other angles.
    pub fn orientation(self) -> Option<Orientation> {
        let quarters = |angle: f64, divisor: f64| {
            let turns = (angle / divisor).round();
            ((angle - turns * divisor).abs() < TOLERANCE).then_some(turns as i64)
        };
        if self.pitch.abs() > TOLERANCE {
            return None;
        }
        let mirrored = quarters(self.yaw, 180.0)? % 2 != 0;
        let clockwise = (-quarters(self.roll, 90.0)?).rem_euclid(4) * 90;
        let flip = if mirrored { "flip-" } else { "" };
        Orientation::from_tag(&format!("{flip}rotate-{clockwise}"))
    }
}

/// Reads the pose of the track that `matroskademux` calls `id`: its number, and its UID after a colon. `None` where the file is not Matroska; a pose without any
/// turn where it states none, or a projection that is not flat.
pub fn read(path: &Path, id: &str) -> Option<Pose> {
    let number = id.split(':').next()?.parse().ok()?;
    let mut file = File::open(path).ok()?;
    let tracks = tracks(&mut file).ok()??;
    let track = Elements(&tracks)
        .filter(|(id, _)| *id == TRACK)
        .map(|(_, track)| track)
        .find(|track| child(track, NUMBER).map(unsigned) == Some(number));
    let projection = track
        .and_then(|track| child(track, VIDEO))
        .and_then(|video| child(video, PROJECTION));
    let is_flat = |projection: &&[u8]| child(projection, KIND).is_none_or(|kind| unsigned(kind) == 0);
    Some(projection.filter(is_flat).map_or(Pose::default(), |projection| {
        let angle = |id| child(projection, id).map_or(0.0, float);
        Pose {
            yaw: angle(YAW),
            pitch: angle(PITCH),
            roll: angle(ROLL),
        }
    }))
}

/// Returns the description of the tracks, which comes before the first cluster. `None` where the file is not Matroska.
fn tracks(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    let Some((HEADER, Some(size))) = head(file)? else {
        return Ok(None);
    };
    skip(file, size)?;
    let Some((SEGMENT, _)) = head(file)? else {
        return Ok(None);
    };
    while let Some((id, Some(size))) = head(file)? {
        match id {
            TRACKS if size <= MAX_TRACKS => {
                let mut tracks = Vec::new();
                file.take(size).read_to_end(&mut tracks)?;
                return Ok(Some(tracks));
            }
            TRACKS | CLUSTER => break,
            _ => skip(file, size)?,
        }
    }
    Ok(Some(Vec::new()))
}

fn skip(file: &mut File, size: u64) -> io::Result<()> {
    let here = file.stream_position()?;
    file.seek(SeekFrom::Start(here.saturating_add(size))).map(drop)
}

/// Reads the id and the size of an element. The size is `None` where it is not known; all is where there is no element.
fn head(file: &mut File) -> io::Result<Option<(u32, Option<u64>)>> {
    let start = file.stream_position()?;
    let mut bytes = Vec::new();
    file.take(12).read_to_end(&mut bytes)?;
    let Some((id, size, length)) = parse_head(&bytes) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(start + length as u64))?;
    Ok(Some((id, size)))
}

/// Returns id, size and the number of bytes of both.
fn parse_head(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let of_id = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..of_id).filter(|_| of_id <= 4)?;
    let of_size = bytes.get(of_id)?.leading_zeros() as usize + 1;
    let size = bytes.get(of_id..of_id + of_size).filter(|_| of_size <= 8)?;
    let (id, value) = (unsigned(id) as u32, unsigned(size));
    let unknown = (1 << (7 * of_size)) - 1;
    let value = value & unknown;
    Some((id, (value != unknown).then_some(value), of_id + of_size))
}

/// The elements in the content of another, up to the first that is not complete.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, size, length) = parse_head(self.0)?;
        let size = usize::try_from(size?).ok()?;
        let (content, rest) = self.0.get(length..)?.split_at_checked(size)?;
        self.0 = rest;
        Some((id, content))
    }
}

fn child(content: &[u8], id: u32) -> Option<&[u8]> {
    Elements(content)
        .find(|(found, _)| *found == id)
        .map(|(_, child)| child)
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// A float of 4 or 8 bytes. Another one is 0, as the format says.
fn float(bytes: &[u8]) -> f64 {
    match bytes.len() {
        4 => f64::from(f32::from_bits(unsigned(bytes) as u32)),
        8 => f64::from_bits(unsigned(bytes)),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_turn_of_yaw_mirrors_and_roll_turns_counter_clockwise() {
        let tag = |yaw, pitch, roll| Pose { yaw, pitch, roll }.orientation().map(Orientation::tag);
        assert_eq!(tag(0.0, 0.0, 0.0), Some("rotate-0"));
        assert_eq!(tag(0.0, 0.0, 90.0), Some("rotate-270"));
        assert_eq!(tag(0.0, 0.0, -90.0), Some("rotate-90"));
        assert_eq!(tag(0.0, 0.0, -180.0), Some("rotate-180"));
        assert_eq!(tag(180.0, 0.0, 0.0), Some("flip-rotate-0"));
        assert_eq!(tag(-180.0, 0.0, 90.0), Some("flip-rotate-270"));
        assert_eq!(tag(0.0, 30.0, 0.0), None);
        assert_eq!(tag(0.0, 0.0, 45.0), None);
    }
}
