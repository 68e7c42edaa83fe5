// SPDX-License-Identifier: MPL-2.0

//! The NVIDIA GPUs of this machine, as reported by the driver, and the Jetson that it may be.

use std::fs;

use nvml_wrapper::Nvml;

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    pub name: String,
    /// The compute capability, such as "9.0", if the driver reports it.
    pub capability: Option<String>,
    /// The free and the total device memory, in bytes. Jetsons share their memory with the CPU and report neither.
    pub memory: Option<(u64, u64)>,
    /// The driver's version.
    pub driver: String,
}

/// Returns the GPUs in the order of their device numbers.
///
/// # Errors
/// The reason why the driver reports nothing: none is installed, or its library does not match its kernel module.
pub fn gpus() -> Result<Vec<Gpu>, String> {
    match from_driver() {
        Err(reason) => jetson().map(|gpu| vec![gpu]).ok_or(reason),
        found => found,
    }
}

fn from_driver() -> Result<Vec<Gpu>, String> {
    let text = |error: nvml_wrapper::error::NvmlError| format!("NVIDIA's driver tells nothing: {error}");
    let nvml = Nvml::builder()
        .lib_path("libnvidia-ml.so.1".as_ref())
        .init()
        .map_err(text)?;
    let driver = nvml.sys_driver_version().map_err(text)?;
    (0..nvml.device_count().map_err(text)?)
        .map(|number| {
            let device = nvml.device_by_index(number).map_err(text)?;
            let capability = device.cuda_compute_capability().ok();
            Ok(Gpu {
                name: device.name().map_err(text)?,
                capability: capability.map(|version| format!("{}.{}", version.major, version.minor)),
                memory: device.memory_info().ok().map(|memory| (memory.free, memory.total)),
                driver: driver.clone(),
            })
        })
        .collect()
}

/// Returns a Jetson's board and release as its GPU and driver. Jetsons have no NVML.
fn jetson() -> Option<Gpu> {
    let release = fs::read_to_string("/etc/nv_tegra_release").ok()?;
    let board = fs::read_to_string("/proc/device-tree/model").ok()?;
    Some(Gpu {
        name: board.trim_end_matches('\0').trim().to_owned(),
        capability: None,
        memory: None,
        driver: release
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
            .to_owned(),
    })
}
