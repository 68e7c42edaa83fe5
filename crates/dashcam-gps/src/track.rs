// SPDX-License-Identifier: MPL-2.0

use jiff::Timestamp;

/// The positions that a file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// In the order of the file. Empty where the camera had no reception.
    pub fixes: Vec<Fix>,
    /// Sentences about what is missing or has been left out.
    pub notes: Vec<String>,
}

/// A position at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    pub time: Timestamp,
    /// In degrees, positive to the north.
    pub latitude: f64,
    /// In degrees, positive to the east.
    pub longitude: f64,
    /// In metres.
    pub altitude: Option<f64>,
    /// In metres per second.
    pub speed: Option<f64>,
    /// Direction of movement in degrees, clockwise from north.
    pub bearing: Option<f64>,
}
