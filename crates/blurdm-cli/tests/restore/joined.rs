// SPDX-License-Identifier: MPL-2.0

//! Recordings that were joined byte by byte, as with `cat`.

use std::fs;

use crate::clips::{SIDE, folder, frames, launch, packets, record, run, stderr, succeed, text};

#[test]
fn what_follows_the_end_of_the_first_of_joined_recordings_is_told_with_exit_status_3() {
    let (_folder, folder) = folder();
    for (name, muxer) in [
        ("a.mp4", "mp4mux"),
        ("a.mov", "qtmux"),
        ("fragmented.mp4", "mp4mux fragment-duration=200"),
        ("a.avi", "avimux"),
        ("b.mkv", "matroskamux"),
        ("live.mkv", "matroskamux streamable=true"),
        ("c.flv", "flvmux"),
        ("d.wmv", "asfmux"),
    ] {
        let input = folder.join(name);
        let coder = match name {
            "d.wmv" => "avenc_wmv1",
            _ => "x264enc bframes=0 ! h264parse",
        };
        launch(&format!(
            "videotestsrc num-buffers=12 pattern=ball ! video/x-raw,{SIDE},framerate=25/1 ! {coder} ! {muxer} ! filesink location=\"{}\"",
            input.display()
        ));
        let once = fs::read(&input).unwrap();
        fs::write(&input, once.repeat(2)).unwrap();
        let output = folder.join(format!("{name}.out.mkv"));
        let done = run(&[text(&input), "-o", text(&output)]);
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(3), "{name}: {told}");
        assert!(told.contains(&format!("{} bytes follow", once.len())), "{name}: {told}");
        assert_eq!(record(&output)["gaps"].as_array().unwrap().len(), 1, "{name}");
        assert!(frames(&output).len() >= 11, "{name}");
        // What is no recording is no gap.
        fs::write(&input, [&once[..], &[0; 64]].concat()).unwrap();
        succeed(&[text(&input), "-o", text(&output), "--overwrite"]);
    }
}

#[test]
fn of_joined_ogg_files_the_first_is_restored_and_the_other_is_told() {
    let (_folder, folder) = folder();
    let files = ["a.ogv", "b.ogv"].map(|name| {
        let path = folder.join(name);
        launch(&format!(
            "videotestsrc num-buffers=24 ! video/x-raw,{SIDE},framerate=25/1 ! theoraenc ! oggmux ! filesink location=\"{}\"",
            path.display()
        ));
        fs::read(path).unwrap()
    });
    // Streams have random numbers, which say nothing about their order.
    let [a, b] = &files;
    for (name, file) in [
        ("first-second.ogv", [&a[..], b].concat()),
        ("second-first.ogv", [&b[..], a].concat()),
    ] {
        let input = folder.join(name);
        fs::write(&input, file).unwrap();
        let output = folder.join(format!("{name}.mkv"));
        let done = run(&[text(&input), "-o", text(&output)]);
        let told = stderr(&done);
        assert_eq!(done.status.code(), Some(3), "{name}: {told}");
        assert!(
            told.contains("is in another stream, and not restored: video 2"),
            "{name}: {told}"
        );
    }
}

/// The demuxer looks for streams in the first two seconds, and goes on to read each as it is coded at first.
#[test]
fn sound_of_the_second_of_joined_program_streams_is_told_where_it_is_not_kept() {
    let (_folder, folder) = folder();
    let mp2 = "avenc_mp2 ! mpegaudioparse";
    let source = "audiotestsrc num-buffers=130 samplesperbuffer=1024 ! audio/x-raw,rate=44100,channels=1";
    let two = format!("{mp2} ! mux. {source} ! {mp2}");
    let recording = |name: &str, coder: &str| {
        let path = folder.join(name);
        launch(&format!(
            "videotestsrc num-buffers=75 pattern=ball ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc bframes=0 ! h264parse ! mux. \
             {source} ! {coder} ! mux. \
             mpegpsmux name=mux ! filesink location=\"{}\"",
            path.display()
        ));
        fs::read(path).unwrap()
    };
    let first = recording("first.mpg", mp2);
    for (name, coder, told) in [
        ("same", mp2, None),
        (
            "other",
            &two,
            Some("stream c1, which GStreamer does not read: sound, 1"),
        ),
        (
            "changed",
            "avenc_aac ! aacparse",
            Some("what follows in stream c0 where its coding changes from stream type 0x03 to 0x0f"),
        ),
    ] {
        let input = folder.join(format!("{name}.mpg"));
        let second = recording("second.mpg", coder);
        fs::write(&input, [&first[..], &second].concat()).unwrap();
        let output = folder.join(format!("{name}.mkv"));
        let done = run(&[text(&input), "-o", text(&output)]);
        let lost = record(&output)["lost"].to_string();
        for all in [stderr(&done), lost] {
            let is_told = told.is_none_or(|told| all.contains(told));
            assert!(
                is_told && all.contains("GStreamer does not read") == told.is_some(),
                "{name}: {all}"
            );
        }
        let sounds = packets(&output)["audio/mpeg"].len();
        assert!((sounds > 150) == (name != "changed"), "{name}: {sounds}");
    }
}
