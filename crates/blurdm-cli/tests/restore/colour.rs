// SPDX-License-Identifier: MPL-2.0

//! Pictures keep their colours: range, matrix, bits and chroma, in the bitstream and in the container.

use std::{fs, path::Path};

use gst::prelude::*;
use gst_video::{VideoFrameRef, VideoInfo, prelude::*};
use mp4_splice::{Movie, boxes::ColourBoxes};

use crate::clips::{folder, launch, run, stderr, succeed, text};

/// The least PSNR of a picture that only a good encoder has changed, in dB.
const EQUAL: f64 = 50.0;

const COPY: [&str; 5] = ["--strength", "0", "--quality", "1", "--software-encoder"];

/// Makes a clip of four frames with these caps.
fn make(path: &Path, caps: &str, encoder: &str, muxer: &str) {
    launch(&format!(
        "videotestsrc num-buffers=4 pattern=smpte ! video/x-raw,framerate=25/1,{caps} ! {encoder} ! {muxer} ! filesink location=\"{}\"",
        path.display()
    ));
}

/// Plays a pipeline that ends in `appsink name=sink`, and returns its samples.
fn samples(pipeline: &str) -> Vec<gst::Sample> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(pipeline)
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline
        .by_name("sink")
        .unwrap()
        .downcast::<gst_app::AppSink>()
        .unwrap();
    sink.set_sync(false);
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| sink.pull_sample().ok()).collect();
    pipeline.set_state(gst::State::Null).unwrap();
    samples
}

/// Decodes a video to a format, and returns its size and the rows of all planes of each frame.
fn decoded(path: &Path, format: &str) -> ((u32, u32), Vec<Vec<u8>>) {
    // The one that the command prefers.
    if let Some(decoder) = gst::ElementFactory::find("avdec_mjpeg") {
        decoder.set_rank(gst::Rank::PRIMARY + 1);
    }
    let pipeline = format!(
        "filesrc location=\"{}\" ! decodebin ! videoconvert dither=none ! video/x-raw,format={format} ! appsink name=sink",
        path.display()
    );
    let mut size = (0, 0);
    let frames = samples(&pipeline).into_iter().map(|sample| {
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        size = (info.width(), info.height());
        let frame = VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
        let bytes = info.format_info().depth()[0].div_ceil(8);
        let mut rows = Vec::new();
        for component in 0..frame.n_components() {
            let row = (frame.comp_width(component) * bytes) as usize;
            let stride = frame.comp_stride(component) as usize;
            let data = frame.comp_data(component).unwrap();
            let lines = data.chunks(stride).take(frame.comp_height(component) as usize);
            rows.extend(lines.flat_map(|line| &line[..row]));
        }
        rows
    });
    let frames: Vec<_> = frames.collect();
    assert_eq!(frames.len(), 4, "{}", path.display());
    (size, frames)
}

/// Returns the least PSNR of frames with values of this many bits, in dB.
fn psnr(a: &[Vec<u8>], b: &[Vec<u8>], bits: u32) -> f64 {
    let values = |frame: &[u8]| -> Vec<f64> {
        match bits {
            8 => frame.iter().map(|&value| value.into()).collect(),
            _ => frame
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&value| u16::from_le_bytes(value).into())
                .collect(),
        }
    };
    let of_frame = |(a, b): (&Vec<u8>, &Vec<u8>)| {
        assert_eq!(a.len(), b.len());
        let (a, b) = (values(a), values(b));
        let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
        let top = f64::from((1u32 << bits) - 1);
        10.0 * (top * top * a.len() as f64 / squares).log10()
    };
    a.iter().zip(b).map(of_frame).fold(f64::INFINITY, f64::min)
}

