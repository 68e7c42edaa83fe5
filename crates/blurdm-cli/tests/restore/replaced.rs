// SPDX-License-Identifier: MPL-2.0

//! Originals that are replaced while they are restored, or before the work continues.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::clips::{folder, frames, launch, mp4, restore, stderr, succeed, text};

/// Makes a clip of another picture that has the size and the time of modification of `like`, as far as its frames allow.
fn other(path: &Path, like: &Path, frames: usize) {
    launch(&format!(
        "videotestsrc num-buffers={frames} pattern=black ! video/x-raw,format=I420,width=96,height=64,framerate=25/1 ! \
         x264enc key-int-max=25 bframes=0 ! h264parse ! mp4mux ! filesink location=\"{}\"",
        path.display()
    ));
    let (own, wanted) = (fs::metadata(path).unwrap().len(), fs::metadata(like).unwrap());
    let missing = wanted.len().checked_sub(own).filter(|&missing| missing >= 8).unwrap();
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(&(missing as u32).to_be_bytes()).unwrap();
    file.write_all(b"free").unwrap();
    file.write_all(&vec![0; missing as usize - 8]).unwrap();
    file.set_modified(wanted.modified().unwrap()).unwrap();
}

#[test]
fn work_on_a_file_that_was_replaced_begins_anew_though_size_and_time_are_kept() {
    let (_folder, folder) = folder();
    let (input, second) = (folder.join("clip.mp4"), folder.join("second.mp4"));
    mp4(&input, 300);
    other(&second, &input, 300);
    let (fresh, resumed) = (folder.join("fresh.mp4"), folder.join("resumed.mp4"));
    succeed(&[text(&second), "-o", text(&fresh)]);
    succeed(&[text(&input), "-o", text(&resumed), "--segments", "0"]);
    fs::rename(&second, &input).unwrap();
    succeed(&[text(&input), "-o", text(&resumed)]);
    assert!(frames(&fresh) == frames(&resumed), "frames of two files are in one");
}

#[test]
fn a_file_that_is_replaced_during_the_work_fails_and_is_restored_the_next_time() {
    let (_folder, folder) = folder();
    let second = folder.join("second.mp4");
    for (name, in_place) in [("renamed.mp4", false), ("overwritten.mp4", true)] {
        let (input, output) = (folder.join(name), folder.join("out").join(name));
        mp4(&input, 600);
        other(&second, &input, 600);
        let fresh = folder.join("fresh.mp4");
        succeed(&[text(&second), "-o", text(&fresh), "--overwrite"]);
        let arguments = [text(&input), "-o", text(&output)];
        let mut child = restore(&arguments)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let work = folder.join("out").join(format!("{name}.blurdm"));
        let began = Instant::now();
        while !work.join("00000.json").exists() {
            assert!(child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(120));
            thread::sleep(Duration::from_millis(5));
        }
        if in_place {
            let time = fs::metadata(&input).unwrap().modified().unwrap();
            fs::write(&input, fs::read(&second).unwrap()).unwrap();
            File::options()
                .write(true)
                .open(&input)
                .unwrap()
                .set_modified(time)
                .unwrap();
        } else {
            fs::rename(&second, &input).unwrap();
        }
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
        assert!(!output.exists(), "{name}");
        if !in_place {
            assert!(stderr(&ended).contains("was changed or replaced"), "{}", stderr(&ended));
        }
        succeed(&arguments);
        assert!(frames(&fresh) == frames(&output), "{name}");
    }
}
