// SPDX-License-Identifier: MPL-2.0

//! Containers and codecs that GStreamer does not take as they come.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gst::prelude::*;

use crate::clips::{SIDE, clip, folder, frames, launch, launch_with, packets, record, run, stderr, succeed, text};

/// Returns a GIF of 32x32 with frames of one colour each. After every code comes one that clears the table, so that no code is longer than the first.
fn gif(frames: u8, is_loop: bool) -> Vec<u8> {
    let mut bytes = b"GIF89a\x20\0\x20\0\xf6\0\0".to_vec();
    bytes.extend((0..128_u8).flat_map(|colour| [colour, 255 - colour, 128]));
    if is_loop {
        bytes.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    }
    for frame in 0..frames {
        bytes.extend(b"\x21\xf9\x04\x04\x04\0\0\0\x2c\0\0\0\0\x20\0\x20\0\0\x07");
        // Codes have eight bits here: 128 clears the table, 129 is the end.
        let codes = [128, frame].repeat(32 * 32).into_iter().chain([129]);
        let codes: Vec<u8> = codes.collect();
        for block in codes.chunks(255) {
            bytes.push(block.len() as u8);
            bytes.extend(block);
        }
        bytes.push(0);
    }
    bytes.push(b';');
    bytes
}

#[test]
fn a_gif_is_refused_at_once_whatever_its_name_and_the_next_file_is_restored() {
    let (_folder, folder) = folder();
    let next = folder.join("next.mp4");
    clip(&next, 12, "mp4mux");
    let names = ["moving.gif", "once.gif", "still.gif", "named.mp4", "cut.gif"];
    let gifs = [
        gif(10, true),
        gif(10, false),
        gif(1, false),
        gif(10, true),
        gif(10, true)[..900].to_vec(),
    ];
    for (name, bytes) in names.iter().zip(&gifs) {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let mut inputs: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    inputs.push(next);
    let out = folder.join("out");
    let mut arguments: Vec<&str> = inputs.iter().map(|input| text(input)).collect();
    arguments.extend(["-o", text(&out)]);
    let began = Instant::now();
    let result = run(&arguments);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let stderr = stderr(&result);
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    assert_eq!(
        stderr
            .lines()
            .filter(|line| line.contains("failed: ") && line.contains("GIF"))
            .count(),
        2 * 5,
        "{stderr}"
    );
    assert!(out.join("next.mp4").exists(), "{stderr}");
}

#[test]
fn vp9_without_a_chroma_site_is_written_and_copied() {
    let (_folder, folder) = folder();
    let source = "videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=Y444,width=96,height=64,framerate=25/1";
    let vp9 = format!("{source} ! vp9enc deadline=1 ! vp9parse");
    let full = folder.join("444.webm");
    launch(&format!("{vp9} ! webmmux ! filesink location=\"{}\"", full.display()));
    let h264 = folder.join("444.mp4");
    let encoder = "x264enc ! video/x-h264,profile=high-4:4:4 ! h264parse ! mp4mux";
    launch(&format!(
        "{source} ! {encoder} ! filesink location=\"{}\"",
        h264.display()
    ));
    let two = folder.join("two.mkv");
    let first =
        "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1 ! x264enc ! h264parse ! m.";
    let muxer = format!("matroskamux name=m ! filesink location=\"{}\"", two.display());
    launch(&format!("{first} {vp9} ! m. {muxer}"));
    for (input, output, codec) in [
        (&full, "a.mkv", None),
        (&full, "b.mp4", None),
        (&h264, "c.mp4", Some("vp9")),
        (&h264, "d.mov", Some("vp9")),
        (&two, "e.mp4", None),
    ] {
        let output = folder.join(output);
        let mut arguments = vec![text(input), "-o", text(&output)];
        arguments.extend(codec.iter().flat_map(|codec| ["--codec", codec]));
        succeed(&arguments);
        assert_eq!(frames(&output).len() % 12, 0, "{}", output.display());
        assert!(frames(&output).len() >= 12, "{}", output.display());
    }
}

/// Makes a clip of 30 frames with sound.
fn webm_clip(path: &Path, video: &str, audio: &str, muxer: &str) {
    launch(&format!(
        "videotestsrc num-buffers=30 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! {video} ! m. \
         audiotestsrc num-buffers=60 samplesperbuffer=960 ! audio/x-raw,rate=48000 ! {audio} ! m. \
         {muxer} name=m ! filesink location=\"{}\"",
        path.display()
    ));
}

/// Whether a file says that it is WebM, and not Matroska of another kind.
fn is_webm(path: &Path) -> bool {
    let head = &fs::read(path).unwrap()[..64];
    head.windows(4).any(|name| name == b"webm")
}

#[test]
fn a_name_of_webm_gives_a_webm_file() {
    gst::init().unwrap();
    let (_folder, folder) = folder();
    for (name, video, audio) in [
        ("vp9", "vp9enc deadline=1 ! vp9parse", "opusenc"),
        ("av1", "av1enc cpu-used=8 ! av1parse", "vorbisenc"),
        ("vp8", "vp8enc deadline=1", "vorbisenc"),
    ] {
        if gst::ElementFactory::find(video.split(' ').next().unwrap()).is_none() {
            assert!(std::env::var_os("CI").is_none(), "{video} must be there in CI");
            continue;
        }
        let muxer = if name == "av1" { "matroskamux" } else { "webmmux" };
        let (input, output) = (
            folder.join(format!("{name}.webm")),
            folder.join(format!("out/{name}.webm")),
        );
        webm_clip(&input, video, audio, muxer);
        let result = succeed(&[text(&input), "-o", text(&output)]);
        assert!(is_webm(&output), "{name}");
        assert!(!stderr(&result).contains("not kept"), "{}", stderr(&result));
        assert_eq!(frames(&output).len(), 30, "{name}");
        let sound = |path| packets(path).into_iter().find(|(media, _)| media.starts_with("audio/"));
        assert!(
            sound(&input).is_some() && sound(&input) == sound(&output),
            "{name}: the sound has changed"
        );
    }
}

#[test]
fn what_webm_cannot_hold_becomes_vp9_or_is_refused_before_the_work() {
    let (_folder, folder) = folder();
    let (silent, loud, out) = (
        folder.join("silent.mp4"),
        folder.join("loud.mp4"),
        folder.join("out.webm"),
    );
    let source = "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1";
    launch(&format!(
        "{source} ! x264enc ! h264parse ! mp4mux ! filesink location=\"{}\"",
        silent.display()
    ));
    clip(&loud, 12, "mp4mux");
    let refused = run(&[text(&silent), "-o", text(&out), "--codec", "h264"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("WebM") && stderr(&refused).contains("H.264"),
        "{}",
        stderr(&refused)
    );
    let refused = run(&[text(&loud), "-o", text(&out)]);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("WebM") && stderr(&refused).contains("audio/mpeg"),
        "{}",
        stderr(&refused)
    );
    assert!(!out.exists() && !folder.join("out.webm.blurdm").exists());
    let restored = succeed(&[text(&silent), "-o", text(&out)]);
    assert!(stderr(&restored).contains("becomes VP9"), "{}", stderr(&restored));
    assert!(is_webm(&out) && frames(&out).len() == 12);
}

/// Returns a frame of I420 whose rows have no padding, of one whose rows are padded to four bytes.
fn unpadded(frame: &[u8], width: usize, height: usize) -> Vec<u8> {
    let planes = [(width, height), (width / 2, height / 2), (width / 2, height / 2)];
    let (mut packed, mut rest) = (Vec::new(), frame);
    for (width, height) in planes {
        let stride = width.next_multiple_of(4);
        let (plane, behind) = rest.split_at(stride * height);
        packed.extend(plane.chunks(stride).flat_map(|row| &row[..width]));
        rest = behind;
    }
    packed
}

#[test]
fn uncompressed_frames_without_padding_are_restored() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("raw.mkv"), folder.join("out.mkv"));
    let padded = Arc::new(Mutex::new(Vec::new()));
    let seen = padded.clone();
    let pipeline = format!(
        "videotestsrc name=camera num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=100,height=70,framerate=25/1 ! \
         matroskamux ! filesink location=\"{}\"",
        input.display()
    );
    launch_with(&pipeline, |bin| {
        let pad = bin.by_name("camera").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let buffer = info.buffer_mut().unwrap();
            let frame = buffer.map_readable().unwrap().to_vec();
            let mut packed = gst::Buffer::from_mut_slice(unpadded(&frame, 100, 70));
            let times = gst::BufferCopyFlags::TIMESTAMPS;
            buffer.copy_into(packed.get_mut().unwrap(), times, ..).unwrap();
            seen.lock().unwrap().push(frame);
            *buffer = packed;
            gst::PadProbeReturn::Ok
        });
    });
    succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let (before, after) = (padded.lock().unwrap(), frames(&output));
    assert_eq!((before.len(), after.len()), (12, 12));
    for (before, (_, after)) in before.iter().zip(&after) {
        let (before, after) = (unpadded(before, 100, 70), unpadded(after, 100, 70));
        let apart: u64 = before.iter().zip(&after).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(apart < 2 * before.len() as u64, "{apart}");
    }
}