/// Returns what the bitstream of H.264 or H.265 in an MP4 says about colour.
fn in_bitstream(path: &Path, codec: &str) -> Option<String> {
    let raw = path.with_extension(codec);
    let (parser, decoder) = (format!("{codec}parse"), format!("avdec_{codec}"));
    launch(&format!(
        "filesrc location=\"{}\" ! qtdemux ! {parser} ! video/x-{codec},stream-format=byte-stream ! filesink location=\"{}\"",
        path.display(),
        raw.display()
    ));
    let samples = samples(&format!(
        "filesrc location=\"{}\" ! {parser} ! {decoder} ! appsink name=sink",
        raw.display()
    ));
    let caps = samples[0].caps().unwrap().structure(0).unwrap();
    caps.get::<String>("colorimetry").ok()
}

/// Returns what the container says about colour.
fn in_container(path: &Path) -> ColourBoxes {
    Movie::open(path).unwrap().tracks()[0].entries[0].colour()
}

const X264: &str = "x264enc pass=qual quantizer=1 ! h264parse";
const X265: &str = "x265enc option-string=crf=2:log-level=none ! h265parse";
const AV1: &str = "av1enc cpu-used=8 ! av1parse";
const VP9: &str = "vp9enc end-usage=cq min-quantizer=1 max-quantizer=2 deadline=1 ! vp9parse";

#[test]
fn the_values_of_pictures_stay_what_they_are_whatever_they_mean_and_however_they_are_coded() {
    let (_folder, folder) = folder();
    let rows = [
        ("I420", 8, "1:4:0:0", X264, "mp4mux", "h264", "mp4"),
        ("I420", 8, "1:4:0:0", X264, "mp4mux", "h265", "mp4"),
        ("I420", 8, "1:4:0:0", X264, "mp4mux", "av1", "mp4"),
        ("I420", 8, "1:4:0:0", X264, "mp4mux", "vp9", "mp4"),
        ("I420", 8, "1:3:5:1", X264, "matroskamux", "h264", "mkv"),
        ("I420", 8, "1:3:5:1", AV1, "matroskamux", "av1", "mkv"),
        ("I420", 8, "2:3:5:1", VP9, "matroskamux", "vp9", "mkv"),
        ("Y42B", 8, "1:3:5:1", X264, "qtmux", "h264", "mov"),
        ("Y444", 8, "2:4:5:4", X265, "mp4mux", "h265", "mp4"),
        ("I420_10LE", 10, "2:6:14:7", X265, "mp4mux", "h265", "mp4"),
        ("I422_10LE", 10, "1:6:13:7", X264, "qtmux", "h264", "mov"),
        ("Y444_10LE", 10, "1:3:5:1", X265, "matroskamux", "h265", "mkv"),
        ("I420_12LE", 12, "2:3:5:1", X265, "mp4mux", "h265", "mp4"),
    ];
    for (format, bits, colorimetry, encoder, muxer, codec, ending) in rows {
        let name = format!("{format} {colorimetry} {codec}.{ending}");
        let (input, output) = (folder.join(&name), folder.join("out").join(&name));
        let caps = format!("format={format},width=96,height=64,colorimetry={colorimetry}");
        make(&input, &caps, encoder, muxer);
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        let [before, after] = [&input, &output].map(|path| decoded(path, format));
        let psnr = psnr(&before.1, &after.1, bits);
        assert!(psnr >= EQUAL, "{name}: {psnr:.1} dB");
        if ending != "mkv" {
            assert_eq!(in_container(&output).codes, in_container(&input).codes, "{name}");
            assert_eq!(
                in_container(&output).full_range,
                in_container(&input).full_range,
                "{name}"
            );
            if codec.starts_with('h') {
                let parsed = |text: &str| text.parse::<gst_video::VideoColorimetry>().unwrap();
                let stated = in_bitstream(&output, codec).unwrap();
                assert_eq!(parsed(&stated), parsed(colorimetry), "{name}");
            }
        }
    }
}

