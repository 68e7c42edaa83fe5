// SPDX-License-Identifier: MPL-2.0

//! What cannot be restored is reported in one line, and does not stop the rest.

use std::fs;

use gst::prelude::*;

use crate::clips::{clip, folder, frames, launch, restore, run, stderr, succeed, text};

#[test]
fn for_a_codec_without_a_decoder_the_package_is_named() {
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
    let stderr = stderr(&output);
    assert!(!output.status.success());
    assert!(!none.is_empty(), "{none:?}");
    assert!(
        stderr.contains("H.264") && stderr.contains("gstreamer1.0-libav"),
        "{stderr} without {none:?}"
    );
}

#[test]
fn existing_outputs_are_not_replaced_and_completed_work_is_not_repeated() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    fs::write(&output, "mine").unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    assert!(
        !refused.status.success() && stderr(&refused).contains("--overwrite"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(fs::read(&output).unwrap(), b"mine");
    succeed(&[text(&input), "-o", text(&output), "--overwrite"]);
    let made = fs::metadata(&output).unwrap().modified().unwrap();
    let again = succeed(&[text(&input), "-o", text(&output)]);
    assert!(stderr(&again).contains("restored before"), "{}", stderr(&again));
    assert_eq!(fs::metadata(&output).unwrap().modified().unwrap(), made);
    let own = run(&[text(&input), "-o", text(&input), "--overwrite"]);
    assert!(!own.status.success());
    assert_eq!(frames(&input).len(), 12);
}

#[test]
fn a_batch_continues_after_a_file_that_cannot_be_read() {
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
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for name in ["clip2.mp4", "clip10.mp4"] {
        assert!(folder.join("out").join(name).exists(), "{stderr}");
    }
    assert!(stderr.contains("sound.mp4' has no video"), "{stderr}");
    let at = |name: &str| stderr.find(name).unwrap();
    assert!(at("clip2.mp4") < at("clip10.mp4"), "{stderr}");
}

#[test]
fn a_truncated_clip_is_restored_up_to_its_end_and_the_gap_is_reported() {
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
        assert_eq!(result.status.code(), Some(3), "{}", stderr(&result));
        assert!(stderr(&result).contains("is cut off"), "{}", stderr(&result));
        let there = frames(&output).len();
        assert!((50..200).contains(&there), "{there} frames: {}", stderr(&result));
    }
}

#[test]
fn a_damaged_part_is_a_gap_with_exit_status_3() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 200, "mp4mux");
    let mut bytes = fs::read(&input).unwrap();
    let middle = bytes.len() / 3;
    let end = (middle + bytes.len() / 3).min(bytes.len());
    bytes[middle..end].fill(0xff);
    fs::write(&input, &bytes).unwrap();
    let result = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(result.status.code(), Some(3), "{}", stderr(&result));
    assert!(
        stderr(&result).contains(" frames from 0.000 s on cannot be decoded"),
        "{}",
        stderr(&result)
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_reported() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    fs::write(folder.join("file"), "").unwrap();
    let result = run(&[text(&input), "-o", text(&folder.join("file/out.mp4"))]);
    assert!(
        !result.status.success() && stderr(&result).contains("cannot be written"),
        "{}",
        stderr(&result)
    );
}
