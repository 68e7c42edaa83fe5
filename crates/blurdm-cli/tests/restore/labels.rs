// SPDX-License-Identifier: MPL-2.0

//! What a Matroska or WebM output says about the recording and its tracks.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use crate::{
    clips::{SIDE, clip, folder, launch, launch_with, patch, record, succeed, text},
    videos::{disable, file_of, h264},
};

/// The clip's times of recording, in nanoseconds since 2001 as Matroska states them.
fn recorded(path: &Path) -> Vec<i64> {
    let file = fs::read(path).unwrap();
    let times = file
        .windows(11)
        .filter(|window| window.starts_with(&[0x44, 0x61, 0x88]));
    times
        .map(|window| i64::from_be_bytes(window[3..].try_into().unwrap()))
        .collect()
}

/// Seconds from 1904, from which MP4 counts, to 2001.
const SINCE_1904: u32 = 3_061_152_000;

#[test]
fn the_time_of_recording_is_that_of_the_original() {
    gst::init().unwrap();
    let (_folder, folder) = folder();
    let (matroska, mp4) = (folder.join("a.mkv"), folder.join("b.mp4"));
    launch_with(
        &format!(
            "videotestsrc num-buffers=12 ! video/x-raw,format=I420,{SIDE},framerate=25/1 ! x264enc ! h264parse ! \
             matroskamux name=m ! filesink location=\"{}\"",
            matroska.display()
        ),
        |pipeline| {
            let time = gst::glib::DateTime::from_utc(2011, 5, 6, 7, 8, 9.123_456).unwrap();
            pipeline.by_name("m").unwrap().set_property("creation-time", time);
        },
    );
    clip(&mp4, 12, "mp4mux");
    let seconds = 326_358_489;
    patch(&mp4, b"mvhd", |fields| {
        fields[..4].copy_from_slice(&(SINCE_1904 + seconds).to_be_bytes());
    });
    let exact = i64::from(seconds) * 1_000_000_000;
    for (input, output, expected) in [
        (&matroska, "a.mkv", exact + 123_456_000),
        (&matroska, "a.webm", exact + 123_456_000),
        (&mp4, "b.mkv", exact),
    ] {
        let output = folder.join("out").join(output);
        succeed(&[text(input), "-o", text(&output)]);
        assert_eq!(recorded(&output), [expected], "{}", output.display());
        let lost = record(&output)["lost"].to_string();
        assert!(!lost.contains("the time of recording"), "{lost}");
    }
}

/// Puts these bytes and an empty element in the place of the name that the muxer has given to the n-th track.
fn flag(path: &Path, track: usize, flags: &[u8]) {
    let mut file = fs::read(path).unwrap();
    let name =
        |window: &[u8]| window[..2] == [0x53, 0x6e] && window[2] & 0xf0 == 0x80 && window[3].is_ascii_uppercase();
    let at = (0..file.len() - 4)
        .filter(|&at| name(&file[at..at + 4]))
        .nth(track)
        .unwrap();
    let room = 3 + usize::from(file[at + 2] & 0x7f);
    let rest = room - flags.len();
    let empty = if rest > 0 {
        vec![0xec, 0x80 | (rest as u8 - 2)]
    } else {
        Vec::new()
    };
    let filled = [flags, &empty, &vec![0; rest.saturating_sub(2)]].concat();
    file[at..at + room].copy_from_slice(&filled);
    fs::write(path, file).unwrap();
}

/// Returns, by the media type and number of each stream, whether GStreamer's demuxer says that it is shown by default.
fn shown(path: &Path) -> BTreeMap<String, bool> {
    let found = Arc::new(Mutex::new(BTreeMap::new()));
    launch_with(
        &format!("filesrc location=\"{}\" ! matroskademux name=d", path.display()),
        |pipeline| {
            let (inside, found) = (pipeline.downgrade(), found.clone());
            pipeline.by_name("d").unwrap().connect_pad_added(move |_, pad| {
                let pipeline = inside.upgrade().unwrap();
                let sink = gst::ElementFactory::make("fakesink")
                    .property("async", false)
                    .build()
                    .unwrap();
                pipeline.add(&sink).unwrap();
                sink.sync_state_with_parent().unwrap();
                pad.link(&sink.static_pad("sink").unwrap()).unwrap();
                let start = pad.sticky_event::<gst::event::StreamStart>(0).unwrap();
                let shown = start.stream_flags().contains(gst::StreamFlags::SELECT);
                found.lock().unwrap().insert(pad.name().to_string(), shown);
            });
        },
    );
    std::mem::take(&mut *found.lock().unwrap())
}

/// Returns how often these bytes are among the first of a file, where its tracks are described.
fn count(path: &Path, bytes: &[u8]) -> usize {
    let file = fs::read(path).unwrap();
    // Pictures may have any bytes.
    let end = file.windows(CLUSTER.len()).position(|window| window == CLUSTER);
    let head = &file[..end.unwrap_or(file.len()).min(4096)];
    head.windows(bytes.len()).filter(|window| window == &bytes).count()
}