#[test]
fn pictures_whose_colour_is_not_stated_stay_without() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    make(&input, "format=I420,width=96,height=64", AV1, "mp4mux");
    // The muxer states what `videotestsrc` takes for the default.
    let colr = |file: &[u8]| file.windows(4).position(|window| window == b"colr");
    let mut file = fs::read(&input).unwrap();
    while let Some(at) = colr(&file) {
        file[at..at + 4].copy_from_slice(b"free");
    }
    fs::write(&input, file).unwrap();
    assert_eq!(in_container(&input), ColourBoxes::default());
    for codec in ["av1", "h264", "h265"] {
        let output = folder.join(format!("{codec}.mp4"));
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        assert_eq!(in_container(&output), ColourBoxes::default(), "{codec}");
        let [before, after] = [&input, &output].map(|path| decoded(path, "I420").1);
        let psnr = psnr(&before, &after, 8);
        assert!(psnr >= EQUAL, "{codec}: {psnr:.1} dB");
        if codec != "av1" {
            // AV1 always states its range, and nothing else here.
            let stated = in_bitstream(&output, codec);
            assert!(
                stated.as_deref().is_none_or(|stated| stated == "2:0:0:0"),
                "{codec}: {stated:?}"
            );
        }
    }
}

#[test]
fn a_bitstream_that_says_nothing_of_its_range_has_that_of_the_container() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    for range in [1, 2] {
        let caps = format!("format=I420,width=96,height=64,colorimetry={range}:3:5:1");
        make(&input, &caps, "avenc_mpeg4 bitrate=4000000", "mp4mux");
        succeed(&[&[text(&input), "-o", text(&output), "--overwrite"], &COPY[..]].concat());
        assert_eq!(in_container(&output), in_container(&input));
        // The named one is limited.
        let stated = in_bitstream(&output, "h264").unwrap();
        assert_eq!(stated, if range == 1 { "1:3:5:1" } else { "bt709" });
    }
}

#[test]
fn motion_jpeg_has_full_range_and_its_chroma_is_kept() {
    let (_folder, folder) = folder();
    let containers = [("avi", "avimux"), ("mkv", "matroskamux"), ("mov", "qtmux")];
    for (format, (extension, muxer)) in ["I420", "Y42B", "Y444"]
        .into_iter()
        .flat_map(|format| containers.map(|container| (format, container)))
    {
        let (input, avi) = (folder.join(format!("clip.{extension}")), folder.join("same.avi"));
        let output = folder.join(format!("{format}-{extension}.mkv"));
        let caps = format!("format={format},width=96,height=64,colorimetry=1:4:0:0");
        make(&input, &caps, "jpegenc quality=95", muxer);
        if muxer == "matroskamux" {
            by_its_own_name(&input);
        }
        make(&avi, &caps, "jpegenc quality=95", "avimux");
        succeed(&[&[text(&input), "-o", text(&output)], &COPY[..]].concat());
        // Decodebin takes a decoder for Matroska that has no output but 4:2:0.
        let [before, after] = [&avi, &output].map(|path| decoded(path, format).1);
        let psnr = psnr(&before, &after, 8);
        assert!(psnr >= EQUAL, "{format} in {extension}: {psnr:.1} dB");
        let caps = samples(&format!(
            "filesrc location=\"{}\" ! parsebin ! appsink name=sink",
            output.display()
        ));
        let caps = caps[0].caps().unwrap().structure(0).unwrap();
        assert_eq!(caps.get::<&str>("colorimetry").unwrap(), "1:4:0:0", "{format}");
    }
}

/// Names the codec of a Matroska file as FFmpeg does. GStreamer's muxer names a container of Windows, of which its demuxer takes frames for parsed.
fn by_its_own_name(path: &Path) {
    let mut file = fs::read(path).unwrap();
    let (theirs, own) = (b"V_MS/VFW/FOURCC", b"V_MJPEG\0\0\0\0\0\0\0\0");
    let at = file.windows(theirs.len()).position(|name| name == theirs).unwrap();
    file[at..at + own.len()].copy_from_slice(own);
    fs::write(path, file).unwrap();
}

