// SPDX-License-Identifier: MPL-2.0

//! The report of a restored video as one HTML page: stills before and after with a slider between them, plots of the width of edges and of
//! the time per frame, and the record of how the video was made. The page is self-contained and loads nothing from the network.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use base64::{engine::general_purpose::STANDARD, write::EncoderWriter};

use super::{
    html::{Escaped, clock},
    plot::{Plot, Series},
    statistics::quantile,
};
use crate::restore::segments::SHARP;

pub struct Report {
    /// The name of the file.
    pub title: String,
    /// Names and values of the record.
    pub record: Vec<(String, String)>,
    pub videos: Vec<Video>,
    /// What could not be decoded, and what could not be kept.
    pub gaps: Vec<String>,
}

/// A restored video.
pub struct Video {
    /// `None` for the only one.
    pub title: Option<String>,
    /// All frames in presentation order.
    pub frames: Vec<Figures>,
    pub stills: Vec<Still>,
}

/// The figures of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Time since the start of the file.
    pub seconds: f64,
    /// Width of edges in pixels before and after. `None` where there are no edges.
    pub edge_widths: Option<(f32, f32)>,
    /// Time in the element.
    pub milliseconds: f32,
    /// `false` for a frame that passed unchanged because it is sharp.
    pub restored: bool,
}

/// A frame before and after, as PNG files.
pub struct Still {
    pub seconds: f64,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
}

/// Writes the page.
///
/// # Errors
/// Errors in writing.
pub fn write(report: &Report, mut to: impl Write) -> io::Result<()> {
    head(&report.title, &mut to)?;
    for video in &report.videos {
        let title = video
            .title
            .as_ref()
            .map(|title| format!("{title}: "))
            .unwrap_or_default();
        let summary = summary(&video.frames);
        writeln!(to, "<p class=\"summary\">{}{summary}</p>", Escaped(&title))?;
    }
    if !report.gaps.is_empty() {
        writeln!(to, "<section class=\"gaps\"><h2>Not restored or not kept</h2><ul>")?;
        for gap in &report.gaps {
            writeln!(to, "<li>{}</li>", Escaped(gap))?;
        }
        writeln!(to, "</ul></section>")?;
    }
    let first_with_stills = report.videos.iter().position(|video| !video.stills.is_empty());
    for (number, video) in report.videos.iter().enumerate() {
        if let Some(title) = &video.title {
            writeln!(to, "<h2>{}</h2>", Escaped(title))?;
        }
        stills(&video.stills, first_with_stills == Some(number), &mut to)?;
        plots(&video.frames, &mut to)?;
    }
    writeln!(to, "<section><h2>How it was made</h2><table>")?;
    for (name, value) in &report.record {
        writeln!(to, "<tr><th>{}</th><td>{}</td></tr>", Escaped(name), Escaped(value))?;
    }
    writeln!(to, "</table></section>\n</main>")?;
    if first_with_stills.is_some() {
        writeln!(to, "<script>\n{}</script>", include_str!("slider.js"))?;
    }
    writeln!(to, "</body>\n</html>")?;
    to.flush()
}

fn head(title: &str, to: &mut impl Write) -> io::Result<()> {
    writeln!(
        to,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="blurdm {version}">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{title} – blurdm</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>"#,
        version = env!("CARGO_PKG_VERSION"),
        title = Escaped(title),
        style = include_str!("style.css"),
    )
}

/// Returns the figures of the whole file in a sentence.
fn summary(frames: &[Figures]) -> String {
    let restored: Vec<&Figures> = frames.iter().filter(|frame| frame.restored).collect();
    let mut text = match frames.len() {
        1 => "1 frame".into(),
        count => format!("{count} frames"),
    };
    let _ = write!(text, ", {} restored", restored.len());
    if restored.len() < frames.len() {
        let _ = write!(text, ", {} let pass", frames.len() - restored.len());
    }
    let widths = || restored.iter().filter_map(|frame| frame.edge_widths);
    if let (Some(before), Some(after)) = (
        quantile(widths().map(|(before, _)| before), 0.5),
        quantile(widths().map(|(_, after)| after), 0.5),
    ) {
        let _ = write!(text, ". Edges were {before:.1} px wide and are {after:.1} px (median)");
    }
    let times = || restored.iter().map(|frame| frame.milliseconds);
    if let (Some(median), Some(p95)) = (quantile(times(), 0.5), quantile(times(), 0.95)) {
        let _ = write!(text, ". A frame took {median:.1} ms (median), {p95:.1} ms at 95%");
    }
    text + "."
}

