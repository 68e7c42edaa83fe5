// SPDX-License-Identifier: MPL-2.0

//! What `blurdm restore` promises to whoever has a folder of clips.

// A test may fail at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use gst::prelude::*;

const SIDE: &str = "width=96,height=64";

/// `blurdm restore`, on the CPU, which is there everywhere.
fn restore(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blurdm"));
    command
        .arg("restore")
        .args(["--execution-provider", "cpu"])
        .args(arguments);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(arguments: &[&str]) -> Output {
    restore(arguments).output().unwrap()
}

/// A command that succeeds.
fn done(arguments: &[&str]) -> Output {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    output
}

fn launch(pipeline: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(pipeline).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(end.is_some_and(|message| message.type_() == gst::MessageType::Eos));
}

/// Frames with something in them, and sound, as a file of the muxer's kind.
fn clip(path: &Path, frames: usize, muxer: &str) {
    clip_of(SIDE, path, frames, muxer);
}

fn clip_of(size: &str, path: &Path, frames: usize, muxer: &str) {
    let path = path.display();
    launch(&format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,{size},framerate=25/1 ! x264enc key-int-max=50 bframes=2 ! h264parse ! mux. \
         audiotestsrc num-buffers={} samplesperbuffer=1920 ! audio/x-raw,rate=48000 ! avenc_aac ! aacparse ! mux. \
         {muxer} name=mux ! filesink location=\"{path}\"",
        frames
    ));
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a stream holds, by its media type: times in ns and contents of its packets; of video only the times, of decoded frames also what they show.
type Streams = BTreeMap<String, Vec<(Option<u64>, Vec<u8>)>>;

fn packets(path: &Path) -> Streams {
    streams(path, "parsebin")
}

/// Frames as they are decoded.
fn frames(path: &Path) -> Vec<(Option<u64>, Vec<u8>)> {
    streams(path, "decodebin").remove("video/x-raw").unwrap_or_default()
}

fn streams(path: &Path, parts: &str) -> Streams {
    use std::sync::{Arc, Mutex};

    gst::init().unwrap();
    let found = Arc::new(Mutex::new(Streams::new()));
    let pipeline = gst::Pipeline::new();
    let file = gst::ElementFactory::make("filesrc")
        .property("location", path)
        .build()
        .unwrap();
    let parts = gst::ElementFactory::make(parts).build().unwrap();
    pipeline.add_many([&file, &parts]).unwrap();
    file.link(&parts).unwrap();
    let (inside, collected) = (pipeline.downgrade(), found.clone());
    parts.connect_pad_added(move |_, pad| {
        let pipeline = inside.upgrade().unwrap();
        let sink = gst::ElementFactory::make("fakesink")
            .property("sync", false)
            .property("async", false)
            .build()
            .unwrap();
        pipeline.add(&sink).unwrap();
        sink.sync_state_with_parent().unwrap();
        pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        let collected = collected.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let name = pad.current_caps().unwrap().structure(0).unwrap().name().to_string();
            let buffer = info.buffer().unwrap();
            let content = buffer.map_readable().unwrap().to_vec();
            let packet = (buffer.pts().map(gst::ClockTime::nseconds), content);
            collected.lock().unwrap().entry(name).or_default().push(packet);
            gst::PadProbeReturn::Ok
        });
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    pipeline.set_state(gst::State::Null).unwrap();
    std::mem::take(&mut *found.lock().unwrap())
}

fn times(packets: &[(Option<u64>, Vec<u8>)]) -> Vec<Option<u64>> {
    let mut times: Vec<_> = packets.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    times
}

/// Sound is the same bit for bit, and every frame is there at its time.
fn assert_kept(original: &Path, output: &Path) {
    let (mut original, mut output) = (packets(original), packets(output));
    let (before, after) = (
        original.remove("video/x-h264").unwrap(),
        output.remove("video/x-h264").unwrap(),
    );
    assert_eq!(times(&before), times(&after));
    assert!(original == output, "another stream is not what it was");
    assert!(before != after, "nothing was restored");
}

#[test]
fn frames_keep_their_times_and_sound_its_bits() {
    let (_folder, folder) = folder();
    for (name, muxer) in [
        ("a b.mp4", "mp4mux"),
        ("Fahrt über Land.mov", "qtmux"),
        ("c.mkv", "matroskamux"),
    ] {
        let (input, output) = (folder.join(name), folder.join("out").join(name));
        clip(&input, 30, muxer);
        done(&[text(&input), "-o", text(&folder.join("out"))]);
        assert_kept(&input, &output);
    }
    let left: Vec<_> = fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 6, "three videos and a record beside each: {left:?}");
}

