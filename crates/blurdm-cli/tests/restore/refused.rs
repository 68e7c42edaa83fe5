// SPDX-License-Identifier: MPL-2.0

//! What cannot be restored is reported in one line, and does not stop the rest.

use std::{
    fs,
    fs::File,
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use gst::prelude::*;

use crate::clips::{change, clip, encrypt, folder, frames, launch, packets, restore, run, stderr, succeed, text};

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
    // The output is complete, and the gap is still there.
    let before = fs::read(&output).unwrap();
    let again = run(&[text(&input), "-o", text(&output)]);
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
    for told in ["was restored before", " frames from 0.000 s on cannot be decoded"] {
        assert!(stderr(&again).contains(told), "{}", stderr(&again));
    }
    assert!(fs::read(&output).unwrap() == before);
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

/// Every file and folder below a folder, with the content of the files.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        found.push((text(&path).to_owned(), fs::read(&path).unwrap_or_default()));
        if path.is_dir() {
            found.extend(content(&path));
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_or_a_link_that_has_the_name_of_unfinished_work_is_not_touched() {
    let (_folder, folder) = folder();
    let (input, victim, out) = (folder.join("clip.mp4"), folder.join("victim"), folder.join("out"));
    clip(&input, 12, "mp4mux");
    fs::create_dir_all(victim.join("photos")).unwrap();
    fs::write(victim.join("photos/1.jpg"), "a photo").unwrap();
    fs::write(victim.join("00000.mp4"), "a film").unwrap();
    fs::create_dir(&out).unwrap();
    let before = content(&victim);
    let named = out.join("clip.mp4.blurdm");
    symlink("../victim", &named).unwrap();
    for _ in 0..2 {
        let refused = run(&[text(&input), "-o", text(&out), "--overwrite"]);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("clip.mp4.blurdm"), "{}", stderr(&refused));
        assert!(!out.join("clip.mp4").exists());
        // And then a folder in place of the link.
        if named.is_symlink() {
            assert_eq!(content(&victim), before);
            fs::remove_file(&named).unwrap();
            fs::rename(&victim, &named).unwrap();
        }
    }
    assert_eq!(content(&named).len(), before.len());
    assert_eq!(fs::read(named.join("photos/1.jpg")).unwrap(), b"a photo");
    assert_eq!(fs::read(named.join("00000.mp4")).unwrap(), b"a film");
}

#[test]
fn nothing_is_written_through_links_in_unfinished_work() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    let (work, victim) = (folder.join("out.mp4.blurdm"), folder.join("victim"));
    clip(&input, 12, "mp4mux");
    let arguments = [text(&input), "-o", text(&output), "--report", "--overwrite"];
    for hard in [false, true] {
        succeed(&[&arguments[..], &["--plan"]].concat());
        fs::write(&victim, "a letter").unwrap();
        let written = ["00000", "00000.json", "job.json", "output", "record", "report", "track"];
        let parts = written.iter().map(|name| format!("{name}.part"));
        for name in parts.chain(["00000.mp4".into(), "00000.json".into(), "still-1-0-before.png".into()]) {
            let made = match hard {
                true => fs::hard_link(&victim, work.join(name)),
                false => symlink("../victim", work.join(name)),
            };
            made.unwrap();
        }
        succeed(&arguments);
        assert_eq!(fs::read(&victim).unwrap(), b"a letter");
        for made in ["out.mp4", "out.mp4.json", "out.mp4.html"] {
            let made = fs::symlink_metadata(folder.join(made)).unwrap();
            assert!(made.is_file() && made.nlink() == 1, "{made:?}");
        }
        assert!(!work.exists());
    }
}

