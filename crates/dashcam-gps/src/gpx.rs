// SPDX-License-Identifier: MPL-2.0

//! Writing tracks as GPX 1.1 (<https://www.topografix.com/GPX/1/1/>).

use std::io::{self, Write};

use crate::{Fix, Track};

/// A gap longer than this starts a new track segment.
const MAX_GAP_S: i64 = 10;

/// Writes a track. `name` is its name, `creator` the name of the program that writes the file. Speed and bearing are written as Garmin's
/// `TrackPointExtension`, since GPX 1.1 has no elements for them.
///
/// # Errors
/// Errors in writing.
pub fn write(track: &Track, name: &str, creator: &str, mut to: impl Write) -> io::Result<()> {
    writeln!(to, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        to,
        r#"<gpx version="1.1" creator="{creator}" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">"#,
        creator = escaped(creator)
    )?;
    writeln!(to, "  <trk>")?;
    writeln!(to, "    <name>{}</name>", escaped(name))?;
    if !track.notes.is_empty() {
        writeln!(to, "    <desc>{}</desc>", escaped(&track.notes.join("; ")))?;
    }
    for segment in track.fixes.chunk_by(follows) {
        writeln!(to, "    <trkseg>")?;
        segment.iter().try_for_each(|fix| write_fix(fix, &mut to))?;
        writeln!(to, "    </trkseg>")?;
    }
    writeln!(to, "  </trk>")?;
    writeln!(to, "</gpx>")?;
    to.flush()
}

/// Whether two fixes are in the same track segment.
fn follows(a: &Fix, b: &Fix) -> bool {
    (0..=MAX_GAP_S).contains(&(b.time.as_second() - a.time.as_second()))
}

fn write_fix(fix: &Fix, to: &mut impl Write) -> io::Result<()> {
    writeln!(
        to,
        r#"      <trkpt lat="{:.6}" lon="{:.6}">"#,
        fix.latitude, fix.longitude
    )?;
    if let Some(altitude) = fix.altitude {
        writeln!(to, "        <ele>{altitude:.1}</ele>")?;
    }
    // A timestamp is displayed in RFC 3339, which is the format of GPX.
    writeln!(to, "        <time>{}</time>", fix.time)?;
    let speed = fix
        .speed
        .map(|speed| format!("<gpxtpx:speed>{speed:.2}</gpxtpx:speed>"));
    let course = fix
        .bearing
        .map(|bearing| format!("<gpxtpx:course>{bearing:.1}</gpxtpx:course>"));
    let extensions: String = speed.into_iter().chain(course).collect();
    if !extensions.is_empty() {
        writeln!(
            to,
            "        <extensions><gpxtpx:TrackPointExtension>{extensions}</gpxtpx:TrackPointExtension></extensions>"
        )?;
    }
    writeln!(to, "      </trkpt>")
}

/// Escapes text for XML 1.0, which cannot represent most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use jiff::Timestamp;

    use super::*;

    fn fix(second: i64) -> Fix {
        Fix {
            time: Timestamp::from_second(1_709_251_140 + second).unwrap(),
            latitude: 50.941_278,
            longitude: -6.958_281,
            altitude: None,
            speed: Some(13.89),
            bearing: Some(271.0),
        }
    }

    fn text(track: &Track, name: &str) -> String {
        let mut bytes = Vec::new();
        write(track, name, "blurdm", &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_fix_is_written_with_everything_that_is_known_about_it() {
        let high = Fix {
            altitude: Some(52.25),
            speed: None,
            bearing: None,
            ..fix(6)
        };
        let track = Track {
            fixes: vec![fix(5), high],
            notes: vec!["2 < 3".into()],
        };
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="blurdm" xmlns="http://www.topografix.com/GPX/1/1" xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">
  <trk>
    <name>A&amp;B.mp4</name>
    <desc>2 &lt; 3</desc>
    <trkseg>
      <trkpt lat="50.941278" lon="-6.958281">
        <time>2024-02-29T23:59:05Z</time>
        <extensions><gpxtpx:TrackPointExtension><gpxtpx:speed>13.89</gpxtpx:speed><gpxtpx:course>271.0</gpxtpx:course></gpxtpx:TrackPointExtension></extensions>
      </trkpt>
      <trkpt lat="50.941278" lon="-6.958281">
        <ele>52.2</ele>
        <time>2024-02-29T23:59:06Z</time>
      </trkpt>
    </trkseg>
  </trk>
</gpx>
"#;
        assert_eq!(text(&track, "A&B.mp4"), expected);
    }

    #[test]
    fn a_gap_or_a_step_back_in_time_starts_a_new_segment() {
        let track = |seconds: &[i64]| Track {
            fixes: seconds.iter().copied().map(fix).collect(),
            notes: Vec::new(),
        };
        for (seconds, segments) in [(&[1, 2, 2, 12][..], 1), (&[1, 2, 13, 14], 2), (&[5, 4], 2), (&[], 0)] {
            assert_eq!(
                text(&track(seconds), "x").matches("<trkseg>").count(),
                segments,
                "{seconds:?}"
            );
        }
    }

    #[test]
    fn the_name_of_a_program_cannot_break_the_file() {
        let track = Track {
            fixes: Vec::new(),
            notes: Vec::new(),
        };
        let mut bytes = Vec::new();
        write(&track, "x", r#"b" <1>"#, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(r#"creator="b&quot; &lt;1&gt;" xmlns"#), "{text}");
    }

    #[test]
    fn a_name_cannot_break_the_file() {
        let track = Track {
            fixes: Vec::new(),
            notes: Vec::new(),
        };
        let text = text(&track, "</name>\u{1}\u{ffff}Köln");
        assert!(
            text.contains("<name>&lt;/name&gt;\u{fffd}\u{fffd}Köln</name>"),
            "{text}"
        );
    }
}
