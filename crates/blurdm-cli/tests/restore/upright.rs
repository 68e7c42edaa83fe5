// SPDX-License-Identifier: MPL-2.0

//! Clips that were recorded on their side or mirrored, as phones write them: whatever is made of them, people see it as they see the original.

use std::{fs, path::Path};

use gst_video::prelude::*;

use crate::clips::{folder, launch, launch_with, record, stderr, succeed, text};

/// A matrix of MP4, and GStreamer's name for what it does to a picture.
type Turn = ([i32; 4], &'static str);

const QUARTER: Turn = ([0, 1, -1, 0], "90r");

const TURNS: [Turn; 8] = [
    ([1, 0, 0, 1], "identity"),
    QUARTER,
    ([-1, 0, 0, -1], "180"),
    ([0, -1, 1, 0], "90l"),
    ([-1, 0, 0, 1], "horiz"),
    ([1, 0, 0, -1], "vert"),
    ([0, 1, 1, 0], "ul-lr"),
    ([0, -1, -1, 0], "ur-ll"),
];

/// Bars of colour with a row of others below them, which look different in every orientation. The rest of the pattern, with noise in it, is cut off.
fn picture(format: &str, (width, height): (u32, u32)) -> String {
    let rest = height.div_ceil(3);
    format!(
        "videotestsrc num-buffers=8 pattern=smpte ! video/x-raw,{format},framerate=25/1,width={width},height={} ! videocrop bottom={rest}",
        height + rest
    )
}

/// Makes a clip whose frames are turned by the matrix when it is played.
fn clip(path: &Path, format: &str, size: (u32, u32), encoder: &str, (matrix, _): Turn) {
    let (picture, path_in_text) = (picture(format, size), path.display());
    launch(&format!(
        "{picture} ! {encoder} ! qtmux ! filesink location=\"{path_in_text}\""
    ));
    set_matrix(path, b"tkhd", 40, matrix);
}

fn h264(path: &Path, turn: Turn) {
    clip(
        path,
        "format=I420",
        (96, 64),
        "x264enc bframes=0 quantizer=10 pass=quant ! h264parse",
        turn,
    );
}

fn set_matrix(path: &Path, header: &[u8; 4], at: usize, matrix: [i32; 4]) {
    let mut file = fs::read(path).unwrap();
    let at = file.windows(4).position(|window| window == header).unwrap() + 4 + at;
    for (number, value) in [0, 1, 3, 4].into_iter().zip(matrix) {
        let field = at + 4 * number;
        file[field..field + 4].copy_from_slice(&i32::to_be_bytes(value << 16));
    }
    fs::write(path, file).unwrap();
}

/// Returns the linear part of the matrix of the first track.
fn matrix(path: &Path) -> [i32; 4] {
    let file = fs::read(path).unwrap();
    let at = file.windows(4).position(|window| window == b"tkhd").unwrap() + 44;
    [0, 1, 3, 4].map(|number| {
        let field = at + 4 * number;
        i32::from_be_bytes(file[field..field + 4].try_into().unwrap()) >> 16
    })
}

/// A picture that is seen, in 4:4:4.
#[derive(Debug)]
struct Seen {
    size: (u32, u32),
    /// The format of the decoded frames, before they are turned.
    format: String,
    planes: Vec<u8>,
}

impl Seen {
    /// Decodes a frame of a file, and turns it.
    fn of(path: &Path, direction: &str, frame: usize) -> Self {
        Self::all(path, direction).swap_remove(frame)
    }

    fn all(path: &Path, direction: &str) -> Vec<Self> {
        gst::init().unwrap();
        let pipeline = format!(
            "filesrc location=\"{}\" ! decodebin ! identity name=decoded ! videoconvert dither=none ! video/x-raw,format=Y444,colorimetry=bt601 ! \
             videoflip video-direction={direction} ! appsink name=frames sync=false",
            path.display()
        );
        let pipeline = gst::parse::launch(&pipeline).unwrap();
        let bin = pipeline.downcast_ref::<gst::Bin>().unwrap();
        let frames = bin.by_name("frames").unwrap();
        let decoded = bin.by_name("decoded").unwrap().static_pad("src").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let frames = frames.downcast_ref::<gst_app::AppSink>().unwrap();
        let mut all = Vec::new();
        while let Ok(sample) = frames.pull_sample() {
            let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
            let caps = decoded.current_caps().unwrap();
            let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
            let mut planes = Vec::new();
            for plane in 0..3 {
                let stride = frame.plane_stride()[plane as usize] as usize;
                for row in frame
                    .plane_data(plane)
                    .unwrap()
                    .chunks(stride)
                    .take(info.height() as usize)
                {
                    planes.extend(&row[..info.width() as usize]);
                }
            }
            all.push(Self {
                size: (info.width(), info.height()),
                format: caps.structure(0).unwrap().get("format").unwrap(),
                planes,
            });
        }
        pipeline.set_state(gst::State::Null).unwrap();
        all
    }

    /// Returns a part of it, from one column to another.
    fn columns(&self, from: u32, to: u32) -> Self {
        let (width, rows) = (self.size.0 as usize, self.planes.chunks(self.size.0 as usize));
        assert!(to as usize <= width);
        Self {
            size: (to - from, self.size.1),
            format: self.format.clone(),
            planes: rows.flat_map(|row| &row[from as usize..to as usize]).copied().collect(),
        }
    }

    /// Asserts that it shows the same as another. Chroma is not where it was when a picture is mirrored: it belongs to the left one of two pixels.
    #[track_caller]
    fn assert_like(&self, other: &Self, what: &str) {
        assert_eq!(self.size, other.size, "{what}");
        let pixels = (self.size.0 * self.size.1) as usize;
        for (planes, least) in [(0..pixels, 26.0), (pixels..3 * pixels, 20.0)] {
            let values = self.planes[planes.clone()].iter().zip(&other.planes[planes]);
            let squares: Vec<f64> = values.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).collect();
            let psnr = 10.0 * (255.0 * 255.0 * squares.len() as f64 / squares.iter().sum::<f64>()).log10();
            assert!(psnr > least, "{what}: {psnr:.1} dB");
        }
    }
}

