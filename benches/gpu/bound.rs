// SPDX-License-Identifier: MPL-2.0

//! The fastest bare run of the graphs on a GPU: bound once to pinned memory, which they read and write every time.

use std::error::Error;

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{IoBinding, Session},
    value::Tensor,
};

type Failure = Box<dyn Error>;

/// The bindings of both graphs. The frame is uploaded twice, once for each graph.
pub struct Bound {
    encoder: IoBinding,
    backbone: IoBinding,
    frame: Tensor<u8>,
    prior: Tensor<f32>,
    z_blur: Vec<f32>,
}

impl Bound {
    pub fn new(
        encoder: &Session,
        backbone: &Session,
        height: usize,
        width: usize,
        dim: usize,
    ) -> Result<Self, Failure> {
        let pinned = MemoryInfo::new(
            AllocationDevice::CUDA_PINNED,
            0,
            AllocatorType::Device,
            MemoryType::CPUInput,
        )?;
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
        let allocator = Allocator::new(encoder, pinned)?;
        let (mut to_encoder, mut to_backbone) = (encoder.create_binding()?, backbone.create_binding()?);
        to_encoder.bind_output_to_device("z_blur", &host)?;
        to_backbone.bind_output_to_device("restored", &host)?;
        Ok(Self {
            encoder: to_encoder,
            backbone: to_backbone,
            frame: Tensor::new(&allocator, [1, height, width, 4])?,
            prior: Tensor::new(&allocator, [1, dim])?,
            z_blur: vec![0.0; dim],
        })
    }

    pub fn encode(&mut self, session: &mut Session, frame: &[u8]) -> Result<&[f32], Failure> {
        self.frame.extract_tensor_mut().1.copy_from_slice(frame);
        // Binding a value copies it to the device.
        self.encoder.bind_input("frame", &self.frame)?;
        let outputs = session.run_binding(&self.encoder)?;
        self.z_blur.copy_from_slice(outputs[0].try_extract_tensor::<f32>()?.1);
        Ok(&self.z_blur)
    }

    /// Returns a byte of the restored frame, so that it must be downloaded.
    pub fn restore(&mut self, session: &mut Session, prior: &[f32]) -> Result<u8, Failure> {
        self.prior.extract_tensor_mut().1.copy_from_slice(prior);
        self.backbone.bind_input("frame", &self.frame)?;
        self.backbone.bind_input("prior", &self.prior)?;
        let outputs = session.run_binding(&self.backbone)?;
        Ok(outputs[0].try_extract_tensor::<u8>()?.1[0])
    }
}
