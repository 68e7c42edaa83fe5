// SPDX-License-Identifier: MPL-2.0

//! In which numbers the backbone computes: the exact ones, or ones that cost less and lose little.

use std::{fmt, sync::LazyLock};

use super::{Error, Provider, bundle::BackboneSection};

/// The numbers of the backbone. The prior is always computed in fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    Fp32,
    /// The fp32 graph, computed in bfloat16 by OpenVINO on CPUs that have units for it.
    Bf16,
    /// A variant of the bundle.
    Fp16,
    /// A variant of the bundle, quantised.
    Int8,
}

/// What a precision may lose against fp32, in dB on the validation set, to be taken without being asked for.
const ALLOWED_LOSS: f64 = 0.1;

impl Precision {
    pub const ALL: [Self; 4] = [Self::Fp32, Self::Bf16, Self::Fp16, Self::Int8];

    /// As in the property `precision` and in manifests.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }

    /// The variant of a bundle that it runs.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::Bf16 => Self::Fp32.nick(),
            other => other.nick(),
        }
    }

    /// Whether a provider gains by it on this machine.
    fn helps(self, provider: Provider) -> bool {
        match (self, provider) {
            (Self::Fp32, _) => true,
            // Units of vectors alone make it slower than fp32 (BENCHMARKS.md).
            (Self::Bf16, Provider::OpenVino) => UNITS.bf16_matrices,
            (Self::Int8, Provider::OpenVino | Provider::Cpu) => UNITS.int8,
            (Self::Fp16, Provider::Cuda | Provider::TensorRt) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nick())
    }
}

/// What this CPU has units for.
struct Units {
    bf16: bool,
    /// Of whole matrices (AMX).
    bf16_matrices: bool,
    int8: bool,
}

static UNITS: LazyLock<Units> = LazyLock::new(Units::find);

impl Units {
    #[cfg(target_arch = "x86_64")]
    fn find() -> Self {
        Self {
            bf16: is_x86_feature_detected!("avx512bf16"),
            bf16_matrices: kernel_knows("amx_bf16"),
            int8: is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni"),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn find() -> Self {
        Self {
            bf16: false,
            bf16_matrices: false,
            int8: std::arch::is_aarch64_feature_detected!("dotprod"),
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn find() -> Self {
        Self {
            bf16: false,
            bf16_matrices: false,
            int8: false,
        }
    }
}

/// Whether Linux lets programs use a feature of the CPU: the standard library does not know of all of them yet.
#[cfg(target_arch = "x86_64")]
fn kernel_knows(feature: &str) -> bool {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = known.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == feature))
}

/// The precisions to try first on a provider, best first, and the last one; `asked` is the only one, if one was asked for.
///
/// # Errors
/// [`Error::Precision`] when what was asked for cannot be had.
pub(super) fn candidates(
    asked: Option<Precision>,
    provider: Provider,
    backbone: &BackboneSection,
) -> Result<(Vec<Precision>, Precision), Error> {
    if let Some(precision) = asked {
        return match refusal(precision, provider, backbone) {
            Some(reason) => Err(Error::Precision { precision, reason }),
            None => Ok((Vec::new(), precision)),
        };
    }
    // Where both help they are about as fast, and bf16 loses less.
    let best_first = [Precision::Fp16, Precision::Bf16, Precision::Int8];
    let worth_it = |precision: &Precision| {
        let loss = backbone.losses.get(precision.nick());
        precision.helps(provider)
            && backbone.variants.contains_key(precision.variant())
            && loss.is_some_and(|&loss| loss < ALLOWED_LOSS)
    };
    Ok((best_first.into_iter().filter(worth_it).collect(), Precision::Fp32))
}

fn refusal(precision: Precision, provider: Provider, backbone: &BackboneSection) -> Option<String> {
    if !backbone.variants.contains_key(precision.variant()) {
        let known: Vec<&str> = backbone.variants.keys().map(String::as_str).collect();
        return Some(format!(
            "the model has {} only; export it with that variant, or set precision to auto",
            known.join(" and ")
        ));
    }
    match (precision, provider) {
        (Precision::Bf16, Provider::OpenVino) if UNITS.bf16 => None,
        (Precision::Bf16, Provider::OpenVino) => {
            Some("this CPU has no units for it (AVX-512 BF16 or AMX); set precision to auto".into())
        }
        (Precision::Bf16, other) => Some(format!(
            "only openvino computes in it, and this is {other}; set precision to auto"
        )),
        _ => None,
    }
}