fn lost(output: &Path) -> String {
    record(output)["lost"].to_string()
}

#[test]
fn every_orientation_is_seen_in_every_container_and_of_a_part() {
    let (_folder, folder) = folder();
    for turn in TURNS {
        let (matrix_of_turn, direction) = turn;
        let input = folder.join(format!("{direction}.mp4"));
        h264(&input, turn);
        let seen = Seen::of(&input, direction, 4);
        for (name, part) in [
            ("whole.mp4", &[][..]),
            ("part.mp4", &["--start", "0.08"]),
            ("part.mkv", &["--start", "0.08"]),
        ] {
            let output = folder.join(format!("{direction}-{name}"));
            let arguments = [&[text(&input), "-o", text(&output), "--strength", "0"], part].concat();
            let told = stderr(&succeed(&arguments));
            // MP4 keeps the matrix, and the pictures of others are turned.
            let (left, number) = match name.ends_with("mp4") {
                true => (direction, 4 - part.len()),
                false => ("identity", 4 - part.len()),
            };
            if name.ends_with("mp4") {
                assert_eq!(matrix(&output), matrix_of_turn, "{direction}: {name}");
            }
            let now = Seen::of(&output, left, number);
            now.assert_like(&seen, &format!("{direction}: {name}"));
            assert!(
                !lost(&output).contains("orientation"),
                "{direction}: {name}: {}",
                lost(&output)
            );
            let is_turned = left != direction;
            assert_eq!(
                told.contains("as players show"),
                is_turned,
                "{direction}: {name}: {told}"
            );
        }
    }
}

