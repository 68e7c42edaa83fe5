// SPDX-License-Identifier: MPL-2.0

//! The eight orientations.

use std::fmt;

use mp4_splice::Matrix;

/// A whole number of quarter turns, after mirroring or not: what a point of a picture is multiplied by from the right, as in MP4. The vertical axis points down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation([i8; 4]);

/// All of them, with the values of GStreamer's tag `image-orientation` and of its property `video-direction`, and in words.
const ALL: [(Orientation, &str, &str, &str); 8] = [
    (Orientation::UPRIGHT, "rotate-0", "identity", "upright"),
    (Orientation([0, 1, -1, 0]), "rotate-90", "90r", "turned by 90 degrees"),
    (
        Orientation([-1, 0, 0, -1]),
        "rotate-180",
        "180",
        "turned by 180 degrees",
    ),
    (Orientation([0, -1, 1, 0]), "rotate-270", "90l", "turned by 270 degrees"),
    (Orientation([-1, 0, 0, 1]), "flip-rotate-0", "horiz", "mirrored"),
    (
        Orientation([0, -1, -1, 0]),
        "flip-rotate-90",
        "ur-ll",
        "mirrored and turned by 90 degrees",
    ),
    (
        Orientation([1, 0, 0, -1]),
        "flip-rotate-180",
        "vert",
        "mirrored and turned by 180 degrees",
    ),
    (
        Orientation([0, 1, 1, 0]),
        "flip-rotate-270",
        "ul-lr",
        "mirrored and turned by 270 degrees",
    ),
];

const ONE: i32 = 1 << 16;

impl Orientation {
    pub const UPRIGHT: Self = Self([1, 0, 0, 1]);

    /// Returns what a value of the tag `image-orientation` means. `None` for an unknown one.
    pub fn from_tag(tag: &str) -> Option<Self> {
        ALL.iter().find(|known| known.1 == tag).map(|known| known.0)
    }

    /// Returns what a matrix does, but for scaling and moving. `None` for other angles, and for pictures that are not shown at all.
    pub fn from_matrix(matrix: &Matrix) -> Option<Self> {
        let [a, b, _, c, d, ..] = matrix.map(|number| number.signum() as i8);
        let known = Self([a, b, c, d]);
        ALL.iter()
            .any(|(orientation, ..)| *orientation == known)
            .then_some(known)
    }

    /// Returns an MP4 matrix for pictures that are shown at this size, in 16.16, before it applies. Their upper left corner stays where it is.
    pub fn matrix(self, width: u32, height: u32) -> Matrix {
        let [a, b, c, d] = self.0.map(i32::from);
        let side = |side: u32| i32::try_from(side).unwrap_or(i32::MAX);
        let beyond = |from_width: i32, from_height: i32| {
            side(width) * i32::from(from_width < 0) + side(height) * i32::from(from_height < 0)
        };
        [
            a * ONE,
            b * ONE,
            0,
            c * ONE,
            d * ONE,
            0,
            beyond(a, c),
            beyond(b, d),
            1 << 30,
        ]
    }

    /// Returns this one, and then another.
    pub fn then(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h])
    }

    /// Returns the one that undoes it.
    pub fn inverse(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([a, c, b, d])
    }

    /// Whether width and height change places.
    pub fn is_quarter_turn(self) -> bool {
        self.0[0] == 0
    }

    /// Returns the value of the tag `image-orientation`.
    pub fn tag(self) -> &'static str {
        self.known().1
    }

    /// Returns the value of the property `video-direction`.
    pub fn direction(self) -> &'static str {
        self.known().2
    }

    fn known(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        ALL.iter().find(|known| known.0 == self).unwrap_or(&ALL[0])
    }
}

impl Default for Orientation {
    fn default() -> Self {
        Self::UPRIGHT
    }
}

/// As in "turned by 90 degrees", clockwise.
impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known().3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_and_its_inverse_are_none_and_those_of_the_list_are_all() {
        for (first, tag, ..) in ALL {
            assert_eq!(first.then(first.inverse()), Orientation::UPRIGHT, "{tag}");
            assert_eq!(Orientation::from_tag(tag), Some(first));
            assert_eq!(Orientation::from_matrix(&first.matrix(96 << 16, 64 << 16)), Some(first));
            for (second, ..) in ALL {
                assert!(ALL.iter().any(|known| known.0 == first.then(second)));
            }
        }
    }

    /// GStreamer's words say what is done first.
    #[test]
    fn mirrored_and_turned_is_mirroring_and_then_turning() {
        let of = |tag: &str| Orientation::from_tag(tag).unwrap_or_default();
        for turns in ["0", "90", "180", "270"] {
            let (both, turn) = (of(&format!("flip-rotate-{turns}")), of(&format!("rotate-{turns}")));
            assert_eq!(of("flip-rotate-0").then(turn), both, "{turns}");
        }
        assert_eq!(of("rotate-90").then(of("rotate-90")), of("rotate-180"));
    }

    #[test]
    fn pictures_lie_where_they_are_seen() {
        let matrix = Orientation([0, 1, -1, 0]).matrix(96 << 16, 64 << 16);
        // A row of the picture goes down, and the first is at the right.
        assert_eq!(matrix, [0, ONE, 0, -ONE, 0, 0, 64 << 16, 0, 1 << 30]);
        let skewed = [ONE, ONE, 0, 0, ONE, 0, 0, 0, 1 << 30];
        assert_eq!(Orientation::from_matrix(&skewed), None);
    }
}