/// What is said of an output beside it.
fn record(output: &Path) -> serde_json::Value {
    let mut path = output.as_os_str().to_owned();
    path.push(".json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_was_done_is_recorded_beside_the_output_and_in_it() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    done(&[text(&input), "-o", text(&output), "--strength", "0.5"]);
    let record = record(&output);
    assert_eq!(record["enhanced"], true);
    assert_eq!(record["treatment"]["strength"], 0.5);
    assert_eq!(record["frames"], 12);
    assert_eq!(record["original"]["bytes"], fs::metadata(&input).unwrap().len());
    assert_eq!(record["model"]["sha256"].as_str().unwrap().len(), 64);
    assert!(record["provider"].as_str().unwrap().starts_with("cpu in "), "{record}");
    let inside = fs::read(&output).unwrap();
    let tag = b"enhanced by blurdm";
    assert!(inside.windows(tag.len()).any(|window| window == tag));
}

/// Kills the command as often as told, each time a little later, and then lets it end.
fn interrupted(arguments: &[&str], kills: u32, pause: Duration) {
    for kill in 1..=kills {
        let mut child = restore(arguments).spawn().unwrap();
        thread::sleep(pause * kill);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    done(arguments);
}

#[test]
fn a_run_that_was_killed_is_gone_on_with_and_gives_the_same_frames() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 400, "mp4mux");
    let (whole, resumed) = (folder.join("whole.mp4"), folder.join("resumed.mp4"));
    done(&[text(&input), "-o", text(&whole)]);
    interrupted(&[text(&input), "-o", text(&resumed)], 4, Duration::from_millis(1500));
    assert_kept(&input, &resumed);
    assert!(frames(&whole) == frames(&resumed), "frames differ");
    assert!(!folder.join("resumed.mp4.blurdm").exists());
    assert!(
        fs::read_dir(&folder)
            .unwrap()
            .all(|entry| !text(&entry.unwrap().path()).ends_with(".part"))
    );
}

#[test]
fn ctrl_c_ends_within_a_second_and_leaves_what_is_finished() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 1500, "mp4mux");
    let mut child = restore(&[text(&input), "-o", text(&output)]).spawn().unwrap();
    let work = folder.join("out.mp4.blurdm");
    let began = Instant::now();
    while !work.join("00000.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(120));
        thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let asked = Instant::now();
    let status = child.wait().unwrap();
    // A second is promised; a machine that does other things beside may take longer.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(130));
    assert!(work.join("00000.mp4").exists() && !output.exists());
}

#[test]
fn segments_restored_apart_give_the_same_file() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 300, "mp4mux");
    let (whole, parts) = (folder.join("whole.mp4"), folder.join("parts.mp4"));
    done(&[text(&input), "-o", text(&whole)]);
    let plan = done(&[text(&input), "-o", text(&parts), "--plan"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let segments = plan["segments"].as_array().unwrap();
    assert!(segments.len() > 1);
    for segment in segments.iter().rev() {
        done(&[
            text(&input),
            "-o",
            text(&parts),
            "--segments",
            &segment["number"].to_string(),
        ]);
    }
    assert!(!parts.exists());
    done(&[text(&input), "-o", text(&parts)]);
    assert!(frames(&whole) == frames(&parts), "frames differ");
}

#[test]
fn a_batch_loads_its_model_once_and_every_clip_looks_as_if_it_were_alone() {
    let (_folder, folder) = folder();
    let clips = folder.join("clips");
    fs::create_dir(&clips).unwrap();
    let wide = "width=128,height=64";
    for (name, size) in [("1.mp4", SIDE), ("2.mp4", SIDE), ("3.mp4", wide), ("4.mp4", SIDE)] {
        clip_of(size, &clips.join(name), 12, "mp4mux");
    }
    fs::write(clips.join("2b.mp4"), "no video at all").unwrap();
    let together = restore(&[text(&clips), "-o", text(&folder.join("together"))])
        .env("GST_DEBUG", "blurdm:INFO")
        .output()
        .unwrap();
    let said = said(&together);
    assert_eq!(said.matches("ONNX Runtime 1.").count(), 1, "{said}");
    for name in ["1.mp4", "2.mp4", "3.mp4", "4.mp4"] {
        let alone = folder.join(name);
        done(&[text(&clips.join(name)), "-o", text(&alone)]);
        assert!(
            frames(&alone) == frames(&folder.join("together").join(name)),
            "{name}: frames differ"
        );
        let [alone, together] = [alone, folder.join("together").join(name)].map(|output| record(&output));
        assert!(alone["provider"].as_str().unwrap().starts_with("cpu in "), "{alone}");
        assert_eq!(alone["provider"], together["provider"], "{name}");
    }
}

#[test]
fn a_part_of_a_clip_has_the_frames_of_that_part() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 60, "mp4mux");
    done(&[text(&input), "-o", text(&output), "--start", "0.8", "--duration", "0.6"]);
    let expected: Vec<_> = (0..15).map(|frame| Some(frame * 40_000_000)).collect();
    assert_eq!(times(&frames(&output)), expected);
    let output = run(&[
        text(&input),
        "-o",
        text(&folder.join("none.mp4")),
        "--start",
        "7",
        "--duration",
        "1",
    ]);
    assert!(
        !output.status.success() && said(&output).contains("holds no frame between 7.000 s"),
        "{}",
        said(&output)
    );
}

