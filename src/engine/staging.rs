// SPDX-License-Identifier: MPL-2.0

//! Frames on their way through a GPU: bytes go up, bytes come down, and what lies between stays on the device.
//!
//! A frame is copied into pinned memory and goes up once, for both graphs. While the backbone restores it, the next one may go up and
//! have its prior sampled, and the last one come down: each has a stream of its own, and `cudarc` has each wait for what it needs of the
//! others. The graphs read and write the same addresses every time, which CUDA graphs need; a copy within the device, which costs
//! microseconds, takes a frame from where it arrived to where it is worked on. The sampler stays on the CPU: a few hundred numbers cross.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cudarc::driver::{CudaEvent, CudaSlice, DriverError, PinnedHostSlice, sys::CUevent_flags};

#[cfg(feature = "cuda-memory")]
use super::DeviceFrame;
use super::{
    Error, FrameSize,
    device::{Device, failed},
    graph::{Backbone, PriorEncoder},
    in_place::{Input, Output},
};

/// Frames that may be on their way at once.
pub(super) const AT_ONCE: usize = 2;

/// Ordinary pinned memory, cached: the CPU reads it.
const CACHED: u32 = 0;

pub(super) struct Staging {
    device: Device,
    size: FrameSize,
    /// Where a frame arrives, and the prior encoder sees it.
    seen: CudaSlice<u8>,
    z_blur: CudaSlice<f32>,
    /// Where the backbone sees it.
    frame: CudaSlice<u8>,
    prior: CudaSlice<f32>,
    restored: CudaSlice<u8>,
    free: Free,
    /// Of the frame that was shown last and is not restored yet.
    slot: Option<Slot>,
}

/// Slots that no frame is in.
type Free = Arc<Mutex<Vec<Slot>>>;

/// What one frame needs for itself while others are on their way.
struct Slot {
    up: PinnedHostSlice<u8>,
    prior: PinnedHostSlice<f32>,
    restored: CudaSlice<u8>,
    down: PinnedHostSlice<u8>,
    began: CudaEvent,
    ended: CudaEvent,
}

/// A frame that the device is restoring.
pub(super) struct Pending {
    slot: Option<Slot>,
    /// Whether it comes down.
    #[cfg(feature = "cuda-memory")]
    stays: bool,
    free: Free,
}

impl Staging {
    /// For frames of `size` and priors of `dim` values.
    pub fn new(device: &Device, size: FrameSize, dim: usize) -> Result<Self, Error> {
        Self::allocate(device, size, dim).map_err(failed("backbone"))
    }

    fn allocate(device: &Device, size: FrameSize, dim: usize) -> Result<Self, DriverError> {
        let frame = || device.prior.alloc_zeros::<u8>(size.bytes());
        let latent = || device.prior.alloc_zeros::<f32>(dim);
        let slots: Result<Vec<Slot>, DriverError> = (0..AT_ONCE).map(|_| Slot::new(device, size, dim)).collect();
        Ok(Self {
            seen: frame()?,
            z_blur: latent()?,
            frame: frame()?,
            prior: latent()?,
            restored: frame()?,
            free: Arc::new(Mutex::new(slots?)),
            slot: None,
            device: device.clone(),
            size,
        })
    }

    /// Sends a frame up. It stays the one that is worked on until the next call.
    ///
    /// # Errors
    /// What the driver says; and where as many frames as may be are on their way still.
    pub fn show(&mut self, frame: &[u8]) -> Result<(), Error> {
        let mut slot = self.take_slot()?;
        let shown = self.send_up(&mut slot, frame);
        self.slot = Some(slot);
        shown.map_err(failed("prior_encoder"))
    }

    /// As [`Staging::show`], a frame that is on the device already.
    #[cfg(feature = "cuda-memory")]
    pub fn show_on_device(&mut self, frame: DeviceFrame) -> Result<(), Error> {
        frame
            .copy_to(&mut self.seen, self.size, &self.device.prior)
            .map_err(failed("prior_encoder"))
    }