#[test]
fn of_a_file_that_is_no_mp4_nothing_is_told_as_lost_where_an_mp4_holds_all_of_it() {
    let (_folder, folder) = folder();
    for (name, muxer) in [("clip.ts", "mpegtsmux"), ("clip.mkv", "matroskamux")] {
        let (input, output) = (folder.join(name), folder.join(format!("{name}.mp4")));
        launch(&format!(
            "videotestsrc num-buffers=30 ! video/x-raw,width=96,height=64,framerate=25/1 ! x264enc bframes=0 ! h264parse ! {muxer} ! \
             filesink location=\"{}\"",
            input.display()
        ));
        succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
        let lost = record(&output)["lost"].to_string();
        assert!(!lost.contains("is not an MP4"), "{name}: {lost}");
    }
}

#[test]
fn a_folder_gives_videos_of_all_extensions_and_leaves_sound_and_other_files_of_the_same_ones() {
    let (_folder, folder) = folder();
    let videos = folder.join("videos");
    fs::create_dir(&videos).unwrap();
    let make = |source: &str, names: &[&str]| {
        let first = videos.join(names[0]);
        launch(&format!("{source} ! filesink location=\"{}\"", first.display()));
        for name in &names[1..] {
            fs::copy(&first, videos.join(name)).unwrap();
        }
    };
    let pictures = format!("videotestsrc num-buffers=5 ! video/x-raw,format=I420,{SIDE},framerate=25/1");
    let sound = "audiotestsrc num-buffers=10 ! audio/x-raw,rate=48000";
    make(&format!("{pictures} ! theoraenc ! oggmux"), &["a.ogv", "b.ogg"]);
    let coded = format!("{pictures} ! x264enc key-int-max=1 bframes=0 ! h264parse");
    make(&format!("{coded} ! mpegpsmux"), &["c.vob", "d.MOD", "e.mpe"]);
    make(
        &format!("{coded} ! mp4mux"),
        &["f.qt", "g.3g2", "h.insv", "i.3gpp", "j.f4v", "small.lrv"],
    );
    make(&format!("{coded} ! mpegtsmux"), &["k.m2t", "l.tod"]);
    make(&format!("{pictures} ! avenc_wmv1 ! asfmux"), &["m.asf"]);
    make(&format!("{sound} ! vorbisenc ! oggmux"), &["sound.ogg"]);
    make(&format!("{sound} ! avenc_aac ! aacparse ! mp4mux"), &["sound.3gpp"]);
    fs::write(videos.join("go.mod"), "module a\n").unwrap();

    let output = folder.join("out");
    let done = succeed(&[text(&videos), "-o", text(&output), "--strength", "0"]);
    let mut made: Vec<String> = fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".mkv"))
        .collect();
    made.sort();
    let expected: Vec<String> = ('a'..='m').map(|name| format!("{name}.mkv")).collect();
    assert_eq!(made, expected, "{}", stderr(&done));
}

