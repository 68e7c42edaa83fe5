// SPDX-License-Identifier: MPL-2.0

//! The NVIDIA GPUs of this machine, as its driver tells, and the Jetson that it may be.

use std::fs;

use nvml_wrapper::Nvml;

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    pub name: String,
    /// As in "9.0", where the driver tells.
    pub capability: Option<String>,
    /// Of device memory, in bytes: free and in all. Jetsons share theirs with the CPU and tell neither.
    pub memory: Option<(u64, u64)>,
    /// The driver's version.
    pub driver: String,
}

/// The GPUs in the order of their device numbers.
///
/// # Errors
/// Why the driver tells nothing, in a sentence: none is installed, or it is older than the kernel's part of it.
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

/// A Jetson's board and release, which stand for its GPU and driver where there is no NVML.
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
