// SPDX-License-Identifier: MPL-2.0

//! Frames in flight on a GPU: bytes are uploaded, bytes are downloaded, and everything between stays on the device.
//!
//! A frame is copied into pinned memory and uploaded once, for both graphs. While the backbone restores it, the next
//! frame may be uploaded and its prior sampled, and the last one downloaded. Each stage has a stream of its own, and
//! `cudarc` makes each stream wait for what it needs of the others. The graphs read and write the same addresses every
//! time, as CUDA graphs require; a copy within the device, which costs microseconds, moves a frame from where it
//! arrived to where it is restored. The sampler runs on the CPU: only a few hundred numbers are copied for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cudarc::driver::{CudaEvent, CudaSlice, CudaStream, DriverError, PinnedHostSlice, sys::CUevent_flags};

use super::device::{Device, failed};
#[cfg(feature = "cuda-memory")]
use super::device_frame::DeviceFrame;
use crate::engine::{error::Error, frame_size::FrameSize};

/// How many frames may be in flight.
const MAX_IN_FLIGHT: usize = 2;

/// Flags of ordinary pinned memory, which is cached: the CPU reads it.
const CACHED: u32 = 0;

/// The device memory of a network, and the slots of its frames in flight.
pub(crate) struct Staging {
    device: Device,
    #[cfg(feature = "cuda-memory")]
    size: FrameSize,
    /// Where a frame arrives, and the prior encoder reads it.
    uploaded: CudaSlice<u8>,
    z_blur: CudaSlice<f32>,
    /// Where the backbone reads the frame.
    frame: CudaSlice<u8>,
    /// One value where there is no prior, which nothing reads.
    prior: CudaSlice<f32>,
    has_prior: bool,
    restored: CudaSlice<u8>,
    free: FreeSlots,
    /// The slot of the frame that was uploaded last, until it is submitted.
    slot: Option<Slot>,
}

/// The slots that hold no frame.
type FreeSlots = Arc<Mutex<Vec<Slot>>>;

/// What one frame needs for itself while others are in flight.
struct Slot {
    upload: PinnedHostSlice<u8>,
    prior: PinnedHostSlice<f32>,
    restored: CudaSlice<u8>,
    download: PinnedHostSlice<u8>,
    started: CudaEvent,
    ended: CudaEvent,
}

/// The tensors of the prior encoder, and the stream that it must run on.
pub(crate) struct EncoderTensors<'a> {
    pub frame: &'a CudaSlice<u8>,
    pub z_blur: &'a mut CudaSlice<f32>,
    pub stream: &'a CudaStream,
}

/// The tensors of the backbone, and the stream that it must run on.
pub(crate) struct BackboneTensors<'a> {
    pub frame: &'a CudaSlice<u8>,
    /// `None` where there is no prior.
    pub prior: Option<&'a CudaSlice<f32>>,
    pub restored: &'a mut CudaSlice<u8>,
    pub stream: &'a CudaStream,
}

/// A frame in flight. Its slot is free again when this is dropped.
pub(crate) struct Pending {
    slot: Option<Slot>,
    /// Whether the restored frame stays on the device.
    #[cfg(feature = "cuda-memory")]
    stays_on_device: bool,
    free: FreeSlots,
}

impl Staging {
    /// Allocates the memory for frames of `size` and priors of `dim` values, which is 0 where there is no prior.
    pub fn new(device: &Device, size: FrameSize, dim: usize) -> Result<Self, Error> {
        Self::allocate(device, size, dim).map_err(failed("backbone"))
    }

    fn allocate(device: &Device, size: FrameSize, dim: usize) -> Result<Self, DriverError> {
        let has_prior = dim > 0;
        // Nothing cannot be allocated.
        let dim = dim.max(1);
        let frame = || device.prior.alloc_zeros::<u8>(size.bytes());
        let latent = || device.prior.alloc_zeros::<f32>(dim);
        let slots: Result<Vec<Slot>, DriverError> = (0..MAX_IN_FLIGHT).map(|_| Slot::new(device, size, dim)).collect();
        Ok(Self {
            uploaded: frame()?,
            z_blur: latent()?,
            frame: frame()?,
            prior: latent()?,
            has_prior,
            restored: frame()?,
            free: Arc::new(Mutex::new(slots?)),
            slot: None,
            device: device.clone(),
            #[cfg(feature = "cuda-memory")]
            size,
        })
    }

    /// Uploads a frame. [`Staging::encode`] and [`Staging::submit`] work on it until the next upload.
    ///
    /// # Errors
    /// What the driver says, and [`Error::Inference`] where as many frames as possible are in flight.
    pub fn upload(&mut self, frame: &[u8]) -> Result<(), Error> {
        let mut slot = self.take_slot()?;
        let uploaded = self.copy_up(&mut slot, frame);
        self.slot = Some(slot);
        uploaded.map_err(failed("prior_encoder"))
    }

    /// As [`Staging::upload`], for a frame that is on the device.
    #[cfg(feature = "cuda-memory")]
    pub fn copy_from_device(&mut self, frame: DeviceFrame) -> Result<(), Error> {
        frame
            .copy_to(&mut self.uploaded, self.size, &self.device.prior)
            .map_err(failed("prior_encoder"))
    }