/// Makes a clip whose bitstream says before each picture that it is mirrored or flipped, and then turned anticlockwise by an angle in units of 2^-16 of a turn.
fn clip_with_message(path: &Path, encoder: &str, muxer: &str, (mirrored, flipped, angle): (bool, bool, u16)) {
    // Not cancelled; persistent or repeated in each picture; no extension; the end of the unit.
    let rest = 0b1_0_1u64;
    let bits = u64::from(mirrored) << 62 | u64::from(flipped) << 61 | u64::from(angle) << 45 | rest << 42;
    let (head, parser): (&[u8], _) = match encoder.starts_with("x264enc") {
        true => (&[6], "h264parse"),
        false => (&[0x4e, 1], "h265parse"),
    };
    let payload = &bits.to_be_bytes()[..3];
    let unit = [&[0, 0, 0, 1], head, &[47, 3], payload, &[0x80]].concat();
    let (picture, path) = (picture("format=I420", (96, 64)), path.display());
    let pipeline =
        format!("{picture} ! {encoder} ! identity name=coded ! {parser} ! {muxer} ! filesink location=\"{path}\"");
    launch_with(&pipeline, |bin| {
        let coded = bin.by_name("coded").unwrap().static_pad("src").unwrap();
        coded.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let caps = pad.current_caps().unwrap();
            let is_h264 = caps.structure(0).unwrap().name() == "video/x-h264";
            let buffer = info.buffer_mut().unwrap();
            let data = buffer.map_readable().unwrap().to_vec();
            let is_slice = |byte: u8| {
                if is_h264 {
                    [1, 5].contains(&(byte & 31))
                } else {
                    byte >> 1 < 32
                }
            };
            let mut starts = (0..data.len() - 3).filter(|&at| data[at..at + 3] == [0, 0, 1] && is_slice(data[at + 3]));
            let mut slice = starts.next().unwrap();
            if data[..slice].ends_with(&[0]) {
                slice -= 1;
            }
            let with_message = [&data[..slice], &unit, &data[slice..]].concat();
            let buffer = buffer.make_mut();
            buffer.remove_all_memory();
            buffer.append_memory(gst::Memory::from_slice(with_message));
            gst::PadProbeReturn::Ok
        });
        if let Some(order) = bin.by_name("order") {
            let pad = order.static_pad("src").unwrap();
            pad.add_probe(gst::PadProbeType::BUFFER, |pad, info| {
                let caps = pad.current_caps().unwrap();
                let buffer = info.buffer_mut().unwrap();
                let data = buffer.map_readable().unwrap().to_vec();
                let data = messages_first(&data, caps.structure(0).unwrap().name() == "video/x-h264");
                let buffer = buffer.make_mut();
                buffer.remove_all_memory();
                buffer.append_memory(gst::Memory::from_slice(data));
                gst::PadProbeReturn::Ok
            });
        }
    });
}

/// Puts messages before the parameter sets, behind the start of the access unit.
fn messages_first(data: &[u8], is_h264: bool) -> Vec<u8> {
    let starts: Vec<usize> = (0..data.len() - 3)
        .filter(|&at| data[at..at + 3] == [0, 0, 1])
        .map(|at| at + 3)
        .collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([data.len()]);
    let mut units: Vec<&[u8]> = starts.iter().zip(ends).map(|(&start, end)| &data[start..end]).collect();
    units.sort_by_key(|unit| match (is_h264, unit[0] & 0x1f, unit[0] >> 1) {
        (true, 9, _) | (false, _, 35) => 0,
        (true, 6, _) | (false, _, 39) => 1,
        (true, 7 | 8, _) | (false, _, 32..=34) => 2,
        _ => 3,
    });
    units.iter().flat_map(|unit| [&[0, 0, 1][..], unit].concat()).collect()
}

