// SPDX-License-Identifier: MPL-2.0

//! Runs a session on memory that the caller lends, the CPU's or a device's: inputs are read and outputs written where they lie.
//!
//! `ort`'s own `run` lets ONNX Runtime allocate every output anew, and allocates names and values itself. Its preallocated outputs
//! must be owned tensors, and its bindings copy borrowed inputs. What the C API takes, and what this hands it, is a pointer. This is
//! the engine's only unsafe code. Its invariant: a value that ONNX Runtime sees points at a slice that is borrowed for longer than the
//! run, mutably if it is an output, and whose length is that of the shape that the value has. One on a device is borrowed as well; what else
//! its memory is used for waits until the run's work on its stream is done, and the other way round.

use std::{
    ffi::{CStr, CString, c_char, c_void},
    marker::PhantomData,
    ptr,
    sync::Arc,
};

use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use ort::{
    AsPointer,
    memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType},
    session::{RunOptions, Session},
    sys,
};

/// A tensor that a graph reads.
pub(super) struct Input<'a>(Lent<'a>);

/// A tensor that a graph writes.
pub(super) struct Output<'a>(Lent<'a>);

struct Lent<'a> {
    data: *mut c_void,
    bytes: usize,
    element: sys::ONNXTensorElementDataType,
    shape: &'a [i64],
    /// What orders a device's work on it; none in the CPU's memory.
    on_device: Option<SyncOnDrop<'a>>,
    borrow: PhantomData<&'a mut [u8]>,
}

impl<'a> Input<'a> {
    pub fn bytes(data: &'a [u8], shape: &'a [i64]) -> Self {
        // ONNX Runtime writes to no graph input.
        Self(Lent::new(data.as_ptr().cast_mut(), data.len(), UINT8, shape))
    }

    pub fn floats(data: &'a [f32], shape: &'a [i64]) -> Self {
        Self(Lent::new(data.as_ptr().cast_mut(), data.len(), FLOAT, shape))
    }

    /// On the device, by a graph that runs on `stream`.
    pub fn on_device<T: Element>(data: &'a CudaSlice<T>, stream: &'a CudaStream, shape: &'a [i64]) -> Self {
        let (address, order) = data.device_ptr(stream);
        let lent = Lent::new(address as *mut T, data.len(), T::ELEMENT, shape);
        Self(Lent {
            on_device: Some(order),
            ..lent
        })
    }
}

impl<'a> Output<'a> {
    pub fn bytes(data: &'a mut [u8], shape: &'a [i64]) -> Self {
        Self(Lent::new(data.as_mut_ptr(), data.len(), UINT8, shape))
    }

    pub fn floats(data: &'a mut [f32], shape: &'a [i64]) -> Self {
        Self(Lent::new(data.as_mut_ptr(), data.len(), FLOAT, shape))
    }

    /// On the device, by a graph that runs on `stream`.
    pub fn on_device<T: Element>(data: &'a mut CudaSlice<T>, stream: &'a CudaStream, shape: &'a [i64]) -> Self {
        let count = data.len();
        let (address, order) = data.device_ptr_mut(stream);
        let lent = Lent::new(address as *mut T, count, T::ELEMENT, shape);
        Self(Lent {
            on_device: Some(order),
            ..lent
        })
    }
}

/// What the tensors of the contract are made of.
pub(super) trait Element {
    const ELEMENT: sys::ONNXTensorElementDataType;
}

impl Element for u8 {
    const ELEMENT: sys::ONNXTensorElementDataType = UINT8;
}

impl Element for f32 {
    const ELEMENT: sys::ONNXTensorElementDataType = FLOAT;
}

const UINT8: sys::ONNXTensorElementDataType = sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
const FLOAT: sys::ONNXTensorElementDataType = sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;

impl<'a> Lent<'a> {
    /// `data` points at `count` elements, borrowed for 'a.
    ///
    /// # Panics
    /// If the shape has another number of elements: the callers compute both from one size.
    fn new<T>(data: *mut T, count: usize, element: sys::ONNXTensorElementDataType, shape: &'a [i64]) -> Self {
        let wanted = shape.iter().try_fold(1usize, |product, &side| {
            product.checked_mul(usize::try_from(side).ok()?)
        });
        assert_eq!(wanted, Some(count), "a tensor of shape {shape:?} over {count} elements");
        Self {
            data: data.cast(),
            bytes: count * size_of::<T>(),
            element,
            shape,
            on_device: None,
            borrow: PhantomData,
        }
    }
}

/// The names of a graph's inputs and outputs as the C API wants them, and what else its runs share.
pub(super) struct Binding {
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    memory: MemoryInfo<'static>,
    device: MemoryInfo<'static>,
    options: Arc<RunOptions>,
}