    fn send_up(&mut self, slot: &mut Slot, frame: &[u8]) -> Result<(), DriverError> {
        slot.up.as_mut_slice()?.copy_from_slice(frame);
        self.device.prior.memcpy_htod(&slot.up, &mut self.seen)
    }

    fn take_slot(&mut self) -> Result<Slot, Error> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        self.slot.take().or_else(free).ok_or_else(|| Error::Inference {
            graph: "backbone",
            reason: format!("{AT_ONCE} frames are on their way already"),
        })
    }

    /// Fills `z_blur` [D] from the frame shown; waits for the device.
    pub fn encode(&mut self, encoder: &mut PriorEncoder, z_blur: &mut [f32]) -> Result<(), Error> {
        let (shape, latent) = (self.size.shape(), [1, z_blur.len() as i64]);
        let stream = &self.device.prior;
        encoder.encode(
            Input::on_device(&self.seen, stream, &shape),
            Output::on_device(&mut self.z_blur, stream, &latent),
        )?;
        stream
            .memcpy_dtoh(&self.z_blur, z_blur)
            .and_then(|()| stream.synchronize())
            .map_err(failed("prior_encoder"))
    }

    /// Has the device restore the frame shown with the prior [D], and does not wait.
    pub fn begin(&mut self, backbone: &mut Backbone, prior: &[f32]) -> Result<Pending, Error> {
        let mut pending = self.pending()?;
        if let Some(slot) = &mut pending.slot {
            self.run(backbone, slot, prior)?;
            self.fetch(slot).map_err(failed("backbone"))?;
        }
        Ok(pending)
    }

    /// As [`Staging::begin`], to a frame on the device.
    #[cfg(feature = "cuda-memory")]
    pub fn begin_to(&mut self, backbone: &mut Backbone, prior: &[f32], to: DeviceFrame) -> Result<Pending, Error> {
        let mut pending = self.pending()?;
        pending.stays = true;
        if let Some(slot) = &mut pending.slot {
            self.run(backbone, slot, prior)?;
            let stream = &self.device.backbone;
            to.copy_from(&self.restored, self.size, stream)
                .and_then(|()| slot.ended.record(stream))
                .map_err(failed("backbone"))?;
        }
        Ok(pending)
    }

    fn pending(&mut self) -> Result<Pending, Error> {
        Ok(Pending {
            slot: Some(self.take_slot()?),
            #[cfg(feature = "cuda-memory")]
            stays: false,
            free: Arc::clone(&self.free),
        })
    }

    fn run(&mut self, backbone: &mut Backbone, slot: &mut Slot, prior: &[f32]) -> Result<(), Error> {
        self.feed(slot, prior).map_err(failed("backbone"))?;
        let (shape, latent) = (self.size.shape(), [1, prior.len() as i64]);
        let stream = &self.device.backbone;
        backbone.restore(
            Input::on_device(&self.frame, stream, &shape),
            Input::on_device(&self.prior, stream, &latent),
            Output::on_device(&mut self.restored, stream, &shape),
        )
    }

    fn feed(&mut self, slot: &mut Slot, prior: &[f32]) -> Result<(), DriverError> {
        let stream = &self.device.backbone;
        slot.prior.as_mut_slice()?.copy_from_slice(prior);
        stream.memcpy_dtod(&self.seen, &mut self.frame)?;
        stream.memcpy_htod(&slot.prior, &mut self.prior)?;
        slot.began.record(stream)
    }

    fn fetch(&mut self, slot: &mut Slot) -> Result<(), DriverError> {
        let stream = &self.device.backbone;
        stream.memcpy_dtod(&self.restored, &mut slot.restored)?;
        slot.ended.record(stream)?;
        self.device.down.memcpy_dtoh(&slot.restored, &mut slot.down)
    }
}