/// PSNR of bytes, in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / sum).log10()
}

#[test]
fn every_codec_keeps_the_picture_at_the_quality_asked_for_across_segments() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip_of(&format!("format=I420,{SIDE}"), &input, 130, "mp4mux");
    let original = frames(&input);
    for (codec, encoder) in [
        ("h264", "x264enc"),
        ("h265", "x265enc"),
        ("av1", "av1enc"),
        ("vp9", "vp9enc"),
    ] {
        if gst::ElementFactory::find(encoder).is_none() {
            assert!(std::env::var_os("CI").is_none(), "{encoder} must be there in CI");
            eprintln!("{codec} not tried: there is no {encoder} here");
            continue;
        }
        for ending in ["mkv", "mp4"] {
            let mut worst = Vec::new();
            for quality in ["12", "40"] {
                let output = folder.join(format!("{codec}-{quality}.{ending}"));
                let strength = ["--strength", "0", "--software-encoder"];
                let (input, shown) = (text(&input), text(&output));
                done(
                    &[
                        &[input, "-o", shown, "--codec", codec, "--quality", quality],
                        &strength[..],
                    ]
                    .concat(),
                );
                let encoded = frames(&output);
                assert_eq!(encoded.len(), original.len(), "{codec} in {ending}");
                let psnrs = encoded.iter().zip(&original).map(|(a, b)| psnr(&a.1, &b.1));
                worst.push(psnrs.fold(f64::INFINITY, f64::min));
            }
            assert!(
                worst[0] > 38.0 && worst[0] > worst[1] + 3.0,
                "{codec} in {ending}: {worst:?} dB"
            );
        }
    }
}

#[test]
fn of_a_codec_that_nothing_here_decodes_the_package_is_named() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let decoders = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DECODER, gst::Rank::MARGINAL);
    let none: Vec<String> = decoders
        .iter()
        .filter(|decoder| decoder.name().contains("264"))
        .map(|decoder| format!("{}:NONE", decoder.name()))
        .collect();
    let output = restore(&[text(&input), "-o", text(&folder.join("out.mp4"))])
        .env("GST_PLUGIN_FEATURE_RANK", none.join(","))
        .output()
        .unwrap();
    let said = said(&output);
    assert!(!output.status.success());
    assert!(!none.is_empty(), "{none:?}");
    assert!(
        said.contains("H.264") && said.contains("gstreamer1.0-libav"),
        "{said} without {none:?}"
    );
}

#[test]
fn a_preview_is_a_frame_before_and_after() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 30, "mp4mux");
    done(&[text(&input), "-o", text(&folder.join("look.mp4")), "--preview", "0.5"]);
    let picture = |name| fs::read(folder.join(name)).unwrap();
    let (before, after) = (picture("look-before.png"), picture("look-after.png"));
    assert!(before.starts_with(b"\x89PNG") && after.starts_with(b"\x89PNG") && before != after);
    assert!(!folder.join("look.mp4").exists());
}

#[test]
fn side_by_side_is_twice_as_wide() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    done(&[text(&input), "-o", text(&output), "--compare", "side-by-side"]);
    let shown = frames(&output);
    assert_eq!(shown.len(), 12);
    assert_eq!(shown[0].1.len(), 2 * 96 * 64 * 3 / 2);
}

#[test]
fn what_is_there_is_not_replaced_and_what_was_done_is_not_done_again() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    fs::write(&output, "mine").unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert!(
        !refused.status.success() && said(&refused).contains("--overwrite"),
        "{}",
        said(&refused)
    );
    assert_eq!(fs::read(&output).unwrap(), b"mine");
    done(&[text(&input), "-o", text(&output), "--overwrite"]);
    let made = fs::metadata(&output).unwrap().modified().unwrap();
    let again = done(&[text(&input), "-o", text(&output)]);
    assert!(said(&again).contains("restored before"), "{}", said(&again));
    assert_eq!(fs::metadata(&output).unwrap().modified().unwrap(), made);
    let own = run(&[text(&input), "-o", text(&input), "--overwrite"]);
    assert!(!own.status.success());
    assert_eq!(frames(&input).len(), 12);
}

