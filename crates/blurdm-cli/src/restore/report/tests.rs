// SPDX-License-Identifier: MPL-2.0

// A test fails by a panic.
#![allow(clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    downsample::lines,
    page::{Figures, Report, Still, Video, write},
};

fn page(report: &Report) -> String {
    let mut bytes = Vec::new();
    write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A report of `count` frames at 30 fps, whose edges become narrower by a pixel.
fn clip(count: usize) -> Report {
    let frame = |number: usize| Figures {
        seconds: number as f64 / 30.0,
        edge_widths: Some((3.0, 2.0)),
        milliseconds: 30.0 + (number % 7) as f32,
        restored: true,
    };
    Report {
        title: "clip.mp4".into(),
        record: vec![("Model".into(), "blurdm-nano 0.1.0".into())],
        videos: vec![Video {
            title: None,
            frames: (0..count).map(frame).collect(),
            stills: Vec::new(),
        }],
        gaps: Vec::new(),
    }
}

fn png(width: u32, height: u32, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_image_data(&vec![value; (width * height) as usize])
        .unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn the_page_has_the_figures_of_the_whole_file() {
    let mut report = clip(300);
    for frame in &mut report.videos[0].frames[..60] {
        (frame.restored, frame.milliseconds) = (false, 0.1);
    }
    let page = page(&report);
    let summary = "300 frames, 240 restored, 60 let pass. Edges were 3.0 px wide and are 2.0 px (median). \
                   A frame took 33.0 ms (median), 36.0 ms at 95%.";
    assert!(page.contains(summary), "{page}");
    assert!(
        page.contains("<tr><th>Model</th><td>blurdm-nano 0.1.0</td></tr>"),
        "{page}"
    );
    assert!(
        page.contains("Width of edges, px") && page.contains("Time for a frame, ms"),
        "{page}"
    );
}

#[test]
fn no_text_of_a_file_becomes_markup() {
    let hostile = "</title><script>alert(\"1\")</script>&'\u{1b}";
    let report = Report {
        title: hostile.into(),
        record: vec![(hostile.into(), hostile.into())],
        gaps: vec![hostile.into()],
        ..clip(10)
    };
    let page = page(&report);
    assert!(!page.contains("<script>"), "{page}");
    let escaped = "&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\u{fffd}";
    assert_eq!(page.matches(escaped).count(), 5, "{page}");
}

#[test]
fn stills_are_embedded_unchanged_and_nothing_is_loaded() {
    let (before, after) = (png(64, 36, 10), png(64, 36, 200));
    let mut report = clip(10);
    report.videos[0].stills = vec![
        Still {
            seconds: 3.25,
            before: before.clone(),
            after: after.clone(),
        },
        Still {
            seconds: 3725.0,
            before: b"no picture".to_vec(),
            after: Vec::new(),
        },
    ];
    let page = page(&report);
    for bytes in [&before, &after] {
        let address = format!("src=\"data:image/png;base64,{}\"", STANDARD.encode(bytes));
        assert_eq!(page.matches(&address).count(), 1);
    }
    assert_eq!(page.matches("width=\"64\" height=\"36\"").count(), 2);
    assert_eq!(page.matches("type=\"range\"").count(), 2);
    assert!(
        page.contains("Frame at 0:03.3, restored") && page.contains("<figcaption>1:02:05.0"),
        "{page}"
    );
    for reference in ["http:", "https:", "<link", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert_eq!(page.matches(" src=").count(), page.matches(" src=\"data:").count());
}

#[test]
fn a_page_of_three_hours_is_no_larger_than_a_screen_needs() {
    let mut report = clip(3 * 3600 * 30);
    report.videos[0].frames[100_000].milliseconds = 60.0;
    let page = page(&report);
    assert!(page.len() < 250_000, "{} bytes", page.len());
    assert!(page.contains(">1:30:00</text>"), "ticks of the time axis are round");
}

#[test]
fn a_point_stands_for_all_its_frames() {
    let seconds: Vec<f64> = (0..100_000).map(|number| f64::from(number) / 30.0).collect();
    let mut values: Vec<Option<f32>> = (0..100_000).map(|number| Some((number % 10) as f32)).collect();
    values[77_777] = Some(500.0);
    let line = lines(&seconds, &values, 900).remove(0);
    assert_eq!(line.len(), 900);
    assert!(
        line.iter()
            .all(|point| point.least <= point.mean && point.mean <= point.most)
    );
    assert!(line.windows(2).all(|pair| pair[0].at < pair[1].at));
    let peaks: Vec<f64> = line.iter().map(|point| point.most).filter(|most| *most > 9.0).collect();
    assert_eq!(peaks, [500.0]);
    assert!((line[3].mean - 4.5).abs() < 0.1);
}

#[test]
fn a_line_is_broken_where_frames_or_values_are_missing() {
    let value = Some(1.0);
    let broken = |seconds: &[f64], values: &[Option<f32>]| -> Vec<usize> {
        lines(seconds, values, 900).iter().map(Vec::len).collect()
    };
    assert_eq!(broken(&[0.0, 0.1, 0.2, 0.3], &[value; 4]), [4]);
    assert_eq!(broken(&[0.0, 0.1, 0.2, 0.3], &[value, None, value, value]), [1, 2]);
    assert_eq!(broken(&[0.0, 0.1, 0.2, 0.3], &[None, value, Some(f32::NAN), None]), [1]);
    assert_eq!(broken(&[0.0, 0.1, 5.0, 5.1], &[value; 4]), [2, 2]);
    // Two seconds are no gap where all frames are that far apart.
    assert_eq!(broken(&[0.0, 2.0, 4.0, 6.0], &[value; 4]), [4]);
    assert_eq!(broken(&[7.0], &[value]), [1]);
    assert_eq!(broken(&[], &[]), [0; 0]);
}

#[test]
fn one_slow_frame_does_not_flatten_the_others_and_is_mentioned() {
    let mut report = clip(1000);
    report.videos[0].frames[0].milliseconds = 4321.0;
    let page = page(&report);
    assert!(page.contains("1 frame beyond it, up to 4321 ms"), "{page}");
    assert!(page.contains(">40</text>") && !page.contains(">4000</text>"), "{page}");
}

#[test]
fn odd_clips_have_a_page_too() {
    let nothing = Figures {
        seconds: 0.0,
        edge_widths: None,
        milliseconds: f32::NAN,
        restored: false,
    };
    for frames in [vec![], vec![nothing], vec![nothing; 5]] {
        let mut report = clip(0);
        report.videos[0].frames = frames;
        let page = page(&report);
        assert!(
            page.ends_with("</html>\n") && !page.contains("NaN") && !page.contains("inf"),
            "{page}"
        );
    }
}

#[test]
fn each_of_several_videos_has_its_figures_and_stills_and_one_switch_serves_all() {
    let mut report = clip(10);
    report.videos.extend(clip(20).videos);
    for (number, video) in (1..).zip(&mut report.videos) {
        video.title = Some(format!("Video {number} (<front>)"));
        video.stills = vec![Still {
            seconds: 0.1,
            before: png(8, 8, number),
            after: png(8, 8, 99),
        }];
    }
    let page = page(&report);
    for title in [
        "Video 1 (&lt;front&gt;): 10 frames, 10 restored",
        "Video 2 (&lt;front&gt;): 20 frames",
        "<h2>Video 2 (&lt;front&gt;)</h2>",
    ] {
        assert!(page.contains(title), "{title}: {page}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert_eq!(page.matches("type=\"range\"").count(), 2);
    assert_eq!(page.matches("id=\"actual\"").count(), 1);
}
