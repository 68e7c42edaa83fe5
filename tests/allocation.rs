// SPDX-License-Identifier: MPL-2.0

//! In the steady state the element's code allocates nothing. Allocations of ONNX Runtime and GStreamer in C and C++ do
//! not pass through Rust's allocator and are not counted.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use common::{deblurrer, element, picture, size};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstblurdm::engine::Provider;

const W: usize = 64;
const H: usize = 48;
const FRAMES: usize = 1000;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system allocator does everything. Counting accesses only a cell of the thread, which needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no cell any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations of this thread in `frames` calls, after a warm-up.
fn allocations(frames: usize, mut frame: impl FnMut(usize)) -> usize {
    let warm_up = frames * 3 / 10;
    (0..warm_up).for_each(&mut frame);
    let before = ALLOCATIONS.get();
    (warm_up..warm_up + frames).for_each(&mut frame);
    ALLOCATIONS.get() - before
}

#[test]
fn the_engine_allocates_nothing_for_a_frame() {
    common::init();
    let frames = [picture(W, H, 1), picture(W, H, 2)];
    let mut deblurrer = deblurrer(Provider::Cpu, size(W, H));
    let mut out = vec![0; frames[0].len()];
    let found = allocations(FRAMES, |i| {
        deblurrer.restore(&frames[i % 2], &mut out, 0).unwrap();
    });
    assert_eq!(found, 0, "in {FRAMES} frames");
    let counted = allocations(FRAMES, |_| drop(std::hint::black_box(vec![0u8; 8])));
    assert_eq!(counted, FRAMES, "allocations are counted");
}

#[test]
fn the_element_allocates_nothing_for_a_frame() {
    // At a frame rate that leaves time for all the work, and at one that no machine keeps up with. The second size is
    // the smallest whose working scale is reduced.
    for (width, height, fps, scale, frames) in [(W, H, 1, 1.0, FRAMES), (368, 360, 1_000_000, 0.5, 100)] {
        let element = element();
        element.set_property("adaptive", true);
        element.set_property_from_str("deadline", "process");
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        let mut caps = common::caps(VideoFormat::Rgbx, width as u32, height as u32);
        caps.make_mut().set("framerate", gst::Fraction::new(fps, 1));
        harness.set_src_caps(caps);
        let buffers =
            [1, 2].map(|seed| common::buffer(&picture(width, height, seed), VideoFormat::Rgbx, width, height));
        let found = allocations(frames, |i| {
            harness.push_and_pull(buffers[i % 2].clone()).unwrap();
        });
        assert_eq!(found, 0, "in {frames} frames of {width}x{height}");
        assert_eq!(common::stat::<f64>(&element, "working-scale"), scale);
    }
}