/// The flags "forced" and "commentary" where they are set, and "default" where it is not.
const FORCED: [u8; 4] = [0x55, 0xaa, 0x81, 1];
const COMMENTARY: [u8; 4] = [0x55, 0xaf, 0x81, 1];
const NOT_DEFAULT: [u8; 3] = [0x88, 0x81, 0];

#[test]
fn flags_of_tracks_are_kept_in_matroska_and_told_elsewhere() {
    let (_folder, folder) = folder();
    let input = folder.join("flags.mkv");
    let sound = |frequency: u32| {
        format!(
            "audiotestsrc num-buffers=24 freq={frequency} ! audio/x-raw,rate=48000 ! opusenc ! opusparse ! queue ! m."
        )
    };
    launch(&format!(
        "matroskamux name=m ! filesink location=\"{}\" {} ! m. {} {}",
        input.display(),
        h264("ball", 12, 96),
        sound(440),
        sound(880)
    ));
    // The name of the last one first: each is replaced.
    flag(&input, 2, &[&COMMENTARY[..], &NOT_DEFAULT].concat());
    flag(&input, 1, &[&FORCED[..], &NOT_DEFAULT].concat());
    let before = shown(&input);
    assert_eq!(before.values().filter(|shown| !**shown).count(), 2, "{before:?}");
    for name in ["whole.mkv", "whole.webm"] {
        let output = folder.join(name);
        succeed(&[text(&input), "-o", text(&output)]);
        assert_eq!(shown(&output), before, "{name}");
        for flag in [&FORCED[..], &COMMENTARY] {
            assert_eq!(count(&output, flag), 1, "{name}");
        }
        let lost = record(&output)["lost"].to_string();
        assert!(!lost.contains("that stream"), "{lost}");
    }
    let output = folder.join("elsewhere.mp4");
    succeed(&[text(&input), "-o", text(&output)]);
    let lost = record(&output)["lost"].to_string();
    for told in [
        "that stream 002 is forced",
        "that stream 002 is not default",
        "that stream 003 is a commentary",
    ] {
        assert!(lost.contains(told), "{lost}");
    }
}

#[test]
fn a_track_of_an_mp4_that_is_disabled_is_not_shown_by_default_in_matroska() {
    let (_folder, folder) = folder();
    let input = file_of(
        &folder,
        "two.mp4",
        "mp4mux",
        &[&h264("ball", 12, 96), &h264("smpte", 12, 96)],
    );
    disable(&input, 1);
    let output = folder.join("two.mkv");
    succeed(&[text(&input), "-o", text(&output)]);
    assert_eq!(
        shown(&output),
        BTreeMap::from([("video_0".into(), true), ("video_1".into(), false)])
    );
    let part = folder.join("part.mp4");
    succeed(&[text(&input), "-o", text(&part), "--start", "0.1"]);
    let lost = record(&part)["lost"].to_string();
    assert!(lost.contains("that stream 002 is not default"), "{lost}");
}

/// Returns the language that GStreamer's demuxer finds of each stream, by its media type.
fn languages(path: &Path) -> BTreeMap<String, Option<String>> {
    let found = Arc::new(Mutex::new(BTreeMap::new()));
    launch_with(
        &format!("filesrc location=\"{}\" ! parsebin name=p", path.display()),
        |pipeline| {
            let (inside, found) = (pipeline.downgrade(), found.clone());
            pipeline.by_name("p").unwrap().connect_pad_added(move |_, pad| {
                let pipeline = inside.upgrade().unwrap();
                let sink = gst::ElementFactory::make("fakesink")
                    .property("async", false)
                    .build()
                    .unwrap();
                let (input, found) = (sink.static_pad("sink").unwrap(), found.clone());
                input.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
                    let event = info.event().unwrap();
                    let caps = pad.current_caps();
                    if let (gst::EventView::Tag(event), Some(caps)) = (event.view(), caps) {
                        let language = event.tag().get::<gst::tags::LanguageCode>();
                        let language = language.map(|language| language.get().to_owned());
                        let media = caps.structure(0).unwrap().name().to_string();
                        let known = &mut *found.lock().unwrap();
                        let known: &mut Option<String> = known.entry(media).or_default();
                        *known = language.or(known.take());
                    }
                    gst::PadProbeReturn::Ok
                });
                pipeline.add(&sink).unwrap();
                sink.sync_state_with_parent().unwrap();
                pad.link(&input).unwrap();
            });
        },
    );
    std::mem::take(&mut *found.lock().unwrap())
}