#[test]
fn a_video_that_is_muxed_anew_into_mp4_keeps_its_colour_in_every_codec() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mkv");
    make(
        &input,
        "format=I420,width=96,height=64,colorimetry=1:3:5:1",
        X264,
        "matroskamux",
    );
    for codec in ["h264", "vp9"] {
        let output = folder.join(format!("{codec}.mp4"));
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        let stated = in_container(&output);
        assert_eq!(
            (stated.codes, stated.full_range),
            (Some([1, 1, 1]), Some(true)),
            "{codec}"
        );
        let [before, after] = [&input, &output].map(|path| decoded(path, "I420").1);
        let psnr = psnr(&before, &after, 8);
        assert!(psnr >= EQUAL, "{codec}: {psnr:.1} dB");
    }
}

#[test]
fn pictures_of_any_size_from_16x16_keep_it() {
    let (_folder, folder) = folder();
    for (width, height) in [(97, 65), (16, 16), (17, 33), (64, 31)] {
        let input = folder.join(format!("{width}x{height}.avi"));
        let caps = format!("format=I420,width={width},height={height},colorimetry=1:4:0:0");
        make(&input, &caps, "jpegenc quality=95", "avimux");
        let before = decoded(&input, "GRAY8");
        assert_eq!(before.0, (width, height));
        let codecs = if width == 97 {
            &["h264", "h265", "av1", "vp9"][..]
        } else {
            &["h264", "h265"]
        };
        for &codec in codecs {
            let output = folder.join(format!("{width}x{height}-{codec}.mkv"));
            let to = ["--codec", codec, "-o", text(&output)];
            succeed(&[&[text(&input)], &to[..], &COPY].concat());
            let after = decoded(&output, "GRAY8");
            assert_eq!(after.0, (width, height), "{codec}");
            let psnr = psnr(&before.1, &after.1, 8);
            assert!(psnr >= EQUAL - 1.0, "{width}x{height} {codec}: {psnr:.1} dB");
        }
    }
}