    fn copy_up(&mut self, slot: &mut Slot, frame: &[u8]) -> Result<(), DriverError> {
        slot.upload.as_mut_slice()?.copy_from_slice(frame);
        self.device.prior.memcpy_htod(&slot.upload, &mut self.uploaded)
    }

    fn take_slot(&mut self) -> Result<Slot, Error> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        self.slot.take().or_else(free).ok_or_else(|| Error::Inference {
            graph: "backbone",
            reason: format!("{MAX_IN_FLIGHT} frames are in flight already"),
        })
    }

    /// Fills `z_blur` (D values) from the uploaded frame with `run`, which runs the prior encoder. Blocks until the
    /// device is done.
    ///
    /// # Errors
    /// Those of `run`, and what the driver says.
    pub fn encode(
        &mut self,
        z_blur: &mut [f32],
        run: impl FnOnce(EncoderTensors<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let stream = &self.device.prior;
        run(EncoderTensors {
            frame: &self.uploaded,
            z_blur: &mut self.z_blur,
            stream,
        })?;
        stream
            .memcpy_dtoh(&self.z_blur, z_blur)
            .and_then(|()| stream.synchronize())
            .map_err(failed("prior_encoder"))
    }

    /// Submits the uploaded frame with its prior (D values); `run` runs the backbone. Does not wait for the device.
    ///
    /// # Errors
    /// Those of `run`, and what the driver says.
    pub fn submit(
        &mut self,
        prior: &[f32],
        run: impl FnOnce(BackboneTensors<'_>) -> Result<(), Error>,
    ) -> Result<Pending, Error> {
        let mut pending = self.pending()?;
        if let Some(slot) = &mut pending.slot {
            self.restore(slot, prior, run)?;
            self.download(slot).map_err(failed("backbone"))?;
        }
        Ok(pending)
    }

    /// As [`Staging::submit`], to a frame on the device.
    #[cfg(feature = "cuda-memory")]
    pub fn submit_to_device(
        &mut self,
        prior: &[f32],
        to: DeviceFrame,
        run: impl FnOnce(BackboneTensors<'_>) -> Result<(), Error>,
    ) -> Result<Pending, Error> {
        let mut pending = self.pending()?;
        pending.stays_on_device = true;
        if let Some(slot) = &mut pending.slot {
            self.restore(slot, prior, run)?;
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
            stays_on_device: false,
            free: Arc::clone(&self.free),
        })
    }

    fn restore(
        &mut self,
        slot: &mut Slot,
        prior: &[f32],
        run: impl FnOnce(BackboneTensors<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.copy_inputs(slot, prior).map_err(failed("backbone"))?;
        run(BackboneTensors {
            frame: &self.frame,
            prior: self.has_prior.then_some(&self.prior),
            restored: &mut self.restored,
            stream: &self.device.backbone,
        })
    }

    fn copy_inputs(&mut self, slot: &mut Slot, prior: &[f32]) -> Result<(), DriverError> {
        let stream = &self.device.backbone;
        stream.memcpy_dtod(&self.uploaded, &mut self.frame)?;
        if self.has_prior {
            slot.prior.as_mut_slice()?.copy_from_slice(prior);
            stream.memcpy_htod(&slot.prior, &mut self.prior)?;
        }
        slot.started.record(stream)
    }

    fn download(&mut self, slot: &mut Slot) -> Result<(), DriverError> {
        let stream = &self.device.backbone;
        stream.memcpy_dtod(&self.restored, &mut slot.restored)?;
        slot.ended.record(stream)?;
        self.device.download.memcpy_dtoh(&slot.restored, &mut slot.download)
    }
}

impl Slot {
    fn new(device: &Device, size: FrameSize, dim: usize) -> Result<Self, DriverError> {
        let context = &device.context;
        let timed = || context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT));
        // SAFETY: any bits are valid bytes and floats, and the memory is written before it is read.
        let (upload, prior, download) = unsafe {
            (
                context.alloc_pinned_with_flags(size.bytes(), CACHED)?,
                context.alloc_pinned_with_flags(dim, CACHED)?,
                context.alloc_pinned_with_flags(size.bytes(), CACHED)?,
            )
        };
        Ok(Self {
            upload,
            prior,
            restored: device.backbone.alloc_zeros(size.bytes())?,
            download,
            started: timed()?,
            ended: timed()?,
        })
    }

    /// Copies the frame out and returns how long the backbone took. Blocks until the frame is downloaded.
    fn copy_out(&self, restored: &mut [u8]) -> Result<Duration, DriverError> {
        restored.copy_from_slice(self.download.as_slice()?);
        self.elapsed()
    }

    /// Returns how long the backbone took. Blocks until it is done.
    fn elapsed(&self) -> Result<Duration, DriverError> {
        self.download.context().check_err()?;
        let milliseconds = self.started.elapsed_ms(&self.ended)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }
}

impl Pending {
    /// Blocks until the frame is restored, and copies it to `restored` unless it stays on the device. Returns how long
    /// the backbone took.
    ///
    /// # Errors
    /// What the driver says.
    pub fn collect(self, restored: &mut [u8]) -> Result<Duration, Error> {
        #[cfg(feature = "cuda-memory")]
        if let (true, Some(slot)) = (self.stays_on_device, &self.slot) {
            return slot.elapsed().map_err(failed("backbone"));
        }
        match &self.slot {
            Some(slot) => slot.copy_out(restored).map_err(failed("backbone")),
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