const H264: &str = "x264enc bframes=0 quantizer=10 pass=quant ! video/x-h264,stream-format=byte-stream";
const H265: &str = "x265enc option-string=qp=10 ! video/x-h265,stream-format=byte-stream";

#[test]
fn what_only_the_bitstream_says_of_the_orientation_is_done_to_the_pictures() {
    let (_folder, folder) = folder();
    for (number, (message, direction, encoder, muxer)) in [
        ((false, false, 0x4000), "90l", H264, "qtmux"),
        ((false, false, 0xc000), "90r", H265, "qtmux"),
        ((false, false, 0x8000), "180", H264, "matroskamux"),
        ((true, false, 0), "horiz", H265, "matroskamux"),
        ((false, true, 0), "vert", H264, "mpegtsmux"),
        ((true, false, 0xc000), "ur-ll", H264, "qtmux"),
        ((true, false, 0x4000), "ul-lr", H264, "avimux"),
    ]
    .into_iter()
    .enumerate()
    {
        let input = folder.join(format!("{number}.clip"));
        // AVI has start codes.
        let muxer = match muxer {
            "avimux" => "video/x-h264,stream-format=byte-stream ! avimux",
            other => other,
        };
        clip_with_message(&input, encoder, muxer, message);
        let seen = Seen::of(&input, direction, 4);
        for name in ["out.mp4", "out.mkv"] {
            let what = format!("{direction} {encoder} {muxer} {name}");
            let output = folder.join(format!("{number}-{name}"));
            let told = stderr(&succeed(&[text(&input), "-o", text(&output), "--strength", "0"]));
            Seen::of(&output, "identity", 4).assert_like(&seen, &what);
            assert!(told.contains("as players show"), "{what}: {told}");
            assert!(!lost(&output).contains("orientation"), "{what}: {}", lost(&output));
            if name == "out.mp4" {
                assert_eq!(matrix(&output), TURNS[0].0, "{what}");
                assert_eq!(shown_size(&output), seen.size, "{what}");
            }
        }
    }
}

/// As FFmpeg copies an MP4 into MPEG-TS.
#[test]
fn a_message_before_the_parameters_of_the_first_frame_is_followed() {
    let (_folder, folder) = folder();
    let raw = "video/x-h264,stream-format=byte-stream,alignment=au ! identity name=order";
    for (number, (encoder, muxer)) in [
        (H264, "identity name=order ! mpegtsmux"),
        (H265, "identity name=order ! mpegtsmux"),
        (H264, raw),
    ]
    .into_iter()
    .enumerate()
    {
        let input = folder.join(format!("{number}.clip"));
        clip_with_message(&input, encoder, muxer, (false, false, 0x4000));
        let output = folder.join(format!("{number}.mp4"));
        let told = stderr(&succeed(&[text(&input), "-o", text(&output), "--strength", "0"]));
        assert!(told.contains("turned by 270 degrees"), "{number}: {told}");
        assert_eq!(shown_size(&output), (64, 96), "{number}");
    }
}

#[test]
fn what_a_bitstream_says_of_the_orientation_is_told_where_it_cannot_be_done() {
    let (_folder, folder) = folder();
    let (turned, slanted) = (folder.join("turned.mp4"), folder.join("slanted.mp4"));
    clip_with_message(&turned, H264, "qtmux", (false, false, 0x4000));
    set_matrix(&turned, b"tkhd", 40, QUARTER.0);
    clip_with_message(&slanted, H264, "qtmux", (false, false, 0x2000));
    for (input, expected) in [
        (
            turned,
            "the orientation in its bitstream (turned by 270 degrees), since the container states one",
        ),
        (
            slanted,
            "the orientation in its bitstream, which is no whole number of quarter turns",
        ),
    ] {
        for part in [&[][..], &["--start", "0.08"]] {
            let output = input.with_extension("out.mp4");
            let before = matrix(&input);
            succeed(
                &[
                    &[text(&input), "-o", text(&output), "--strength", "0", "--overwrite"],
                    part,
                ]
                .concat(),
            );
            assert!(lost(&output).contains(expected), "{expected}: {}", lost(&output));
            assert_eq!(matrix(&output), before);
        }
    }
}