/// Returns the events of a run.
fn events(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_a_codec_cannot_hold_is_told_before_the_work() {
    let (_folder, folder) = folder();
    let deep = folder.join("deep.mp4");
    make(&deep, "format=I420_10LE,width=96,height=64", X264, "mp4mux");
    let clear = folder.join("clear.mkv");
    make(&clear, "format=AYUV,width=96,height=64", "identity", "matroskamux");
    let screen = folder.join("screen.mkv");
    make(&screen, "format=RGB,width=96,height=64", "identity", "matroskamux");
    for (input, codec, lost) in [
        (&deep, "av1", "10 bits per value become 8"),
        (&clear, "h264", "transparency (alpha) is dropped"),
        (&screen, "vp9", "RGB becomes YCbCr"),
    ] {
        let output = folder.join(format!("{codec}.mkv"));
        let events = events(&[text(input), "-o", text(&output), "--codec", codec, "--software-encoder"]);
        let told = events.iter().position(|event| {
            event["event"] == "note" && event["text"].as_str().is_some_and(|text| text.contains(lost))
        });
        let work = events.iter().position(|event| event["frames"].as_u64() > Some(0));
        assert!(
            told.is_some() && work.is_none_or(|work| told < Some(work)),
            "{codec}: {events:?}"
        );
    }
    let events = events(&[text(&deep), "-o", text(&folder.join("deep-too.mp4"))]);
    assert!(
        events.iter().all(|event| event["event"] != "note"),
        "nothing is lost: {events:?}"
    );
}

#[test]
fn red_green_and_blue_stay_red_green_and_blue() {
    let (_folder, folder) = folder();
    let input = folder.join("screen.mkv");
    make(&input, "format=RGB,width=97,height=64", "identity", "matroskamux");
    for codec in ["h264", "h265"] {
        let output = folder.join(format!("{codec}.mp4"));
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        let [before, after] = [&input, &output].map(|path| decoded(path, "GBR").1);
        let psnr = psnr(&before, &after, 8);
        assert!(psnr >= EQUAL, "{codec}: {psnr:.1} dB");
    }
}

#[test]
fn red_green_and_blue_of_more_bits_stay_so_in_8_bits_and_that_is_told() {
    let (_folder, folder) = folder();
    for format in ["GBR_10LE", "GBR_12LE"] {
        let (input, output) = (folder.join("screen.mkv"), folder.join(format!("{format}.mkv")));
        make(
            &input,
            &format!("format={format},width=96,height=64"),
            "avenc_ffv1",
            "matroskamux",
        );
        let made = succeed(&[&[text(&input), "-o", text(&output)], &COPY[..]].concat());
        assert!(stderr(&made).contains("bits per value become 8"), "{}", stderr(&made));
        let [before, after] = [&input, &output].map(|path| decoded(path, "GBR").1);
        let psnr = psnr(&before, &after, 8);
        assert!(psnr >= EQUAL, "{format}: {psnr:.1} dB");
    }
}

#[test]
fn a_preview_has_the_colours_that_a_player_shows() {
    let (_folder, folder) = folder();
    for colorimetry in ["1:4:0:0", "2:4:0:0", "1:3:5:1", "2:3:5:1"] {
        let input = folder.join("clip.mp4");
        launch(&format!(
            "videotestsrc num-buffers=4 pattern=solid-color foreground-color=0xffe08040 ! video/x-raw,format=BGRx,width=96,height=64,framerate=25/1 ! videoconvert ! video/x-raw,format=I420,colorimetry={colorimetry} ! {X264} ! mp4mux ! filesink location=\"{}\"",
            input.display()
        ));
        let look = folder.join("look.mp4");
        succeed(&[
            text(&input),
            "-o",
            text(&look),
            "--preview",
            "0",
            "--strength",
            "0",
            "--overwrite",
        ]);
        for name in ["look-before.png", "look-after.png"] {
            let file = fs::File::open(folder.join(name)).unwrap();
            let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            let step = info.color_type.samples();
            let middle = &pixels[(32 * 96 + 48) * step..][..3];
            for (value, wanted) in middle.iter().zip([0xe0u8, 0x80, 0x40]) {
                assert!(value.abs_diff(wanted) <= 6, "{colorimetry} {name}: {middle:?}");
            }
        }
    }
}

#[test]
fn colour_with_a_value_for_each_row_keeps_it() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mkv"), folder.join("out.mkv"));
    make(&input, "format=Y41B,width=96,height=64", "avenc_ffv1", "matroskamux");
    let arguments = [text(&input), "-o", text(&output), "--codec", "h264"];
    let said = stderr(&succeed(&[&arguments, &COPY[..]].concat()));
    assert!(!said.contains("lost in"), "{said}");
    let [before, after] = [&input, &output].map(|path| decoded(path, "Y42B").1);
    let psnr = psnr(&before, &after, 8);
    assert!(psnr >= EQUAL, "{psnr:.1} dB");
}

