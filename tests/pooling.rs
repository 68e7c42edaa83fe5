// SPDX-License-Identifier: MPL-2.0

//! The memory of frames: the pool that the element proposes upstream, and the one that it takes from downstream.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{buffer, caps, element, info, picture, restored, unpacked};
use gst::{glib, prelude::*, subclass::prelude::*};
use gst_video::{VideoFormat, VideoMeta, prelude::*};

const W: usize = 50;
const H: usize = 34;
const ALIGNMENT: usize = 64;

/// The element between two pads of the test. The second pad answers ALLOCATION queries with a pool.
struct Rig {
    element: gst::Element,
    before: gst::Pad,
    /// The element has no reference to it.
    _after: gst::Pad,
    bus: gst::Bus,
    out: Arc<Mutex<Vec<gst::Buffer>>>,
}

impl Rig {
    fn new(format: VideoFormat, pool: Option<gst::BufferPool>) -> Self {
        Self::in_flight(format, pool, 1)
    }

    fn in_flight(format: VideoFormat, pool: Option<gst::BufferPool>, at_once: u32) -> Self {
        let (element, bus, out) = (element(), gst::Bus::new(), Arc::<Mutex<Vec<_>>>::default());
        element.set_bus(Some(&bus));
        element.set_property("frames-in-flight", at_once);
        let (before, received) = (gst::Pad::new(gst::PadDirection::Src), out.clone());
        let after = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                received.lock().unwrap().push(buffer);
                Ok(gst::FlowSuccess::Ok)
            })
            .query_function(move |pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::Allocation(allocation) => {
                    let size = info(format, W as u32, H as u32).size() as u32;
                    if let Some(pool) = &pool {
                        allocation.add_allocation_pool(Some(pool), size, 2, 0);
                    }
                    allocation.add_allocation_meta::<VideoMeta>(None);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        before.link(&element.static_pad("sink").unwrap()).unwrap();
        element.static_pad("src").unwrap().link(&after).unwrap();
        after.set_active(true).unwrap();
        before.set_active(true).unwrap();
        element.set_state(gst::State::Playing).unwrap();
        before.push_event(gst::event::StreamStart::new("frames"));
        before.push_event(gst::event::Caps::new(&caps(format, W as u32, H as u32)));
        before.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        Self {
            element,
            before,
            _after: after,
            bus,
            out,
        }
    }

    /// Returns what comes out for a frame.
    fn push(&self, frame: gst::Buffer) -> Result<gst::Buffer, gst::FlowError> {
        self.before.push(frame)?;
        Ok(self.out.lock().unwrap().pop().unwrap())
    }

    /// Returns the pool that the element proposes, configured.
    fn proposed(&self, format: VideoFormat) -> gst::BufferPool {
        let caps = caps(format, W as u32, H as u32);
        let mut query = gst::query::Allocation::new(Some(&caps), true);
        assert!(self.before.peer_query(&mut query));
        assert!(query.find_allocation_meta::<VideoMeta>().is_some());
        let (pool, size, min, max) = query.allocation_pools().next().unwrap();
        let pool = pool.unwrap();
        let mut config = pool.config();
        config.set_params(Some(&caps), size, min, max);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
        let (allocator, params) = query.allocation_params().next().unwrap();
        config.set_allocator(allocator.as_ref(), Some(&params));
        pool.set_config(config).unwrap();
        pool
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.element.set_state(gst::State::Null).unwrap();
    }
}

fn pool<T: IsA<gst::BufferPool> + IsA<glib::Object> + glib::object::IsClass>() -> gst::BufferPool {
    common::init();
    glib::Object::new::<T>().upcast()
}

fn is_aligned(buffer: &gst::BufferRef) -> bool {
    (buffer.map_readable().unwrap().as_ptr() as usize).is_multiple_of(ALIGNMENT)
}

