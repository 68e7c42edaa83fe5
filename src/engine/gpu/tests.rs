// SPDX-License-Identifier: MPL-2.0

//! Frames staged on a device, through the whole network, with a fake driver.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

#[cfg(feature = "cuda-memory")]
use super::DeviceFrame;
use super::{Device, fake_driver::with_driver};
use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::FrameSize,
    options::Settings,
    prior_history::PriorHistory,
    provider::Provider,
    runtime::{Search, runtime},
    session::{Canceler, Context, Network, Staged},
    timing::Timing,
};

const SIZE: FrameSize = FrameSize { width: 64, height: 48 };

/// Loads the built-in model on the CPU, with frames staged on a device or in host memory.
fn network(device: Option<&Device>) -> Result<Network, Error> {
    let bundle = Bundle::builtin().unwrap();
    let runtime = runtime(&Search::default()).unwrap();
    let canceler = Canceler::new(runtime).unwrap();
    let context = Context {
        staged: device.map(|device| Staged {
            device,
            captured: false,
        }),
        ..Context::new(&canceler, runtime, &bundle, Settings::default())
    };
    Network::load(&bundle, context, Provider::Cpu, SIZE)
}

fn frame(seed: usize) -> Vec<u8> {
    (0..SIZE.bytes())
        .map(|i| (i / 9 % 8 * 24 + i * i % 13 + seed * 31) as u8)
        .collect()
}

#[test]
fn two_frames_in_flight_are_restored_as_one_after_the_other_is() {
    with_driver(Some(&[]), || {
        let device = Device::open(0).unwrap();
        let (mut plain, mut staged) = (network(None).unwrap(), network(Some(&device)).unwrap());
        let [mut alone, mut beside] = [(); 2].map(|()| PriorHistory::new(plain.dim()));
        let sampling = 1.into();
        let expected: Vec<Vec<u8>> = (0..6)
            .map(|seed| {
                let mut out = vec![0; SIZE.bytes()];
                let submission = alone.submit(&mut plain, &frame(seed), &mut out, sampling).unwrap();
                assert!(!submission.is_pending());
                submission.collect(&mut out).unwrap();
                out
            })
            .collect();
        let mut submit = |seed| {
            let submission = beside.submit(&mut staged, &frame(seed), &mut vec![0; SIZE.bytes()], sampling);
            submission.inspect(|submission| assert!(submission.is_pending()))
        };
        let mut last = submit(0).unwrap();
        for seed in 1..6 {
            let next = submit(seed).unwrap();
            let mut out = vec![0; SIZE.bytes()];
            let Timing { backbone, .. } = last.collect(&mut out).unwrap();
            assert!(out == expected[seed - 1], "frame {}", seed - 1);
            assert_eq!(backbone, Duration::from_millis(7), "as measured by the device");
            last = next;
        }
        // Two frames can be in flight. A dropped one frees its slot.
        let second = submit(0).unwrap();
        let third = submit(1).map(|_| ()).unwrap_err();
        assert!(third.to_string().contains("2 frames are in flight"), "{third}");
        drop(second);
        let mut out = vec![0; SIZE.bytes()];
        last.collect(&mut out).unwrap();
        assert!(out == expected[5]);
        submit(2).unwrap().collect(&mut out).unwrap();
        assert!(out == expected[2]);
    });
}

#[cfg(feature = "cuda-memory")]
#[test]
fn a_frame_in_device_memory_is_restored_to_another_there_whatever_their_strides() {
    with_driver(Some(&[]), || {
        const STRIDE: usize = 320;
        let device = Device::open(0).unwrap();
        let mut staged = network(Some(&device)).unwrap();
        let [mut first, mut second] = [(); 2].map(|()| PriorHistory::new(staged.dim()));
        let mut expected = vec![0; SIZE.bytes()];
        let submission = first.submit(&mut staged, &frame(3), &mut expected, 1.into()).unwrap();
        submission.collect(&mut expected).unwrap();
        let mut from = vec![0xEE; STRIDE * SIZE.height];
        for (row, wide) in frame(3).chunks(SIZE.row()).zip(from.chunks_mut(STRIDE)) {
            wide[..SIZE.row()].copy_from_slice(row);
        }
        let mut to = vec![0xDD; STRIDE * SIZE.height];
        // SAFETY: the device memory of the fake driver is host memory, and both frames live until the end.
        let [from, on_device] =
            unsafe { [from.as_mut_ptr(), to.as_mut_ptr()].map(|address| DeviceFrame::new(address as usize, STRIDE)) };
        let submission = second.submit_on_device(&mut staged, from, on_device, 1.into()).unwrap();
        submission.collect(&mut []).unwrap();
        for (row, wide) in expected.chunks(SIZE.row()).zip(to.chunks(STRIDE)) {
            assert!(wide[..SIZE.row()] == *row && wide[SIZE.row()..].iter().all(|&byte| byte == 0xDD));
        }
    });
}

#[test]
fn a_device_that_is_lost_is_an_error_with_the_drivers_message_and_no_hang() {
    // The warm-up and some frames make this many copies.
    with_driver(Some(&["LOST_AFTER=30"]), || {
        let device = Device::open(0).unwrap();
        let mut network = network(Some(&device)).unwrap();
        let mut history = PriorHistory::new(network.dim());
        let mut out = vec![0; SIZE.bytes()];
        let failed = (0..30).find_map(|seed| {
            let submission = history.submit(&mut network, &frame(seed), &mut out, 1.into());
            submission.and_then(|submission| submission.collect(&mut out)).err()
        });
        let error = failed.unwrap();
        assert!(matches!(error, Error::Inference { .. }), "{error}");
        assert!(
            error.to_string().contains("the GPU says: an illegal memory access"),
            "{error}"
        );
    });
}

#[test]
fn too_little_device_memory_is_reported_as_out_of_memory() {
    with_driver(Some(&["MEMORY=40000"]), || {
        let device = Device::open(0).unwrap();
        let error = network(Some(&device)).map(|_| ()).unwrap_err();
        assert!(error.out_of_memory().is_some(), "{error}");
    });
}