#[test]
fn a_batch_goes_on_past_what_cannot_be_read() {
    let (_folder, folder) = folder();
    let clips = folder.join("clips");
    fs::create_dir(&clips).unwrap();
    clip(&clips.join("clip10.mp4"), 12, "mp4mux");
    clip(&clips.join("clip2.mp4"), 12, "mp4mux");
    fs::write(clips.join("clip1.mp4"), "no video at all").unwrap();
    fs::write(clips.join("clip3.mp4"), "").unwrap();
    launch(&format!(
        "audiotestsrc num-buffers=10 ! avenc_aac ! mp4mux ! filesink location=\"{}\"",
        clips.join("sound.mp4").display()
    ));
    let output = run(&[text(&clips), "-o", text(&folder.join("out"))]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for name in ["clip2.mp4", "clip10.mp4"] {
        assert!(folder.join("out").join(name).exists(), "{said}");
    }
    assert!(said.contains("sound.mp4' has no video"), "{said}");
    let at = |name: &str| said.find(name).unwrap();
    assert!(at("clip2.mp4") < at("clip10.mp4"), "{said}");
}

#[test]
fn of_a_truncated_clip_what_is_there_is_restored_and_the_gap_is_told() {
    let (_folder, folder) = folder();
    for (name, muxer) in [("clip.mkv", "matroskamux"), ("clip.mp4", "mp4mux faststart=true")] {
        let (whole, input, output) = (
            folder.join(format!("whole-{name}")),
            folder.join(name),
            folder.join("out").join(name),
        );
        clip(&whole, 200, muxer);
        let bytes = fs::read(&whole).unwrap();
        fs::write(&input, &bytes[..bytes.len() * 2 / 3]).unwrap();
        let result = run(&[text(&input), "-o", text(&output)]);
        assert_eq!(result.status.code(), Some(3), "{}", said(&result));
        assert!(said(&result).contains("is cut off"), "{}", said(&result));
        let there = frames(&output).len();
        assert!((50..200).contains(&there), "{there} frames: {}", said(&result));
    }
}

#[test]
fn a_damaged_stretch_is_a_gap_with_exit_status_3() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 200, "mp4mux");
    let mut bytes = fs::read(&input).unwrap();
    let middle = bytes.len() / 3;
    let end = (middle + bytes.len() / 3).min(bytes.len());
    bytes[middle..end].fill(0xff);
    fs::write(&input, &bytes).unwrap();
    let result = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(result.status.code(), Some(3), "{}", said(&result));
    assert!(
        said(&result).contains(" frames from 0.000 s on cannot be decoded"),
        "{}",
        said(&result)
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    fs::write(folder.join("file"), "").unwrap();
    let result = run(&[text(&input), "-o", text(&folder.join("file/out.mp4"))]);
    assert!(
        !result.status.success() && said(&result).contains("cannot be written"),
        "{}",
        said(&result)
    );
}

#[test]
fn work_that_another_process_has_is_left_to_it_with_a_word() {
    let (_folder, folder) = folder();
    let (input, work) = (folder.join("clip.mp4"), folder.join("out.mp4.blurdm"));
    clip(&input, 12, "mp4mux");
    fs::create_dir(&work).unwrap();
    let lock = fs::File::create(work.join("lock")).unwrap();
    lock.lock().unwrap();
    let result = run(&[text(&input), "-o", text(&folder.join("out.mp4"))]);
    assert_eq!(result.status.code(), Some(1));
    assert!(said(&result).contains("by another process"), "{}", said(&result));
}

#[test]
fn progress_for_scripts_is_a_json_object_per_line() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let output = done(&[text(&input), "-o", text(&folder.join("out.mp4")), "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "begun");
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "done" && event["restored"] == 12),
        "{lines}"
    );
}

#[test]
fn a_report_shows_stills_and_figures_and_asks_for_nothing() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 30, "mp4mux");
    done(&[text(&input), "-o", text(&folder.join("out.mp4")), "--report"]);
    let page = fs::read_to_string(folder.join("out.html")).unwrap();
    assert_eq!(
        page.matches("data:image/png;base64,").count(),
        10,
        "five stills, before and after"
    );
    for asked in ["src=\"http", "href=\"http", "url(http", "@import", "fetch("] {
        assert!(!page.contains(asked), "{asked}");
    }
    assert!(page.contains("<svg"));
}

#[test]
fn only_blurred_frames_are_restored_if_that_is_asked_for() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    // Squares are as sharp as can be.
    launch(&format!(
        "videotestsrc num-buffers=12 pattern=checkers-8 ! video/x-raw,width=256,height=256,framerate=25/1 ! x264enc pass=quant quantizer=1 ! mp4mux ! filesink location=\"{}\"",
        input.display()
    ));
    done(&[text(&input), "-o", text(&output), "--only-blurred"]);
    let record = record(&output);
    assert_eq!(record["passed"], 12, "{record}");
}
