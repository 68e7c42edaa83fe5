// SPDX-License-Identifier: MPL-2.0

//! The projection of a Matroska track, which says how its pictures are turned: RFC 9559, section 5.1.4.1.28.41.

use std::{fs::File, path::Path};

use super::turns::Orientation;
use crate::media::matroska::{
    ebml::{Element, HEADER, Place, children},
    tracks::{self, PROJECTION, PROJECTION_TYPE, VIDEO},
};

const YAW: u32 = 0x7673;
const PITCH: u32 = 0x7674;
const ROLL: u32 = 0x7675;

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
    Place::read(&mut file, 0).ok()?.filter(|header| header.id == HEADER)?;
    let (_, body) = tracks::read(&mut file).ok()?.unzip();
    let body = body.unwrap_or_default();
    let track = tracks::entries(&body).find(|track| tracks::number(track.body) == Some(number));
    let video = track.and_then(|track| child(track, VIDEO));
    let projection = video.and_then(|video| child(video, PROJECTION));
    let is_flat = |projection: &Element| {
        let kind = child(*projection, PROJECTION_TYPE);
        kind.and_then(|kind| kind.number()).unwrap_or(0) == 0
    };
    Some(projection.filter(is_flat).map_or(Pose::default(), |projection| {
        let angle = |id| child(projection, id).map_or(0.0, float);
        Pose {
            yaw: angle(YAW),
            pitch: angle(PITCH),
            roll: angle(ROLL),
        }
    }))
}

fn child(element: Element<'_>, id: u32) -> Option<Element<'_>> {
    children(element.body).find(|child| child.id == id)
}

/// A float of 4 or 8 bytes. Another one is 0, as the format says.
fn float(element: Element<'_>) -> f64 {
    match (element.body.len(), element.number()) {
        (4, Some(number)) => f64::from(f32::from_bits(number as u32)),
        (8, Some(number)) => f64::from_bits(number),
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