#[test]
fn frames_of_the_proposed_pool_are_aligned_and_have_no_padding() {
    for format in [
        VideoFormat::Rgbx,
        VideoFormat::Rgb,
        VideoFormat::Nv12,
        VideoFormat::I42010le,
    ] {
        let pool = Rig::new(format, None).proposed(format);
        pool.set_active(true).unwrap();
        let frames: Vec<_> = (0..3).map(|_| pool.acquire_buffer(None).unwrap()).collect();
        for frame in &frames {
            assert!(is_aligned(frame), "{format}");
            let plain = info(format, W as u32, H as u32);
            let meta = frame.meta::<VideoMeta>().unwrap();
            assert_eq!(
                (meta.stride(), meta.offset()),
                (plain.stride(), plain.offset()),
                "{format}"
            );
            assert_eq!(frame.size(), plain.size());
        }
        drop(frames);
        pool.set_active(false).unwrap();
    }
}

#[test]
fn the_memory_of_output_frames_is_used_again() {
    let rig = Rig::new(VideoFormat::Rgbx, None);
    let mut places = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let out = rig.push(buffer(&picture(W, H, seed), VideoFormat::Rgbx, W, H)).unwrap();
        assert!(is_aligned(&out));
        places.insert(out.map_readable().unwrap().as_ptr() as usize);
    }
    assert_eq!(places.len(), 1, "each was given back before the next");
}

#[test]
fn the_pool_of_downstream_is_used_whatever_its_strides_are() {
    let frame = picture(W, H, 1);
    common::init();
    let caps = caps(VideoFormat::Rgbx, W as u32, H as u32);
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&caps), (W * H * 4) as u32, 2, 0);
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
    config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
    config.set_video_alignment(&gst_video::VideoAlignment::new(3, 5, 7, 9, &[0; 4]));
    pool.set_config(config).unwrap();
    // An active pool keeps its configuration.
    pool.set_active(true).unwrap();
    let rig = Rig::new(VideoFormat::Rgbx, Some(pool.upcast()));
    let out = rig.push(buffer(&frame, VideoFormat::Rgbx, W, H)).unwrap();
    // No other pool has this stride.
    let stride = out.meta::<VideoMeta>().unwrap().stride()[0] as usize;
    assert_eq!(stride, (W + 7 + 9) * 4);
    let wanted = restored(&frame, W, H, 0);
    assert_eq!(unpacked(&out, VideoFormat::Rgbx, W, H), wanted);
}

#[test]
fn a_pool_that_refuses_these_frames_is_not_used() {
    let frame = picture(W, H, 1);
    let rig = Rig::new(VideoFormat::Rgbx, Some(pool::<Refusing>()));
    let out = rig.push(buffer(&frame, VideoFormat::Rgbx, W, H)).unwrap();
    assert_eq!(unpacked(&out, VideoFormat::Rgbx, W, H), restored(&frame, W, H, 0));
    assert!(is_aligned(&out));
}

#[test]
fn a_pool_that_has_no_memory_is_one_error_and_no_frame() {
    let rig = Rig::new(VideoFormat::Rgbx, Some(pool::<Empty>()));
    let frame = buffer(&picture(W, H, 1), VideoFormat::Rgbx, W, H);
    assert!(rig.push(frame).is_err());
    let errors: Vec<_> = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Error])).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(rig.out.lock().unwrap().is_empty());
}

#[test]
fn a_pool_of_false_buffers_is_one_error_or_frames_pass() {
    let input = picture(W, H, 1);
    for pool in [pool::<Short>(), pool::<FalseMeta>(), pool::<NotMappable>()] {
        for at_once in [1u32, 2] {
            let rig = Rig::in_flight(VideoFormat::Rgbx, Some(pool.clone()), at_once);
            let push = || rig.before.push(buffer(&input, VideoFormat::Rgbx, W, H));
            let posted = |kind| std::iter::from_fn(|| rig.bus.pop_filtered(&[kind])).collect::<Vec<_>>();
            for _ in 0..3 {
                assert_eq!(push(), Err(gst::FlowError::Error));
            }
            let messages = posted(gst::MessageType::Error);
            let [message] = &messages[..] else {
                panic!("{messages:?}")
            };
            let gst::MessageView::Error(error) = message.view() else {
                unreachable!()
            };
            assert!(error.error().matches(gst::StreamError::Format), "{error:?}");
            assert!(error.error().message().contains("the pool of downstream"), "{error:?}");
            rig.element.set_property_from_str("on-error", "passthrough");
            for _ in 0..3 {
                push().unwrap();
            }
            rig.before.push_event(gst::event::Eos::new());
            assert_eq!(posted(gst::MessageType::Warning).len(), 1);
            let out = std::mem::take(&mut *rig.out.lock().unwrap());
            assert_eq!(out.len(), 3);
            for out in out {
                assert_eq!(unpacked(&out, VideoFormat::Rgbx, W, H), input);
            }
        }
    }
}