#[test]
fn an_original_is_safe_whatever_its_name() {
    for (input, output) in [
        ("ride.mp4.gpx", "ride.mp4"),
        ("ride.mp4.html", "ride.mp4"),
        ("ride.mp4.json", "ride.mp4"),
        ("out.mp4.blurdm/00000.mp4", "out.mp4"),
        ("clip.mkv", "clip.avi"),
    ] {
        let (_folder, folder) = folder();
        let (input, output) = (folder.join(input), folder.join(output));
        fs::create_dir_all(input.parent().unwrap()).unwrap();
        clip(
            &input,
            12,
            if text(&input).ends_with("mkv") {
                "matroskamux"
            } else {
                "mp4mux"
            },
        );
        let before = content(&folder);
        let refused = run(&[text(&input), "-o", text(&output), "--report", "--overwrite"]);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("is the original"), "{}", stderr(&refused));
        assert_eq!(content(&folder), before);
    }
    // What was once the name of the unfinished output is a name as any other.
    let (_folder, folder) = folder();
    let input = folder.join(".x.mp4.part");
    clip(&input, 12, "mp4mux");
    let before = fs::read(&input).unwrap();
    succeed(&[text(&input), "-o", text(&folder.join("x.mp4"))]);
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[test]
fn an_output_that_is_renamed_does_not_take_the_place_of_another_original() {
    let (_folder, folder) = folder();
    let (first, second) = (folder.join("a/x.avi"), folder.join("top/b/x.mkv"));
    for (input, muxer) in [(&first, "avimux"), (&second, "matroskamux")] {
        fs::create_dir_all(input.parent().unwrap()).unwrap();
        clip(input, 12, muxer);
    }
    let before = fs::read(&second).unwrap();
    let refused = run(&[
        text(&first),
        text(&second),
        "-o",
        text(&folder.join("top/b")),
        "--overwrite",
    ]);
    assert!(!refused.status.success());
    assert_eq!(fs::read(&second).unwrap(), before);
}

#[test]
fn files_beside_the_output_that_are_not_its_own_are_replaced_only_if_that_is_wanted() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 12, "mp4mux");
    for side in ["out.mp4.json", "out.mp4.html"] {
        let path = folder.join(side);
        fs::write(&path, "mine").unwrap();
        let refused = run(&[text(&input), "-o", text(&output), "--report"]);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(
            stderr(&refused).contains(side) && stderr(&refused).contains("--overwrite"),
            "{}",
            stderr(&refused)
        );
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(!output.exists());
        fs::remove_file(&path).unwrap();
    }
    fs::write(folder.join("out.mp4.html"), "mine").unwrap();
    succeed(&[text(&input), "-o", text(&output), "--report", "--overwrite"]);
    assert!(
        fs::read_to_string(folder.join("out.mp4.html"))
            .unwrap()
            .contains("<svg")
    );
    // A record whose output is gone is the program's own.
    fs::remove_file(&output).unwrap();
    succeed(&[text(&input), "-o", text(&output)]);
    let preview = [text(&input), "-o", text(&output), "--preview", "0.1"];
    succeed(&preview);
    let refused = run(&preview);
    assert!(
        !refused.status.success() && stderr(&refused).contains("out-before.png"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn two_clips_that_differ_in_their_extension_have_a_report_each() {
    let (_folder, folder) = folder();
    let clips = folder.join("clips");
    fs::create_dir(&clips).unwrap();
    clip(&clips.join("clip.mp4"), 12, "mp4mux");
    clip(&clips.join("clip.mov"), 12, "qtmux");
    let out = folder.join("out");
    succeed(&[text(&clips), "-o", text(&out), "--report"]);
    for name in ["clip.mp4.html", "clip.mov.html"] {
        assert!(out.join(name).is_file(), "{name}");
    }
}

#[test]
fn the_output_has_the_originals_time_of_modification() {
    for (name, muxer) in [("clip.mp4", "mp4mux"), ("clip.mkv", "matroskamux")] {
        let (_folder, folder) = folder();
        let (input, output) = (folder.join(name), folder.join("out").join(name));
        clip(&input, 12, muxer);
        let recorded = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
        File::options()
            .write(true)
            .open(&input)
            .unwrap()
            .set_modified(recorded)
            .unwrap();
        succeed(&[text(&input), "-o", text(&output)]);
        assert_eq!(fs::metadata(&output).unwrap().modified().unwrap(), recorded, "{name}");
    }
}

#[test]
fn the_exit_status_is_that_of_the_work_where_standard_error_cannot_be_written() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 12, "mp4mux");
    let status = |input: &Path, flags: &[&str]| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = folder.join("out.mp4");
        restore(&[&[text(input), "-o", text(&output)], flags].concat())
            .stderr(Stdio::from(full))
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(status(&input, &[]), Some(0));
    assert_eq!(status(&input, &["--overwrite", "--quiet"]), Some(0));
    assert_eq!(status(&folder.join("gone.mp4"), &[]), Some(2));
}

