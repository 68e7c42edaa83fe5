// SPDX-License-Identifier: MPL-2.0

//! What happens where memory does not suffice.

// A test may fail at once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{fs, path::Path, process::Command};

use common::{options, picture, process::in_own_process, size, the_runtime};
use gstblurdm::engine::{Bundle, Deblurrer, Error, FrameSize, Provider, Search};

fn load(frame: FrameSize) -> Result<Deblurrer, Error> {
    Deblurrer::new(
        &Bundle::builtin().unwrap(),
        &options(Provider::Cpu),
        &Search::default(),
        frame,
    )
}

/// From now on this process gets so many MiB more than it has.
fn allow(mib: u64) {
    let pages: u64 = fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let limit = pages * 4096 + (mib << 20);
    let pid = std::process::id().to_string();
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--as={limit}")])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn frames_that_do_not_fit_whole_are_restored_in_tiles() {
    in_own_process("frames_that_do_not_fit_whole_are_restored_in_tiles", &[], || {
        the_runtime();
        load(size(64, 64)).unwrap();
        let (width, height) = (3072, 2048);
        let frame = picture(width, height, 1);
        allow(400);
        let mut deblurrer = load(size(width, height)).unwrap();
        let tile = deblurrer.tile().expect("it ran whole");
        assert!(tile.width < width && tile.height < height, "{tile:?}");
        let mut restored = vec![0; frame.len()];
        deblurrer.restore(&frame, &mut restored, 0).unwrap();
        assert_ne!(restored, frame);
    });
}

#[test]
fn frames_that_do_not_even_fit_in_tiles_are_an_error_that_says_so() {
    in_own_process(
        "frames_that_do_not_even_fit_in_tiles_are_an_error_that_says_so",
        // Otherwise the C library keeps what the thread of the first load has freed for that of the second.
        &[("MALLOC_ARENA_MAX", Some(Path::new("1")))],
        || {
            the_runtime();
            load(size(64, 64)).unwrap();
            allow(8);
            // Whatever the first load has left, a row of tiles of such a frame takes more.
            let error = load(size(16384, 16384)).map(|_| ()).unwrap_err();
            assert!(matches!(error, Error::Memory { .. }), "{error}");
            assert!(error.to_string().contains("do not fit in memory on cpu"), "{error}");
        },
    );
}