/// Pools that cannot be used.
mod pools {
    use super::*;

    #[derive(Default)]
    pub struct Refusing;

    #[glib::object_subclass]
    impl ObjectSubclass for Refusing {
        const NAME: &'static str = "TestRefusingPool";
        type Type = super::Refusing;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for Refusing {}
    impl GstObjectImpl for Refusing {}
    impl BufferPoolImpl for Refusing {
        fn set_config(&self, _: &mut gst::BufferPoolConfigRef) -> bool {
            false
        }
    }

    #[derive(Default)]
    pub struct Empty;

    #[glib::object_subclass]
    impl ObjectSubclass for Empty {
        const NAME: &'static str = "TestEmptyPool";
        type Type = super::Empty;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for Empty {}
    impl GstObjectImpl for Empty {}
    impl BufferPoolImpl for Empty {
        fn start(&self) -> bool {
            false
        }
    }

    #[derive(Default)]
    pub struct Short;

    #[glib::object_subclass]
    impl ObjectSubclass for Short {
        const NAME: &'static str = "TestShortPool";
        type Type = super::Short;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for Short {}
    impl GstObjectImpl for Short {}
    impl BufferPoolImpl for Short {
        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            Ok(gst::Buffer::from_mut_slice([7; 10]))
        }
    }

    #[derive(Default)]
    pub struct FalseMeta;

    #[glib::object_subclass]
    impl ObjectSubclass for FalseMeta {
        const NAME: &'static str = "TestFalseMetaPool";
        type Type = super::FalseMeta;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for FalseMeta {}
    impl GstObjectImpl for FalseMeta {}
    impl BufferPoolImpl for FalseMeta {
        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let mut buffer = gst::Buffer::from_mut_slice(vec![7; W * H * 4]);
            let (none, stride) = (gst_video::VideoFrameFlags::empty(), W as i32 * 8);
            VideoMeta::add_full(
                buffer.make_mut(),
                none,
                VideoFormat::Rgbx,
                W as u32,
                H as u32,
                &[0],
                &[stride],
            )
            .unwrap();
            Ok(buffer)
        }
    }

    #[derive(Default)]
    pub struct NotMappable;

    #[glib::object_subclass]
    impl ObjectSubclass for NotMappable {
        const NAME: &'static str = "TestNotMappablePool";
        type Type = super::NotMappable;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for NotMappable {}
    impl GstObjectImpl for NotMappable {}
    impl BufferPoolImpl for NotMappable {
        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let mut buffer = gst::Buffer::new();
            buffer
                .make_mut()
                .append_memory(super::common::unmappable::memory(W * H * 4));
            Ok(buffer)
        }
    }
}

glib::wrapper! {
    pub struct Short(ObjectSubclass<pools::Short>) @extends gst::BufferPool, gst::Object;
}

glib::wrapper! {
    pub struct FalseMeta(ObjectSubclass<pools::FalseMeta>) @extends gst::BufferPool, gst::Object;
}

glib::wrapper! {
    pub struct NotMappable(ObjectSubclass<pools::NotMappable>) @extends gst::BufferPool, gst::Object;
}

glib::wrapper! {
    pub struct Refusing(ObjectSubclass<pools::Refusing>) @extends gst::BufferPool, gst::Object;
}

glib::wrapper! {
    pub struct Empty(ObjectSubclass<pools::Empty>) @extends gst::BufferPool, gst::Object;
}