#[test]
fn uncompressed_rgb_of_avi_has_square_pixels_where_it_states_none() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("in.avi"), folder.join("out.mkv"));
    launch(&format!(
        "videotestsrc num-buffers=5 ! video/x-raw,format=BGR,width=96,height=64,framerate=25/1 ! avimux ! filesink location=\"{}\"",
        input.display()
    ));
    // Rows go down where the height is negative (BITMAPINFOHEADER), as ffmpeg writes them.
    let mut file = fs::read(&input).unwrap();
    let format = file.windows(4).position(|window| window == b"strf").unwrap() + 8;
    file[format + 8..format + 12].copy_from_slice(&(-64_i32).to_le_bytes());
    fs::write(&input, file).unwrap();
    succeed(&[text(&input), "-o", text(&output)]);
    let shape = caps_of_video(&output)
        .structure(0)
        .unwrap()
        .get::<gst::Fraction>("pixel-aspect-ratio");
    assert_eq!(shape.unwrap(), gst::Fraction::new(1, 1));
    assert_eq!(frames(&output).len(), 5);
}

/// Returns the caps of the video of a Matroska file.
fn caps_of_video(path: &Path) -> gst::Caps {
    let found = Arc::new(Mutex::new(None));
    let seen = found.clone();
    let pipeline = format!(
        "filesrc location=\"{}\" ! matroskademux ! h264parse ! fakesink name=sink",
        path.display()
    );
    launch_with(&pipeline, |bin| {
        let pad = bin.by_name("sink").unwrap().static_pad("sink").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
            *seen.lock().unwrap() = pad.current_caps();
            gst::PadProbeReturn::Ok
        });
    });
    found.lock().unwrap().take().unwrap()
}