impl Slot {
    fn new(device: &Device, size: FrameSize, dim: usize) -> Result<Self, DriverError> {
        let context = &device.context;
        let timed = || context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        // SAFETY: bytes and floats may hold anything, and these are written before they are read.
        let (up, prior, down) = unsafe {
            (
                context.alloc_pinned_with_flags(size.bytes(), CACHED)?,
                context.alloc_pinned_with_flags(dim, CACHED)?,
                context.alloc_pinned_with_flags(size.bytes(), CACHED)?,
            )
        };
        Ok(Self {
            up,
            prior,
            restored: device.backbone.alloc_zeros(size.bytes())?,
            down,
            began: timed()?,
            ended: timed()?,
        })
    }

    /// How long the backbone took; waits for it and for the frame to come down.
    fn take_down(&self, restored: &mut [u8]) -> Result<Duration, DriverError> {
        restored.copy_from_slice(self.down.as_slice()?);
        self.took()
    }

    /// How long the backbone took; waits for it.
    fn took(&self) -> Result<Duration, DriverError> {
        self.down.context().check_err()?;
        let milliseconds = self.began.elapsed_ms(&self.ended)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }
}

impl Pending {
    /// Waits for the restored frame, and copies it to where it belongs.
    pub fn finish(self, restored: &mut [u8]) -> Result<Duration, Error> {
        #[cfg(feature = "cuda-memory")]
        if let (true, Some(slot)) = (self.stays, &self.slot) {
            return slot.took().map_err(failed("backbone"));
        }
        match &self.slot {
            Some(slot) => slot.take_down(restored).map_err(failed("backbone")),
            None => Ok(Duration::ZERO),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.slot.take());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::engine::{
        Bundle, Precision, Provider, Search, Settings, Timing,
        cancel::Canceler,
        fake_driver::beside,
        graph::{Context, Staged},
        network::Network,
        runtime,
        stretch::Stretch,
    };

    const SIZE: FrameSize = FrameSize { width: 64, height: 48 };

    /// The built-in model on the CPU, its frames lying in the memory of a device, or not.
    fn network(device: Option<&Device>) -> Result<Network, Error> {
        let bundle = Bundle::builtin().unwrap();
        let runtime = runtime(&Search::default()).unwrap();
        let canceler = Canceler::new().unwrap();
        let context = Context {
            canceler: &canceler,
            runtime,
            bundle: "test",
            settings: Settings::default(),
            precision: Precision::Fp32,
            tile: None,
            cache: None,
            staged: device.map(|device| Staged {
                device,
                captured: false,
            }),
        };
        Network::load(&bundle, context, Provider::Cpu, SIZE)
    }

    fn frame(seed: usize) -> Vec<u8> {
        (0..SIZE.bytes())
            .map(|i| (i / 9 % 8 * 24 + i * i % 13 + seed * 31) as u8)
            .collect()
    }

    #[test]
    fn two_frames_on_their_way_are_restored_as_one_after_the_other_is() {
        let name = "engine::staging::tests::two_frames_on_their_way_are_restored_as_one_after_the_other_is";
        beside(name, Some(&[]), || {
            let device = Device::open(0).unwrap();
            let (mut plain, mut staged) = (network(None).unwrap(), network(Some(&device)).unwrap());
            let [mut alone, mut beside] = [(); 2].map(|()| Stretch::new(plain.dim()));
            let sampling = 1.into();
            let expected: Vec<Vec<u8>> = (0..6)
                .map(|seed| {
                    let mut out = vec![0; SIZE.bytes()];
                    let begun = alone.begin(&mut plain, &frame(seed), &mut out, sampling).unwrap();
                    assert!(!begun.is_pending());
                    begun.finish(&mut out).unwrap();
                    out
                })
                .collect();
            let mut begin = |seed| {
                let begun = beside.begin(&mut staged, &frame(seed), &mut vec![0; SIZE.bytes()], sampling);
                begun.inspect(|begun| assert!(begun.is_pending()))
            };
            let mut last = begin(0).unwrap();
            for seed in 1..6 {
                let next = begin(seed).unwrap();
                let mut out = vec![0; SIZE.bytes()];
                let Timing { backbone, .. } = last.finish(&mut out).unwrap();
                assert!(out == expected[seed - 1], "frame {}", seed - 1);
                assert_eq!(backbone, Duration::from_millis(7), "as the device's own clock has it");
                last = next;
            }
            // A frame that is given up makes room; a third one at once does not fit.
            let second = begin(0).unwrap();
            let third = begin(1).map(|_| ()).unwrap_err();
            assert!(third.to_string().contains("2 frames are on their way"), "{third}");
            drop(second);
            let mut out = vec![0; SIZE.bytes()];
            last.finish(&mut out).unwrap();
            assert!(out == expected[5]);
            begin(2).unwrap().finish(&mut out).unwrap();
            assert!(out == expected[2]);
        });
    }

    #[cfg(feature = "cuda-memory")]
    #[test]
    fn a_frame_on_the_device_is_restored_to_one_there_whatever_its_rows() {
        let name = "engine::staging::tests::a_frame_on_the_device_is_restored_to_one_there_whatever_its_rows";
        beside(name, Some(&[]), || {
            const STRIDE: usize = 320;
            let device = Device::open(0).unwrap();
            let mut staged = network(Some(&device)).unwrap();
            let [mut first, mut second] = [(); 2].map(|()| Stretch::new(staged.dim()));
            let mut expected = vec![0; SIZE.bytes()];
            let begun = first.begin(&mut staged, &frame(3), &mut expected, 1.into()).unwrap();
            begun.finish(&mut expected).unwrap();
            let mut from = vec![0xEE; STRIDE * SIZE.height];
            for (row, wide) in frame(3).chunks(SIZE.row()).zip(from.chunks_mut(STRIDE)) {
                wide[..SIZE.row()].copy_from_slice(row);
            }
            let mut to = vec![0xDD; STRIDE * SIZE.height];
            // SAFETY: the fake's device memory is the CPU's, and these live until the end.
            let [from, on_device] = unsafe {
                [from.as_mut_ptr(), to.as_mut_ptr()].map(|address| DeviceFrame::new(address as usize, STRIDE))
            };
            let begun = second.begin_on_device(&mut staged, from, on_device, 1.into()).unwrap();
            begun.finish(&mut []).unwrap();
            for (row, wide) in expected.chunks(SIZE.row()).zip(to.chunks(STRIDE)) {
                assert!(wide[..SIZE.row()] == *row && wide[SIZE.row()..].iter().all(|&byte| byte == 0xDD));
            }
        });
    }

    #[test]
    fn a_device_lost_in_the_middle_is_an_error_in_its_words_and_no_hang() {
        let name = "engine::staging::tests::a_device_lost_in_the_middle_is_an_error_in_its_words_and_no_hang";
        // The trial and some frames make this many copies.
        beside(name, Some(&["LOST_AFTER=30"]), || {
            let device = Device::open(0).unwrap();
            let mut network = network(Some(&device)).unwrap();
            let mut stretch = Stretch::new(network.dim());
            let mut out = vec![0; SIZE.bytes()];
            let failed = (0..30).find_map(|seed| {
                let begun = stretch.begin(&mut network, &frame(seed), &mut out, 1.into());
                begun.and_then(|begun| begun.finish(&mut out)).err()
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
    fn memory_that_others_have_used_up_is_told_as_that() {
        let name = "engine::staging::tests::memory_that_others_have_used_up_is_told_as_that";
        beside(name, Some(&["MEMORY=40000"]), || {
            let device = Device::open(0).unwrap();
            let error = network(Some(&device)).map(|_| ()).unwrap_err();
            assert!(error.out_of_memory().is_some(), "{error}");
        });
    }
}