#[test]
fn a_name_that_leaves_no_room_for_the_names_beside_it_is_refused_before_the_work() {
    // A name has at most 255 bytes, and ".blurdm" is the longest that is added.
    for (length, works) in [(248, true), (249, false)] {
        let (_folder, folder) = folder();
        let input = folder.join("clip.mp4");
        clip(&input, 12, "mp4mux");
        let output = folder.join("x".repeat(length - 4) + ".mp4");
        let before = content(&folder);
        let result = run(&[text(&input), "-o", text(&output), "--report"]);
        assert_eq!(result.status.success(), works, "{length}: {}", stderr(&result));
        if works {
            let again = succeed(&[text(&input), "-o", text(&output), "--report"]);
            assert!(stderr(&again).contains("restored before"), "{}", stderr(&again));
        } else {
            assert!(stderr(&result).contains("name too long"), "{}", stderr(&result));
            assert_eq!(content(&folder), before);
        }
    }
}

#[test]
fn of_frames_that_are_too_small_or_too_large_the_size_is_named_before_the_work() {
    let (_folder, folder) = folder();
    for size in ["14x14", "96x14", "16400x16"] {
        let (width, height) = size.split_once('x').unwrap();
        let (input, output) = (
            folder.join(format!("{size}.mkv")),
            folder.join(format!("out-{size}.mkv")),
        );
        launch(&format!(
            "videotestsrc num-buffers=3 ! video/x-raw,format=I420,width={width},height={height},framerate=25/1 ! \
             matroskamux ! filesink location=\"{}\"",
            input.display()
        ));
        for option in [&[][..], &["--preview", "0"]] {
            let refused = run(&[&[text(&input), "-o", text(&output)], option].concat());
            let told = stderr(&refused);
            assert_eq!(refused.status.code(), Some(1), "{told}");
            let named = format!("its frames have {size} pixels, and the model takes 16x16 to 16384x16384");
            assert!(told.contains(&named), "{told}");
        }
        assert_eq!(content(&folder).len(), 1, "{size}");
        fs::remove_file(&input).unwrap();
    }
}

#[test]
fn arguments_that_are_wrong_end_with_exit_status_2() {
    let (_folder, folder) = folder();
    let clip = folder.join("clip.mp4");
    fs::write(&clip, "not looked at").unwrap();
    let (gif, nowhere) = (folder.join("out.gif"), folder.join("gone.mp4"));
    for arguments in [
        [text(&clip), "-o", text(&gif)],
        [text(&clip), "-o", "-"],
        [text(&clip), "-o", text(&clip)],
        [text(&nowhere), "-o", "out"],
    ] {
        let refused = run(&arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", stderr(&refused));
    }
}

#[test]
fn of_an_encrypted_video_it_is_said_that_it_is_encrypted() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 60, "mp4mux");
    encrypt(&input, *b"vide");
    let webm = folder.join("clip.webm");
    launch(&format!(
        "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1 ! vp8enc deadline=1 ! webmmux streamable=true ! \
         filesink location=\"{}\"",
        webm.display()
    ));
    // GStreamer's muxer writes the sizes of elements that have elements in 8 bytes.
    let mut file = fs::read(&webm).unwrap();
    let find = |file: &[u8], mark: &[u8]| file.windows(mark.len()).position(|window| window == mark).unwrap();
    // The encodings of a track: one, which encrypts its blocks with AES, by RFC 9559, section 5.1.4.1.31.
    let encodings = b"\x6d\x80\x93\x62\x40\x90\x50\x33\x81\x01\x50\x35\x89\x47\xe1\x81\x05\x47\xe2\x82\x07\x07";
    let tracks = find(&file, b"\x16\x54\xae\x6b\x01");
    let track = tracks + find(&file[tracks..], b"\xae\x01\0\0\0");
    let size = u32::from_be_bytes(file[track + 5..track + 9].try_into().unwrap()) as usize;
    for number in [tracks + 8, track + 5] {
        change(&mut file[number..number + 4], |old| old + encodings.len() as u32);
    }
    file.splice(track + 9 + size..track + 9 + size, *encodings);
    fs::write(&webm, file).unwrap();
    for input in [input, webm] {
        let refused = run(&[text(&input), "-o", text(&folder.join("out.mkv"))]);
        let told = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1), "{}: {told}", text(&input));
        assert!(
            told.contains("cannot be restored: its video is encrypted"),
            "{}: {told}",
            text(&input)
        );
    }
}