#[test]
fn subtitles_that_matroska_holds_are_kept_and_not_told_as_lost_and_ass_keeps_its_styles() {
    const STYLES: &[u8] = b"[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Comic Sans\n";
    let (_folder, folder) = folder();
    for (kind, caps, line) in [
        ("srt", "text/x-raw,format=utf8", &b"Hello & you"[..]),
        ("ass", "application/x-ass", b"0,0,Default,,0,0,0,,Hello {\\i1}you"),
    ] {
        let (input, output) = (
            folder.join(format!("{kind}.mkv")),
            folder.join(format!("{kind}-out.mkv")),
        );
        let pipeline = format!(
            "videotestsrc num-buffers=50 ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc ! h264parse ! mux. \
             appsrc name=text format=time ! mux.subtitle_0 matroskamux name=mux ! filesink location=\"{}\"",
            input.display()
        );
        launch_with(&pipeline, |bin| {
            let text = bin.by_name("text").unwrap().downcast::<gst_app::AppSrc>().unwrap();
            let mut caps: gst::Caps = caps.parse().unwrap();
            if kind == "ass" {
                caps.make_mut().set("codec_data", gst::Buffer::from_slice(STYLES));
            }
            text.set_caps(Some(&caps));
            bin.set_state(gst::State::Paused).unwrap();
            let mut buffer = gst::Buffer::from_slice(line);
            let made = buffer.get_mut().unwrap();
            made.set_pts(gst::ClockTime::from_mseconds(500));
            made.set_duration(gst::ClockTime::from_mseconds(700));
            text.push_buffer(buffer).unwrap();
            text.end_of_stream().unwrap();
        });
        let told = stderr(&succeed(&[text(&input), "-o", text(&output)]));
        assert!(!told.contains("cannot hold") && !told.contains("not kept"), "{told}");
        let (before, after) = (fs::read(&input).unwrap(), fs::read(&output).unwrap());
        let has = |file: &[u8], part: &[u8]| file.windows(part.len()).any(|window| window == part);
        assert!(has(&before, line) && has(&after, line), "{kind}");
        assert_eq!(has(&after, STYLES), kind == "ass");
    }
}
