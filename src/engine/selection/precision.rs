// SPDX-License-Identifier: MPL-2.0

//! The precisions that are worth trying on a provider.

use std::sync::LazyLock;

use crate::engine::{bundle::BackboneSection, error::Error, precision::Precision, provider::Provider};

/// The loss against fp32, in dB on the validation set, below which a precision is used without being asked for.
const ALLOWED_LOSS: f64 = 0.1;

/// Returns the precisions to try first on a provider, best first, and the last one. Where a precision was asked for, it
/// is the only one.
///
/// # Errors
/// [`Error::Precision`] when the bundle, the provider or the CPU does not support the precision that was asked for.
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
    // Where bf16 and int8 both help they are about as fast, and bf16 loses less.
    let best_first = [Precision::Fp16, Precision::Bf16, Precision::Int8];
    let worth_it = |precision: &Precision| {
        let loss = backbone.losses.get(precision.nick());
        is_faster(*precision, provider)
            && backbone.variants.contains_key(precision.variant())
            && loss.is_some_and(|&loss| loss < ALLOWED_LOSS)
    };
    Ok((best_first.into_iter().filter(worth_it).collect(), Precision::Fp32))
}

/// Returns whether a precision makes a provider faster than fp32 on this machine.
fn is_faster(precision: Precision, provider: Provider) -> bool {
    match (precision, provider) {
        (Precision::Fp32, _) => true,
        // With vector units alone bf16 is slower than fp32 (BENCHMARKS.md).
        (Precision::Bf16, Provider::OpenVino) => CPU.bf16_matrices,
        (Precision::Int8, Provider::OpenVino | Provider::Cpu) => CPU.int8,
        (Precision::Fp16, Provider::Cuda | Provider::TensorRt) => true,
        _ => false,
    }
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
        (Precision::Bf16, Provider::OpenVino) if CPU.bf16 => None,
        (Precision::Bf16, Provider::OpenVino) => {
            Some("this CPU has no units for it (AVX-512 BF16 or AMX); set precision to auto".into())
        }
        (Precision::Bf16, other) => Some(format!(
            "only openvino computes in it, and this is {other}; set precision to auto"
        )),
        _ => None,
    }
}

/// The numbers that this CPU has instructions for.
struct Cpu {
    bf16: bool,
    /// Whether there are instructions for whole matrices of bf16 (AMX).
    bf16_matrices: bool,
    int8: bool,
}

static CPU: LazyLock<Cpu> = LazyLock::new(Cpu::detect);

impl Cpu {
    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        Self {
            bf16: is_x86_feature_detected!("avx512bf16"),
            bf16_matrices: kernel_reports("amx_bf16"),
            int8: is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni"),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn detect() -> Self {
        Self {
            bf16: false,
            bf16_matrices: false,
            int8: std::arch::is_aarch64_feature_detected!("dotprod"),
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn detect() -> Self {
        Self {
            bf16: false,
            bf16_matrices: false,
            int8: false,
        }
    }
}

/// Returns whether Linux lets programs use a feature of the CPU. The standard library does not detect AMX yet.
#[cfg(target_arch = "x86_64")]
fn kernel_reports(feature: &str) -> bool {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = known.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == feature))
}
