// SPDX-License-Identifier: MPL-2.0

use std::fmt;

/// The precision of the backbone. The prior is always computed in fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    Fp32,
    /// The fp32 graph, computed in bfloat16 by OpenVINO on CPUs that have instructions for it.
    Bf16,
    /// A variant of the bundle.
    Fp16,
    /// A variant of the bundle, quantised.
    Int8,
}

impl Precision {
    pub const ALL: [Self; 4] = [Self::Fp32, Self::Bf16, Self::Fp16, Self::Int8];

    /// Returns the name that the property `precision` and manifests use.
    pub fn nick(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }

    /// Returns the variant of a bundle that it runs.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::Bf16 => Self::Fp32.nick(),
            other => other.nick(),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.nick())
    }
}