#[test]
fn bits_chroma_and_odd_sides_are_kept_when_pictures_are_turned() {
    let (_folder, folder) = folder();
    let lossless = "x264enc bframes=0 quantizer=4 pass=quant ! h264parse";
    let jpeg = "jpegenc quality=95";
    for (format, size, encoder, quarter, half) in [
        ("format=I420_10LE", (96, 64), lossless, "I420_10LE", "I420_10LE"),
        ("format=Y444_10LE", (96, 64), lossless, "Y444_10LE", "Y444_10LE"),
        ("format=Y444", (96, 64), lossless, "Y444", "Y444"),
        // The halved chroma of 4:2:2 would have to lie in the other direction.
        ("format=I422_10LE", (96, 64), lossless, "Y444_10LE", "I422_10LE"),
        // GStreamer's videoflip does not take Y42B.
        ("format=Y42B", (96, 64), lossless, "Y444", "Y444"),
        ("format=I420", (97, 65), jpeg, "Y444", "Y444"),
        ("format=I420", (97, 64), jpeg, "Y42B", "Y444"),
    ] {
        for (turn, expected) in [(QUARTER, quarter), (TURNS[2], half)] {
            let (input, output) = (folder.join("clip.mov"), folder.join("out.mkv"));
            clip(&input, format, size, encoder, turn);
            succeed(&[
                text(&input),
                "-o",
                text(&output),
                "--strength",
                "0",
                "--overwrite",
                "--software-encoder",
            ]);
            let (before, after) = (Seen::of(&input, turn.1, 4), Seen::of(&output, "identity", 4));
            after.assert_like(&before, &format!("{format} {}", turn.1));
            assert_eq!(after.format, expected, "{format} {}", turn.1);
        }
    }
}

#[test]
fn pixels_that_are_not_square_lie_as_people_see_them() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    let format = "format=I420,pixel-aspect-ratio=2/1";
    clip(&input, format, (96, 64), "x264enc bframes=0 ! h264parse", QUARTER);
    let output = folder.join("out.mkv");
    succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    assert_eq!(size_and_ratio(&output), (64, 96, gst::Fraction::new(1, 2)));
    let compared = folder.join("compared.mp4");
    succeed(&[text(&input), "-o", text(&compared), "--compare", "split"]);
    assert_eq!(size_and_ratio(&compared), (64, 96, gst::Fraction::new(1, 2)));
}

fn size_and_ratio(path: &Path) -> (i32, i32, gst::Fraction) {
    gst::init().unwrap();
    let pipeline = format!(
        "filesrc location=\"{}\" ! decodebin ! appsink name=frames sync=false",
        path.display()
    );
    let pipeline = gst::parse::launch(&pipeline).unwrap();
    let frames = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("frames").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sample = frames
        .downcast_ref::<gst_app::AppSink>()
        .unwrap()
        .pull_sample()
        .unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let first = sample.caps().unwrap().structure(0).unwrap();
    let ratio = first.get("pixel-aspect-ratio").unwrap();
    (first.get("width").unwrap(), first.get("height").unwrap(), ratio)
}

