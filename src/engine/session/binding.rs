// SPDX-License-Identifier: MPL-2.0

//! Binds the memory of the caller, on the CPU or on a device, to the inputs and outputs of a session, and runs it in
//! place.
//!
//! `ort`'s own `run` has ONNX Runtime allocate every output, and allocates names and values itself. Its preallocated
//! outputs must be owned tensors, and its `IoBinding` copies borrowed inputs. The C API takes a pointer, which is what
//! this module gives it.
//!
//! This is the engine's only unsafe code that touches tensors. Its invariant: a value that ONNX Runtime sees points at
//! a slice whose length is that of the value's shape, and which is borrowed for longer than the run, mutably if it is
//! an output. A slice on a device is borrowed as well, and `cudarc` orders other work on its memory behind the run's
//! work on its stream, and the other way round.

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
pub(super) struct Input<'a>(BorrowedTensor<'a>);

/// A tensor that a graph writes.
pub(super) struct Output<'a>(BorrowedTensor<'a>);

struct BorrowedTensor<'a> {
    data: *mut c_void,
    bytes: usize,
    element: sys::ONNXTensorElementDataType,
    shape: &'a [i64],
    /// Orders the device's work on the memory. `None` for host memory.
    on_device: Option<SyncOnDrop<'a>>,
    borrow: PhantomData<&'a mut [u8]>,
}

impl<'a> Input<'a> {
    pub fn bytes(data: &'a [u8], shape: &'a [i64]) -> Self {
        // ONNX Runtime does not write to the inputs of a graph.
        Self(BorrowedTensor::new(data.as_ptr().cast_mut(), data.len(), UINT8, shape))
    }

    pub fn floats(data: &'a [f32], shape: &'a [i64]) -> Self {
        Self(BorrowedTensor::new(data.as_ptr().cast_mut(), data.len(), FLOAT, shape))
    }

    /// A tensor on the device, of a graph that runs on `stream`.
    pub fn on_device<T: Element>(data: &'a CudaSlice<T>, stream: &'a CudaStream, shape: &'a [i64]) -> Self {
        let (address, order) = data.device_ptr(stream);
        let tensor = BorrowedTensor::new(address as *mut T, data.len(), T::ELEMENT, shape);
        Self(BorrowedTensor {
            on_device: Some(order),
            ..tensor
        })
    }
}

impl<'a> Output<'a> {
    pub fn bytes(data: &'a mut [u8], shape: &'a [i64]) -> Self {
        Self(BorrowedTensor::new(data.as_mut_ptr(), data.len(), UINT8, shape))
    }

    pub fn floats(data: &'a mut [f32], shape: &'a [i64]) -> Self {
        Self(BorrowedTensor::new(data.as_mut_ptr(), data.len(), FLOAT, shape))
    }

    /// A tensor on the device, of a graph that runs on `stream`.
    pub fn on_device<T: Element>(data: &'a mut CudaSlice<T>, stream: &'a CudaStream, shape: &'a [i64]) -> Self {
        let count = data.len();
        let (address, order) = data.device_ptr_mut(stream);
        let tensor = BorrowedTensor::new(address as *mut T, count, T::ELEMENT, shape);
        Self(BorrowedTensor {
            on_device: Some(order),
            ..tensor
        })
    }
}

/// The element types of the contract's tensors.
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

impl<'a> BorrowedTensor<'a> {
    /// `data` points at `count` elements, which are borrowed for 'a.
    ///
    /// # Panics
    /// If the shape has another number of elements. The callers compute both from one size.
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

/// What all runs of a session share: the names of its inputs and outputs as the C API takes them, and the run options.
pub(super) struct Binding {
    inputs: Vec<CString>,
    outputs: Vec<CString>,
    host: MemoryInfo<'static>,
    device: MemoryInfo<'static>,
    options: Arc<RunOptions>,
}

impl Binding {
    /// Creates the binding of a session. Runs end early once `options` are terminated. Tensors on a device lie in the
    /// memory `device`.
    pub fn new(session: &Session, options: Arc<RunOptions>, device: MemoryInfo<'static>) -> Result<Self, ort::Error> {
        let to_c = |name: &str| CString::new(name).map_err(|error| ort::Error::new(error.to_string()));
        Ok(Self {
            inputs: session
                .inputs()
                .iter()
                .map(|outlet| to_c(outlet.name()))
                .collect::<Result<_, _>>()?,
            outputs: session
                .outputs()
                .iter()
                .map(|outlet| to_c(outlet.name()))
                .collect::<Result<_, _>>()?,
            host: host_memory()?,
            device,
            options,
        })
    }

    /// Runs the session that this binding was created for. Inputs and outputs are in the graph's order.
    ///
    /// # Errors
    /// The message of ONNX Runtime.
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
        let inputs = Values::new(self, &inputs)?;
        let mut outputs = Values::new(self, &outputs)?;
        // SAFETY: the session, the options, the names and the values outlive the call; there are as many names as
        // values; the session is borrowed mutably, so that no other run uses it at the same time.
        check(unsafe {
            (ort::api().Run)(
                session.ptr_mut(),
                self.options.ptr(),
                input_names.as_ptr(),
                inputs.pointers.as_ptr().cast(),
                I,
                output_names.as_ptr(),
                O,
                outputs.pointers.as_mut_ptr(),
            )
        })
    }
}

/// Describes the CPU's memory.
pub(super) fn host_memory() -> Result<MemoryInfo<'static>, ort::Error> {
    MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)
}

/// Describes the memory of GPU number `id`.
pub(super) fn device_memory(id: i32) -> Result<MemoryInfo<'static>, ort::Error> {
    MemoryInfo::new(AllocationDevice::CUDA, id, AllocatorType::Device, MemoryType::Default)
}

/// ONNX Runtime's values over borrowed tensors. They do not own the memory, and are released on drop.
struct Values<'a, const N: usize> {
    pointers: [*mut sys::OrtValue; N],
    tensors: PhantomData<&'a BorrowedTensor<'a>>,
}

impl<'a, const N: usize> Values<'a, N> {
    fn new(binding: &Binding, tensors: &'a [BorrowedTensor<'_>; N]) -> Result<Self, String> {
        let mut values = Self {
            pointers: [ptr::null_mut(); N],
            tensors: PhantomData,
        };
        for (pointer, tensor) in values.pointers.iter_mut().zip(tensors) {
            let memory = if tensor.on_device.is_some() {
                &binding.device
            } else {
                &binding.host
            };
            // SAFETY: the memory is borrowed for 'a, which the values do not outlive, and has the length of the shape
            // (`BorrowedTensor::new`).
            check(unsafe {
                (ort::api().CreateTensorWithDataAsOrtValue)(
                    memory.ptr(),
                    tensor.data,
                    tensor.bytes,
                    tensor.shape.as_ptr(),
                    tensor.shape.len(),
                    tensor.element,
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
                // SAFETY: the value was created by CreateTensorWithDataAsOrtValue, and is released once.
                unsafe { (ort::api().ReleaseValue)(pointer) };
            }
        }
    }
}

/// Turns a status into a result, and releases it.
fn check(status: sys::OrtStatusPtr) -> Result<(), String> {
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
            let tensor = std::panic::catch_unwind(|| Input::bytes(&vec![0; length], &shape).0.bytes);
            assert!(tensor.is_err(), "{length} bytes as {shape:?}");
        }
    }
}