impl Binding {
    /// For the graphs of a session; runs end early once `options` are terminated. What lies on a device lies in the memory of `device`.
    pub fn new(session: &Session, options: Arc<RunOptions>, device: MemoryInfo<'static>) -> Result<Self, ort::Error> {
        let named = |name: &str| CString::new(name).map_err(|error| ort::Error::new(error.to_string()));
        Ok(Self {
            inputs: session
                .inputs()
                .iter()
                .map(|outlet| named(outlet.name()))
                .collect::<Result<_, _>>()?,
            outputs: session
                .outputs()
                .iter()
                .map(|outlet| named(outlet.name()))
                .collect::<Result<_, _>>()?,
            memory: host_memory()?,
            device,
            options,
        })
    }

    /// Runs the session that this was made for. Inputs and outputs are in the graph's order.
    ///
    /// # Errors
    /// What ONNX Runtime says.
    pub fn run<const I: usize, const O: usize>(
        &mut self,
        session: &mut Session,
        inputs: [Input<'_>; I],
        outputs: [Output<'_>; O],
    ) -> Result<(), String> {
        if (I, O) != (self.inputs.len(), self.outputs.len()) {
            return Err(format!(
                "the graph has {} inputs and {} outputs",
                self.inputs.len(),
                self.outputs.len()
            ));
        }
        let input_names: [*const c_char; I] = std::array::from_fn(|i| self.inputs[i].as_ptr());
        let output_names: [*const c_char; O] = std::array::from_fn(|i| self.outputs[i].as_ptr());
        let (inputs, outputs) = (inputs.map(|input| input.0), outputs.map(|output| output.0));
        let read = Values::new(self, &inputs)?;
        let mut written = Values::new(self, &outputs)?;
        // SAFETY: the session, the options, the names and the values outlive the call; there are as many names as values; the
        // session is borrowed mutably, so that no other run uses it meanwhile.
        checked(unsafe {
            (ort::api().Run)(
                session.ptr_mut(),
                self.options.ptr(),
                input_names.as_ptr(),
                read.pointers.as_ptr().cast(),
                I,
                output_names.as_ptr(),
                O,
                written.pointers.as_mut_ptr(),
            )
        })
    }
}

/// The CPU's.
pub(super) fn host_memory() -> Result<MemoryInfo<'static>, ort::Error> {
    MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
}

/// A GPU's.
pub(super) fn device_memory(id: i32) -> Result<MemoryInfo<'static>, ort::Error> {
    MemoryInfo::new(AllocationDevice::CUDA, id, AllocatorType::Device, MemoryType::Default)
}

/// Values over lent memory, released when dropped; the memory is not theirs.
struct Values<'a, const N: usize> {
    pointers: [*mut sys::OrtValue; N],
    lent: PhantomData<&'a Lent<'a>>,
}

impl<'a, const N: usize> Values<'a, N> {
    fn new(of: &Binding, lent: &'a [Lent<'_>; N]) -> Result<Self, String> {
        let mut values = Self {
            pointers: [ptr::null_mut(); N],
            lent: PhantomData,
        };
        for (pointer, lent) in values.pointers.iter_mut().zip(lent) {
            let memory = if lent.on_device.is_some() {
                &of.device
            } else {
                &of.memory
            };
            // SAFETY: the memory is borrowed for 'a, which the values do not outlive, and holds what the shape says (`Lent::new`).
            checked(unsafe {
                (ort::api().CreateTensorWithDataAsOrtValue)(
                    memory.ptr(),
                    lent.data,
                    lent.bytes,
                    lent.shape.as_ptr(),
                    lent.shape.len(),
                    lent.element,
                    pointer,
                )
            })?;
        }
        Ok(values)
    }
}

impl<const N: usize> Drop for Values<'_, N> {
    fn drop(&mut self) {
        for &pointer in &self.pointers {
            if !pointer.is_null() {
                // SAFETY: made by CreateTensorWithDataAsOrtValue, and released once.
                unsafe { (ort::api().ReleaseValue)(pointer) };
            }
        }
    }
}

/// A status as a result; releases it.
fn checked(status: sys::OrtStatusPtr) -> Result<(), String> {
    let status = status.0;
    if status.is_null() {
        return Ok(());
    }
    // SAFETY: a status that is not null is valid until it is released, and so is its message, which is copied before.
    unsafe {
        let message = CStr::from_ptr((ort::api().GetErrorMessage)(status))
            .to_string_lossy()
            .into_owned();
        (ort::api().ReleaseStatus)(status);
        Err(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_as_long_as_its_shape_says() {
        Input::bytes(&[0; 24], &[1, 2, 3, 4]);
        Output::floats(&mut [0.0; 6], &[1, 6]);
        for (length, shape) in [
            (23, [1, 2, 3, 4]),
            (25, [1, 2, 3, 4]),
            (24, [1, 2, 3, -4]),
            (0, [i64::MAX; 4]),
        ] {
            let made = std::panic::catch_unwind(|| Input::bytes(&vec![0; length], &shape).0.bytes);
            assert!(made.is_err(), "{length} bytes as {shape:?}");
        }
    }
}