#[test]
fn originals_and_restored_pictures_are_beside_each_other_as_people_see_them() {
    let (_folder, folder) = folder();
    for turn in [QUARTER, TURNS[6]] {
        let input = folder.join(format!("{}.mp4", turn.1));
        h264(&input, turn);
        let seen = Seen::of(&input, turn.1, 4);
        let (width, height) = seen.size;
        for (name, part) in [
            ("whole.mp4", &[][..]),
            ("part.mp4", &["--start", "0.08"]),
            ("whole.mkv", &[]),
        ] {
            for compare in ["side-by-side", "split"] {
                let output = folder.join(format!("{}-{compare}-{name}", turn.1));
                let arguments = [text(&input), "-o", text(&output), "--compare", compare];
                succeed(&[&arguments[..], part].concat());
                if name.ends_with("mp4") {
                    assert_eq!(matrix(&output), [1, 0, 0, 1], "{name}");
                }
                let now = Seen::of(&output, "identity", 4 - part.len());
                let wide = if compare == "side-by-side" { 2 * width } else { width };
                assert_eq!(now.size, (wide, height), "{} {compare} {name}", turn.1);
                if name.ends_with("mp4") {
                    assert_eq!(shown_size(&output), now.size, "{} {compare} {name}", turn.1);
                }
                // What is left of the line is the original.
                let left = width / 2 - 2;
                let what = format!("{} {compare} {name}", turn.1);
                now.columns(0, left).assert_like(&seen.columns(0, left), &what);
            }
        }
    }
}

/// Returns the size in the track header.
fn shown_size(path: &Path) -> (u32, u32) {
    let file = fs::read(path).unwrap();
    let at = file.windows(4).position(|window| window == b"tkhd").unwrap() + 80;
    let side = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) >> 16;
    (side(at), side(at + 4))
}

#[test]
fn previews_and_the_stills_of_reports_are_upright() {
    let (_folder, folder) = folder();
    for turn in [QUARTER, TURNS[7]] {
        let input = folder.join(format!("{}.mp4", turn.1));
        h264(&input, turn);
        let seen = Seen::of(&input, turn.1, 4);
        for name in ["out.mp4", "out.mkv"] {
            let output = folder.join(format!("{}-{name}", turn.1));
            succeed(&[
                text(&input),
                "-o",
                text(&output),
                "--preview",
                "0.16",
                "--strength",
                "0",
                "--overwrite",
            ]);
            for side in ["before", "after"] {
                let picture = folder.join(format!("{}-out-{side}.png", turn.1));
                Seen::of(&picture, "identity", 0).assert_like(&seen, &format!("{} {name} {side}", turn.1));
            }
            succeed(&[text(&input), "-o", text(&output), "--report"]);
            let page = fs::read_to_string(folder.join(format!("{}-{name}.html", turn.1))).unwrap();
            let (width, height) = seen.size;
            assert!(
                page.contains(&format!("width=\"{width}\" height=\"{height}\"")),
                "{} {name}",
                turn.1
            );
        }
    }
}

#[test]
fn a_matrix_of_the_whole_movie_counts_as_well() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    h264(&input, QUARTER);
    set_matrix(&input, b"mvhd", 36, QUARTER.0);
    let seen = Seen::of(&input, "180", 4);
    for (name, arguments, left) in [
        ("whole.mkv", &[][..], "identity"),
        ("part.mp4", &["--start", "0"][..], "180"),
        ("whole.mp4", &[], "180"),
        ("split.mp4", &["--compare", "split"], "identity"),
    ] {
        let output = folder.join(name);
        succeed(&[&[text(&input), "-o", text(&output), "--strength", "0"], arguments].concat());
        Seen::of(&output, left, 4).assert_like(&seen, name);
        if name.ends_with("mp4") {
            assert_eq!(tag(&output).unwrap_or("identity".into()), left, "{name}");
        }
    }
}