/// Makes a clip with sound and a subtitle, both after these elements.
fn spoken(path: &Path, muxer: &str, sound: &str, subtitle: &str) {
    let subtitles = path.with_extension("srt");
    fs::write(&subtitles, "1\n00:00:00,200 --> 00:00:00,400\nhm\n").unwrap();
    launch(&format!(
        "{muxer} name=m ! filesink location=\"{}\" {} ! m. \
         audiotestsrc num-buffers=24 ! audio/x-raw,rate=48000 ! opusenc ! opusparse ! {sound} ! queue ! m. \
         filesrc location=\"{}\" ! subparse ! text/x-raw,format=pango-markup ! {subtitle} ! capssetter caps=text/x-raw,format=utf8 ! queue ! m.",
        path.display(),
        h264("ball", 12, 96),
        subtitles.display()
    ));
}

fn is_language(found: &Option<String>, names: &[&str]) -> bool {
    found.as_deref().is_some_and(|found| names.contains(&found))
}

#[test]
fn a_stream_of_an_unknown_language_stays_one_and_a_language_that_is_stated_is_kept() {
    let (_folder, folder) = folder();
    let input = folder.join("spoken.mp4");
    let german = "taginject tags=language-code=de";
    for (sound, subtitle) in [("identity", german), (german, "identity")] {
        spoken(&input, "mp4mux", sound, subtitle);
        for name in ["whole.mkv", "whole.webm", "part.mkv"] {
            let output = folder.join(name);
            let options = if name.starts_with("part") {
                &["--start", "0.1"][..]
            } else {
                &[]
            };
            let own = ["--overwrite", "--strength", "0"];
            succeed(&[&[text(&input), "-o", text(&output)], &own[..], options].concat());
            let found = languages(&output);
            assert_eq!(found.len(), 3, "{name}: {found:?}");
            for (media, language) in found {
                let is_german = media.starts_with("audio/") == (sound == german) && !media.starts_with("video/");
                let expected: &[&str] = if is_german { &["de", "ger", "deu"] } else { &["und"] };
                assert!(is_language(&language, expected), "{media} of {name}: {language:?}");
            }
        }
    }
}

#[test]
fn a_stream_of_matroska_without_a_language_is_english_in_mp4_and_in_matroska() {
    let (_folder, folder) = folder();
    let input = folder.join("spoken.mkv");
    spoken(&input, "matroskamux", "taginject tags=language-code=und", "identity");
    for name in ["out.mkv", "out.mp4"] {
        let output = folder.join(name);
        succeed(&[text(&input), "-o", text(&output), "--strength", "0"]);
        let found = languages(&output);
        assert_eq!(found.len(), 3, "{name}: {found:?}");
        for (media, language) in found {
            match media.split_once('/').unwrap().0 {
                "audio" => assert!(
                    language.is_none() || is_language(&language, &["und"]),
                    "{media} of {name}: {language:?}"
                ),
                _ => assert!(
                    is_language(&language, &["en", "eng"]),
                    "{media} of {name}: {language:?}"
                ),
            }
        }
    }
}

/// What begins the first pictures.
const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];

/// Both eyes side by side, the left one first, and an edge of one row that is hidden.
const SIDE_BY_SIDE: [u8; 4] = [0x53, 0xb8, 0x81, 1];
const CROPPED: [u8; 4] = [0x54, 0xbb, 0x81, 1];
const DISPLAY_WIDTH: [u8; 2] = [0x54, 0xb0];

#[test]
fn both_eyes_in_one_picture_are_kept_in_matroska_and_told_elsewhere_and_a_hidden_edge_is_told() {
    let (_folder, folder) = folder();
    let (stereo, cropped) = (folder.join("stereo.mkv"), folder.join("cropped.mkv"));
    launch(&format!(
        "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1 ! x264enc ! \
         capssetter caps=video/x-h264,multiview-mode=side-by-side ! matroskamux ! filesink location=\"{}\"",
        stereo.display()
    ));
    assert_eq!(count(&stereo, &SIDE_BY_SIDE), 1);
    let mut file = fs::read(&stereo).unwrap();
    let at = file.windows(4).position(|window| window == SIDE_BY_SIDE).unwrap();
    file[at..at + 4].copy_from_slice(&CROPPED);
    fs::write(&cropped, file).unwrap();
    for (input, output, lost) in [
        (&stereo, "kept.mkv", None),
        (&stereo, "lost.mp4", Some("StereoMode 1")),
        (&cropped, "lost.mkv", Some("PixelCropTop 1")),
    ] {
        let output = folder.join(output);
        succeed(&[text(input), "-o", text(&output)]);
        let told = record(&output)["lost"].to_string();
        match lost {
            Some(lost) => assert!(told.contains(lost), "{told}"),
            None => {
                assert_eq!(count(&output, &SIDE_BY_SIDE), 1, "{told}");
                assert_eq!(count(&output, &DISPLAY_WIDTH), count(input, &DISPLAY_WIDTH), "{told}");
                assert!(!told.contains("StereoMode"), "{told}");
            }
        }
    }
}
