// SPDX-License-Identifier: MPL-2.0

//! Caps with `memory:CUDAMemory`, as far as they can be tested without a GPU. `cargo test --features cuda-memory`.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{buffer, element, errors_of, picture, restored, unpacked};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;

const W: usize = 64;
const H: usize = 48;

fn on_device(format: VideoFormat) -> gst::Caps {
    let mut caps = common::caps(format, W as u32, H as u32);
    caps.make_mut()
        .set_features_simple(Some(gst::CapsFeatures::new(["memory:CUDAMemory"])));
    caps
}

#[test]
fn the_pads_take_frames_on_a_gpu_as_rgbx_and_rgba() {
    let element = element();
    for pad in ["sink", "src"] {
        let template = element.pad_template(pad).unwrap();
        for format in [VideoFormat::Rgbx, VideoFormat::Rgba] {
            assert!(on_device(format).is_subset(template.caps()), "{format} at {pad}");
        }
        assert!(
            !on_device(VideoFormat::Nv12).is_subset(template.caps()),
            "NV12 at {pad}"
        );
        assert!(
            common::caps(VideoFormat::Nv12, 64, 48).is_subset(template.caps()),
            "{pad}"
        );
    }
}

/// Lets downstream answer ALLOCATION queries with a pool, as if its memory were the GPU's.
fn offer_pool(harness: &Harness) {
    let pad = harness.sinkpad().unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            let (caps, _) = allocation.get_owned();
            let pool = gst_video::VideoBufferPool::new();
            let mut config = pool.config();
            config.set_params(caps.as_ref(), (W * H * 4) as u32, 0, 0);
            pool.set_config(config).unwrap();
            allocation.add_allocation_pool(Some(&pool), (W * H * 4) as u32, 0, 0);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

#[test]
fn frames_are_mapped_to_the_cpu_if_the_model_is_not_on_the_gpu() {
    for at_once in [1u32, 2] {
        let element = element();
        element.set_property("frames-in-flight", at_once);
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        offer_pool(&harness);
        harness.set_src_caps(on_device(VideoFormat::Rgbx));
        let frame = picture(W, H, 1);
        harness.push(buffer(&frame, VideoFormat::Rgbx, W, H)).unwrap();
        harness.push_event(gst::event::Eos::new());
        let out = harness.pull().unwrap();
        assert!(
            unpacked(&out, VideoFormat::Rgbx, W, H) == restored(&frame, W, H, 0),
            "{at_once}"
        );
        let negotiated = harness.sinkpad().unwrap().current_caps().unwrap();
        assert_eq!(negotiated, on_device(VideoFormat::Rgbx));
    }
}

#[test]
fn without_a_pool_downstream_there_is_one_error_that_says_what_to_do() {
    let element = element();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(on_device(VideoFormat::Rgbx));
    for number in 0..3 {
        let pushed = harness.push(buffer(&picture(W, H, number), VideoFormat::Rgbx, W, H));
        assert_eq!(pushed, Err(gst::FlowError::NotNegotiated));
    }
    let errors = errors_of(&bus, &element);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message().contains("cudadownload"), "{errors:?}");
}