/// `with_switch`: whether the switch for the stills of all videos is above these.
fn stills(stills: &[Still], with_switch: bool, to: &mut impl Write) -> io::Result<()> {
    if stills.is_empty() {
        return Ok(());
    }
    let switch = if with_switch {
        "<label><input type=\"checkbox\" id=\"actual\"> actual size</label>"
    } else {
        ""
    };
    writeln!(
        to,
        "<section><div class=\"bar\"><h2>Before and after</h2>{switch}</div>\n\
         <p class=\"hint\">Move the line with the pointer, or with the arrow keys. Left of it the frame is as recorded, right of it as restored.</p>"
    )?;
    for still in stills {
        let at = clock(still.seconds);
        let size = png_size(&still.before)
            .map(|(width, height)| format!(" width=\"{width}\" height=\"{height}\""))
            .unwrap_or_default();
        write!(
            to,
            "<figure><div class=\"frame\"><div class=\"pair\"><img alt=\"Frame at {at}, restored\"{size} src=\""
        )?;
        data_url(&still.after, to)?;
        write!(
            to,
            "\"><img class=\"before\" alt=\"Frame at {at}, as recorded\"{size} src=\""
        )?;
        data_url(&still.before, to)?;
        writeln!(
            to,
            "\"><span class=\"line\"></span><span class=\"tag left\">before</span><span class=\"tag right\">after</span>\
             <input type=\"range\" min=\"0\" max=\"100\" step=\"0.1\" value=\"50\" \
             aria-label=\"Share of the frame at {at} that is shown as recorded\"></div></div>\
             <figcaption>{at}</figcaption></figure>"
        )?;
    }
    writeln!(to, "</section>")
}

/// Writes a PNG file as a data URL.
fn data_url(png: &[u8], to: &mut impl Write) -> io::Result<()> {
    write!(to, "data:image/png;base64,")?;
    let mut encoder = EncoderWriter::new(&mut *to, &STANDARD);
    encoder.write_all(png)?;
    encoder.finish().map(|_| ())
}

/// Returns width and height from the header of a PNG file. With them a browser reserves space before it has decoded the picture.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")?;
    let side = |at: usize| header.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    Some((side(0)?, side(4)?))
}

fn plots(frames: &[Figures], to: &mut impl Write) -> io::Result<()> {
    if frames.len() < 2 {
        return Ok(());
    }
    let seconds: Vec<f64> = frames.iter().map(|frame| frame.seconds).collect();
    let widths = |side: fn((f32, f32)) -> f32| frames.iter().map(|frame| frame.edge_widths.map(side)).collect();
    let plots = [
        Plot {
            title: "Width of edges",
            unit: "px",
            seconds: &seconds,
            series: vec![
                Series {
                    name: "before",
                    values: widths(|(before, _)| before),
                },
                Series {
                    name: "after",
                    values: widths(|(_, after)| after),
                },
            ],
            mark: Some((f64::from(SHARP), "sharp below")),
        },
        Plot {
            title: "Time for a frame",
            unit: "ms",
            seconds: &seconds,
            series: vec![Series {
                name: "time",
                values: frames
                    .iter()
                    .map(|frame| frame.restored.then_some(frame.milliseconds))
                    .collect(),
            }],
            mark: None,
        },
    ];
    writeln!(to, "<section><h2>Frame by frame</h2>")?;
    for plot in plots {
        write!(to, "{plot}")?;
    }
    writeln!(
        to,
        "<p class=\"hint\">The width of edges is measured in the direction in which they are widest, up to 4 px. \
         Where a point stands for several frames, lines are means and bands go from minimum to maximum.</p></section>"
    )
}