/// Returns the direction in which GStreamer's demuxer says that pictures are turned.
fn tag(path: &Path) -> Option<String> {
    gst::init().unwrap();
    let pipeline = format!("filesrc location=\"{}\" ! qtdemux ! fakesink", path.display());
    let pipeline = gst::parse::launch(&pipeline).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let mut found = None;
    while let Some(message) = bus.timed_pop(gst::ClockTime::from_seconds(20)) {
        match message.view() {
            gst::MessageView::Tag(tags) => {
                found = found.or_else(|| tags.tags().generic("image-orientation")?.get::<String>().ok());
            }
            gst::MessageView::Eos(_) | gst::MessageView::Error(_) => break,
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let names = [
        ("rotate-0", "identity"),
        ("rotate-90", "90r"),
        ("rotate-180", "180"),
        ("rotate-270", "90l"),
    ];
    let found = found?;
    names
        .iter()
        .find(|(name, _)| *name == found)
        .map(|(_, direction)| (*direction).into())
}

/// A live recording, whose elements have no stated places or sizes that would have to change.
fn matroska_with_roll(path: &Path, yaw: f32, roll: f32) {
    let (picture, path_in_text) = (picture("format=I420", (96, 64)), path.display());
    launch(&format!(
        "{picture} ! x264enc bframes=0 ! h264parse ! matroskamux streamable=true ! filesink location=\"{path_in_text}\""
    ));
    let mut file = fs::read(path).unwrap();
    let mut projection = vec![0x76, 0x70, 0x8e];
    for (id, angle) in [([0x76, 0x73], yaw), ([0x76, 0x75], roll)] {
        projection.extend(id);
        projection.push(0x84);
        projection.extend(angle.to_be_bytes());
    }
    // Sizes have eight bytes. The video is the last master element of the only track.
    let mut end = 0;
    for id in [&[0x16, 0x54, 0xae, 0x6b, 1][..], &[0xae, 1], &[0xe0, 1]] {
        let at = end.max(1)
            + file[end.max(1)..]
                .windows(id.len())
                .position(|window| window == id)
                .unwrap();
        let size = at + id.len() - 1;
        let old = u64::from_be_bytes(file[size..size + 8].try_into().unwrap());
        file[size..size + 8].copy_from_slice(&(old + projection.len() as u64).to_be_bytes());
        end = size + 8;
    }
    file.splice(end..end, projection);
    fs::write(path, file).unwrap();
}

#[test]
fn the_projection_of_matroska_is_an_orientation() {
    let (_folder, folder) = folder();
    for (yaw, roll, direction) in [
        (0.0, 90.0, "90l"),
        (0.0, -90.0, "90r"),
        (180.0, 0.0, "horiz"),
        (180.0, 90.0, "ul-lr"),
    ] {
        let input = folder.join("clip.mkv");
        matroska_with_roll(&input, yaw, roll);
        let seen = Seen::of(&input, direction, 4);
        for (name, left) in [("out.mkv", "identity"), ("out.mp4", direction)] {
            let output = folder.join(name);
            succeed(&[text(&input), "-o", text(&output), "--strength", "0", "--overwrite"]);
            Seen::of(&output, left, 4).assert_like(&seen, &format!("{direction}: {name}"));
            if left != "identity" {
                let expected = TURNS.iter().find(|turn| turn.1 == direction).unwrap().0;
                assert_eq!(matrix(&output), expected, "{direction}");
            }
        }
    }
}

#[test]
fn work_on_turned_pictures_is_not_continued_with_others() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mkv"));
    h264(&input, QUARTER);
    succeed(&[text(&input), "-o", text(&output), "--segments", "0"]);
    let job = folder.join("out.mkv.blurdm/job.json");
    let made: serde_json::Value = serde_json::from_slice(&fs::read(&job).unwrap()).unwrap();
    assert_eq!(made["identity"]["turned"], "rotate-90");
    // As a version wrote it that did not turn them.
    let older = fs::read_to_string(&job)
        .unwrap()
        .replace("\"turned\":\"rotate-90\",", "");
    fs::write(&job, older).unwrap();
    succeed(&[text(&input), "-o", text(&output), "--segments", "0"]);
    let again: serde_json::Value = serde_json::from_slice(&fs::read(&job).unwrap()).unwrap();
    assert_eq!(made, again);
    succeed(&[text(&input), "-o", text(&output)]);
    assert_eq!(Seen::of(&output, "identity", 4).size, (64, 96));
    assert_eq!(record(&output)["turned"], "rotate-90");
}