#[test]
fn encrypted_sound_beside_a_clear_video_is_kept_in_mp4_and_what_is_not_is_told() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mp4");
    clip(&input, 60, "mp4mux");
    encrypt(&input, *b"soun");
    let output = folder.join("out.mp4");
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let (before, after) = (packets(&input), packets(&output));
    assert!(!before["application/x-cenc"].is_empty());
    assert!(
        before["application/x-cenc"] == after["application/x-cenc"],
        "the sound has changed"
    );
    let senc = |path: &Path| {
        let file = fs::read(path).unwrap();
        let at = file.windows(4).position(|window| window == b"senc").unwrap();
        file[at..at + 12 + 60 * 8].to_vec()
    };
    assert_eq!(senc(&input), senc(&output));
    assert!(
        stderr(&done).contains("(saio) of track 2 is not kept"),
        "{}",
        stderr(&done)
    );

    let output = folder.join("out.mkv");
    let done = succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
    let told = "cannot hold a stream that is encrypted (application/x-cenc), which is not kept";
    assert!(stderr(&done).contains(told), "{}", stderr(&done));
}

#[test]
fn a_pixel_format_that_gstreamer_does_not_know_is_refused_without_a_crash() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mkv");
    // Of FFmpeg's encoder: GStreamer's has no such format either.
    fs::write(&input, include_bytes!("data/ffv1-16-bits.mkv")).unwrap();
    let refused = run(&[text(&input), "-o", text(&folder.join("out.mkv"))]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("video/x-ffv") && told.contains("pixel format"), "{told}");
    assert!(!told.contains("crashed"), "{told}");
}

#[test]
fn a_codec_that_gstreamer_does_not_know_is_named_before_the_work_and_the_next_file_is_restored() {
    let (_folder, folder) = folder();
    for (name, muxer, known, unknown, told) in [
        (
            "a.mkv",
            "matroskamux",
            "V_MPEG4/ISO/AVC",
            "V_MPEG4/ISO/XYZ",
            "codec ID V_MPEG4/ISO/XYZ",
        ),
        ("b.avi", "avimux", "H264", "FFVH", "FourCC 'FFVH'"),
        ("c.mov", "qtmux", "avc1", "AVdh", "FourCC 'AVdh'"),
    ] {
        let input = folder.join(name);
        clip(&input, 12, muxer);
        let mut bytes = fs::read(&input).unwrap();
        let places = bytes.windows(known.len()).enumerate();
        let places: Vec<usize> = places
            .filter(|(_, part)| *part == known.as_bytes())
            .map(|(at, _)| at)
            .collect();
        assert!(!places.is_empty(), "{name}");
        for at in places {
            bytes[at..at + known.len()].copy_from_slice(unknown.as_bytes());
        }
        fs::write(&input, bytes).unwrap();
        let refused = run(&[text(&input), "-o", text(&folder.join("refused.mkv")), "--json"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        let lines = String::from_utf8(refused.stdout).unwrap();
        assert!(lines.contains(told) && lines.contains("ffmpeg"), "{name}: {lines}");
        assert!(!lines.contains("becomes"), "{name}: {lines}");
    }
    clip(&folder.join("d.mp4"), 12, "mp4mux");
    let all = run(&[text(&folder), "-o", text(&folder.join("out"))]);
    assert_eq!(all.status.code(), Some(1), "{}", stderr(&all));
    assert!(stderr(&all).contains("3 failed"), "{}", stderr(&all));
    assert!(folder.join("out/d.mp4").exists());
}

#[test]
fn prores_in_matroska_of_which_gstreamer_loses_the_times_is_not_taken_for_a_file_without_video() {
    let (_folder, folder) = folder();
    let input = folder.join("clip.mkv");
    launch(&format!(
        "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1 ! avenc_prores_ks ! matroskamux ! filesink location=\"{}\"",
        input.display()
    ));
    let refused = run(&[text(&input), "-o", text(&folder.join("out.mkv"))]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(
        told.contains("no times of the frames of its video (video/x-prores)"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_and_of_which_nothing_can_be_decoded_is_refused_with_one_reason() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    launch(&format!(
        "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! \
         x264enc key-int-max=10 bframes=0 ! h264parse ! mp4mux fragment-duration=400 ! filesink location=\"{}\"",
        input.display()
    ));
    // The frames become zeros, and the index of the second fragment gets a size that none has.
    let mut file = fs::read(&input).unwrap();
    let (mut at, mut fragments) = (0, 0);
    while at < file.len() {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        match &file[at + 4..at + 8] {
            b"mdat" => file[at + 8..at + size].fill(0),
            b"moof" => {
                fragments += 1;
                if fragments == 2 {
                    file[at..at + 4].copy_from_slice(&[0, 0, 0, 3]);
                }
            }
            _ => {}
        }
        at += size;
    }
    assert!(fragments > 2);
    fs::write(&input, file).unwrap();
    let refused = run(&[text(&input), "-o", text(&output)]);
    let told = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert_eq!(told.matches("cannot be read").count(), 1, "{told}");
}
