// SPDX-License-Identifier: MPL-2.0

//! What is kept, and what is recorded about the rest.

use std::fs;

use mp4_splice::Movie;

use crate::clips::{SIDE, assert_kept, clip, clip_of, folder, frames, launch, record, restore, stderr, succeed, text};

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
        succeed(&[text(&input), "-o", text(&folder.join("out"))]);
        assert_kept(&input, &output);
    }
    let left: Vec<_> = fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 6, "three videos and a record beside each: {left:?}");
}

#[test]
fn what_was_done_is_recorded_beside_the_output_and_in_it() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    succeed(&[text(&input), "-o", text(&output), "--strength", "0.5"]);
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
    let stderr = stderr(&together);
    assert_eq!(stderr.matches("ONNX Runtime 1.").count(), 1, "{stderr}");
    for name in ["1.mp4", "2.mp4", "3.mp4", "4.mp4"] {
        let alone = folder.join(name);
        succeed(&[text(&clips.join(name)), "-o", text(&alone)]);
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
fn what_another_container_does_not_keep_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 30, "mp4mux");
    let mut file = fs::read(&input).unwrap();
    // The second track gets a type that GStreamer does not know.
    let handler = file.windows(4).position(|window| window == b"soun").unwrap();
    file[handler..handler + 4].copy_from_slice(b"tmcd");
    fs::write(&input, file).unwrap();
    for (name, part) in [
        ("whole.mp4", &[][..]),
        ("whole.mkv", &[]),
        ("part.mp4", &["--start", "0.4"]),
    ] {
        let output = folder.join(name);
        let done = succeed(&[&[text(&input), "-o", text(&output)], part].concat());
        let lost = record(&output)["lost"].to_string();
        let what = "track 2 ('tmcd')";
        assert_eq!(lost.contains(what), name != "whole.mp4", "{name}: {lost}");
        assert_eq!(stderr(&done).contains(what), name != "whole.mp4", "{name}");
    }
}

/// Whether a track is compared is told to those who ask GStreamer for it.
#[test]
fn tracks_that_gstreamer_does_not_read_are_kept_and_compared_whatever_the_codec() {
    let (_folder, folder) = folder();
    for (name, muxer, kind, codec) in [
        ("time.mov", "qtmux", b"tmcd", "h264"),
        ("data.mp4", "mp4mux", b"camm", "h265"),
        ("places.mp4", "mp4mux", b"gps ", "av1"),
        ("more.mp4", "mp4mux", b"meta", "vp9"),
    ] {
        let (input, output) = (folder.join(name), folder.join("out").join(name));
        clip(&input, 20, muxer);
        let mut file = fs::read(&input).unwrap();
        let handler = file.windows(4).position(|window| window == b"soun").unwrap();
        file[handler..handler + 4].copy_from_slice(kind);
        fs::write(&input, file).unwrap();
        let done = restore(&[text(&input), "-o", text(&output), "--codec", codec])
            .env("GST_DEBUG", "blurdm-restore:INFO")
            .output()
            .unwrap();
        let told = stderr(&done);
        assert!(
            done.status.success() && !told.contains("not compared"),
            "{name}: {told}"
        );
        let samples = |path| {
            let movie = Movie::open(path).unwrap();
            let track = movie.tracks().iter().find(|track| &track.handler == kind).unwrap();
            let chunks = track.chunks.iter().flat_map(|chunk| {
                let mut bytes = vec![0; (chunk.end() - chunk.offset) as usize];
                movie.read_at(chunk.offset, &mut bytes).unwrap();
                bytes
            });
            chunks.collect::<Vec<u8>>()
        };
        assert!(samples(&input) == samples(&output), "{name}");
    }
}

/// Returns the PSNR of bytes in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / sum).log10()
}

/// Noise takes far more bits than any clip, and a limit of the bit rate that nobody asked for would show.
#[test]
fn the_requested_quality_is_that_of_every_frame_however_many_bits_it_takes() {
    let (_folder, folder) = folder();
    let input = folder.join("noise.mp4");
    launch(&format!(
        "videotestsrc num-buffers=50 pattern=snow ! video/x-raw,format=I420,width=192,height=128,framerate=25/1 ! \
         x264enc pass=quant quantizer=1 bframes=0 ! h264parse ! mp4mux ! filesink location=\"{}\"",
        input.display()
    ));
    let original = frames(&input);
    for (codec, encoder) in [
        ("h264", "x264enc"),
        ("h265", "x265enc"),
        ("av1", "av1enc"),
        ("vp9", "vp9enc"),
    ] {
        if gst::ElementFactory::find(encoder).is_none() {
            assert!(std::env::var_os("CI").is_none(), "{encoder} must be there in CI");
            continue;
        }
        let at = |quality: &str| {
            let output = folder.join(format!("{codec}-{quality}.mkv"));
            let arguments = [
                "--codec",
                codec,
                "--quality",
                quality,
                "--strength",
                "0",
                "--software-encoder",
            ];
            succeed(&[&[text(&input), "-o", text(&output)], &arguments[..]].concat());
            let encoded = frames(&output);
            assert_eq!(encoded.len(), original.len(), "{codec}");
            let every = original.iter().zip(&encoded).map(|(a, b)| psnr(&a.1, &b.1));
            every.fold(f64::INFINITY, f64::min)
        };
        let (good, best) = (at("20"), at("4"));
        assert!(
            good > 33.0 && best > 43.0,
            "{codec}: {good:.1} dB at 20, {best:.1} dB at 4"
        );
    }
}

#[test]
fn every_codec_keeps_the_picture_at_the_requested_quality_across_segments() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip_of(&format!("format=I420,{SIDE}"), &input, 170, "mp4mux");
    let plan = succeed(&[text(&input), "-o", text(&folder.join("plan.mp4")), "--plan"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["segments"].as_array().unwrap().len(), 2);
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
                succeed(
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
