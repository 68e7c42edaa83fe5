// SPDX-License-Identifier: MPL-2.0

//! GPX files: whatever the names, notes and times are, they are XML that another parser reads, with all points.

#![no_main]

use arbitrary::Arbitrary;
use dashcam_gps::{Fix, Track, gpx};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    name: &'a str,
    creator: &'a str,
    notes: Vec<&'a str>,
    points: Vec<Point>,
}

#[derive(Debug, Arbitrary)]
struct Point {
    second: i32,
    latitude: i32,
    longitude: i32,
    altitude: Option<i16>,
    speed: Option<u16>,
    bearing: Option<u16>,
}

fuzz_target!(|input: Input| {
    let track = Track {
        fixes: input.points.iter().filter_map(fix).collect(),
        notes: input.notes.iter().map(|&note| note.to_owned()).collect(),
    };
    let mut file = Vec::new();
    gpx::write(&track, input.name, input.creator, &mut file).expect("memory can be written");
    let text = String::from_utf8(file).expect("it is UTF-8");
    let document = roxmltree::Document::parse(&text).expect("it is XML");
    let all = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.has_tag_name(("http://www.topografix.com/GPX/1/1", name)))
    };
    assert_eq!(all("trkpt").count(), track.fixes.len());
    for (point, fix) in all("trkpt").zip(&track.fixes) {
        let degrees = |name| {
            point
                .attribute(name)
                .and_then(|text| text.parse::<f64>().ok())
                .expect("it is a number")
        };
        assert!((degrees("lat") - fix.latitude).abs() < 1e-6 && (degrees("lon") - fix.longitude).abs() < 1e-6);
        let time = point
            .children()
            .find(|node| node.tag_name().name() == "time")
            .and_then(|node| node.text());
        assert_eq!(time.and_then(|time| time.parse::<Timestamp>().ok()), Some(fix.time));
    }
    let name = all("name").next().expect("it has a name").text().unwrap_or_default();
    assert_eq!(name.chars().count(), input.name.chars().count(), "{name:?}");
});

fn fix(point: &Point) -> Option<Fix> {
    Some(Fix {
        time: Timestamp::from_second(point.second.into()).ok()?,
        latitude: f64::from(point.latitude) * 90.0 / f64::from(i32::MAX),
        longitude: f64::from(point.longitude) * 180.0 / f64::from(i32::MAX),
        altitude: point.altitude.map(f64::from),
        speed: point.speed.map(f64::from),
        bearing: point.bearing.map(|bearing| f64::from(bearing % 360)),
    })
}