#[test]
fn what_is_known_of_the_mastering_display_is_kept() {
    const DISPLAY: &str = "34000:16000:13250:34500:7500:3000:15635:16450:10000000:50";
    const LIGHT: &str = "1000:400";
    let (_folder, folder) = folder();
    let input = folder.join("hdr.mkv");
    let caps = format!(
        "format=I420_10LE,width=96,height=64,colorimetry=bt2100-pq,mastering-display-info=(string){DISPLAY},content-light-level=(string){LIGHT}"
    );
    make(&input, &caps, X265, "matroskamux");
    let stated = |path: &Path, elements: &str| {
        let samples = samples(&format!(
            "filesrc location=\"{}\" ! {elements} ! appsink name=sink",
            path.display()
        ));
        let last = samples.last().unwrap().caps_owned().unwrap();
        let field = |name| last.structure(0).unwrap().get::<String>(name).ok();
        [
            field("colorimetry"),
            field("mastering-display-info"),
            field("content-light-level"),
        ]
    };
    // Matroska has floating-point numbers, which GStreamer rounds.
    let wanted = stated(&input, "matroskademux");
    assert!(wanted.iter().all(Option::is_some), "{wanted:?}");
    for codec in ["h265", "h264", "av1"] {
        let output = folder.join(format!("{codec}.mkv"));
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        assert_eq!(stated(&output, "matroskademux"), wanted, "{codec}");
        if codec == "h265" {
            let raw = folder.join("raw.h265");
            launch(&format!(
                "filesrc location=\"{}\" ! matroskademux ! h265parse ! video/x-h265,stream-format=byte-stream ! filesink location=\"{}\"",
                output.display(),
                raw.display()
            ));
            assert_eq!(stated(&raw, "h265parse"), wanted, "in the bitstream");
        }
    }
}

#[test]
fn what_only_the_bitstream_says_of_the_mastering_display_is_kept_in_every_codec() {
    const DISPLAY: &str = "34000:16000:13250:34500:7500:3000:15635:16450:10000000:50";
    const LIGHT: &str = "1000:400";
    let (_folder, folder) = folder();
    let caps = format!(
        "format=I420,width=96,height=64,colorimetry=bt2100-pq,mastering-display-info=(string){DISPLAY},content-light-level=(string){LIGHT}"
    );
    let stated = |path: &Path, elements: &str| {
        let samples = samples(&format!(
            "filesrc location=\"{}\" ! {elements} ! appsink name=sink",
            path.display()
        ));
        let last = samples.last().unwrap().caps_owned().unwrap();
        let field = |name| last.structure(0).unwrap().get::<String>(name).unwrap_or_default();
        [field("mastering-display-info"), field("content-light-level")]
    };
    let hide = |path: &Path| {
        let mut file = fs::read(path).unwrap();
        for kind in [b"mdcv", b"clli"] {
            while let Some(at) = file.windows(4).position(|window| window == kind) {
                file[at..at + 4].copy_from_slice(b"free");
            }
        }
        fs::write(path, file).unwrap();
    };
    let parsed = |path: &Path, codec: &str| {
        let raw = path.with_extension(codec);
        launch(&format!(
            "filesrc location=\"{}\" ! qtdemux ! {codec}parse ! video/x-{codec},stream-format=byte-stream ! filesink location=\"{}\"",
            path.display(),
            raw.display()
        ));
        stated(&raw, &format!("{codec}parse"))
    };
    // Each is the original of the next one.
    let mut input = folder.join("first.mp4");
    make(&input, &caps, X265, "mp4mux");
    for codec in ["h264", "av1", "h265"] {
        hide(&input);
        let output = folder.join(format!("{codec}.mp4"));
        let to = ["--codec", codec, "-o", text(&output)];
        succeed(&[&[text(&input)], &to[..], &COPY].concat());
        // No element of GStreamer 1.22 says what is in the bitstream of AV1. It is the original of the last one.
        if codec != "av1" {
            let [display, light] = parsed(&output, codec);
            let numbers = |text: &str| -> Vec<i64> { text.split(':').map(|number| number.parse().unwrap()).collect() };
            assert_eq!(display.matches(':').count(), 9, "{codec}: {display}");
            // AV1 counts in other units.
            let apart = numbers(&display)
                .into_iter()
                .zip(numbers(DISPLAY))
                .map(|(a, b)| (a - b).abs());
            assert!(apart.max().unwrap() <= 1, "{codec}: {display}");
            assert_eq!(light, LIGHT, "{codec}");
        }
        input = output;
    }
}
