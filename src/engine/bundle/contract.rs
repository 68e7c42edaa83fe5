// SPDX-License-Identifier: MPL-2.0

//! The graph contract: the names, types and shapes of the inputs and outputs of a bundle's graphs.

use std::fmt;

use ort::value::{Outlet, TensorElementType, ValueType};

use crate::engine::{
    error::Error,
    frame_size::{FrameSize, PIXEL_BYTES},
};

/// One graph of the contract.
pub(crate) struct Contract {
    pub graph: &'static str,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Contract {
    /// `prior_encoder`: a frame to z_B [1, D].
    pub fn prior_encoder(dim: usize) -> Self {
        Self {
            graph: "prior_encoder",
            inputs: vec![Port::frame("frame")],
            outputs: vec![Port::latent("z_blur", dim)],
        }
    }

    /// `residuals`: the estimators of the sampler.
    pub fn residuals(dim: usize) -> Self {
        Self {
            graph: "residuals",
            inputs: vec![
                Port::latent("z_t", dim),
                Port::latent("z_blur", dim),
                Port::time("t"),
                Port::time("s"),
            ],
            outputs: vec![Port::latent("blur_residual", dim), Port::latent("noise_residual", dim)],
        }
    }

    /// `scales`: a prior to the share of each scale.
    pub fn scales(dim: usize, scales: usize) -> Self {
        Self {
            graph: "scales",
            inputs: vec![Port::latent("prior", dim)],
            outputs: vec![Port::latent("shares", scales)],
        }
    }

    /// `backbone`: a frame, and its prior if there is one, to the restored frame.
    pub fn backbone(dim: Option<usize>) -> Self {
        let prior = dim.map(|dim| Port::latent("prior", dim));
        Self {
            graph: "backbone",
            inputs: [Port::frame("frame")].into_iter().chain(prior).collect(),
            outputs: vec![Port::frame("restored")],
        }
    }

    /// Checks the inputs and outputs of a graph of `bundle`.
    ///
    /// # Errors
    /// [`Error::BundleInvalid`] when a name, a type or a shape is not the contract's.
    pub fn check(&self, bundle: &str, inputs: &[Outlet], outputs: &[Outlet]) -> Result<(), Error> {
        self.check_ports(bundle, "inputs", inputs, &self.inputs)?;
        self.check_ports(bundle, "outputs", outputs, &self.outputs)
    }

    fn check_ports(&self, bundle: &str, side: &str, found: &[Outlet], wanted: &[Port]) -> Result<(), Error> {
        let matches =
            found.len() == wanted.len() && wanted.iter().zip(found).all(|(port, outlet)| port.matches(outlet));
        if matches {
            return Ok(());
        }
        let wanted: Vec<String> = wanted.iter().map(Port::to_string).collect();
        let found: Vec<String> = found
            .iter()
            .map(|outlet| format!("'{}' {}", outlet.name(), outlet.dtype()))
            .collect();
        Err(self.invalid(
            bundle,
            format!(
                "its {side} are {}, and the contract wants {}; export the bundle again",
                found.join(", "),
                wanted.join(", ")
            ),
        ))
    }

    /// Checks that the frames of a graph have `size`, where their sides are fixed in the graph. `tile` is the
    /// manifest's.
    ///
    /// # Errors
    /// [`Error::BundleInvalid`] when a side is fixed to another number of pixels.
    pub fn check_size<'a>(
        &self,
        bundle: &str,
        tile: Option<usize>,
        mut outlets: impl Iterator<Item = &'a Outlet>,
        size: FrameSize,
    ) -> Result<(), Error> {
        outlets.try_for_each(|outlet| self.check_sides(bundle, tile, outlet, size))
    }

    fn check_sides(&self, bundle: &str, tile: Option<usize>, outlet: &Outlet, size: FrameSize) -> Result<(), Error> {
        let ValueType::Tensor { shape, .. } = outlet.dtype() else {
            return Ok(());
        };
        let &[_, height, width, _] = &shape[..] else {
            return Ok(());
        };
        // A symbolic side is -1.
        let agrees = |side: i64, wanted: usize| side < 0 || side == wanted as i64;
        if agrees(height, size.height) && agrees(width, size.width) {
            return Ok(());
        }
        let tile = match tile {
            Some(tile) => format!("says tile = {tile}"),
            None => "has no tile".into(),
        };
        Err(self.invalid(
            bundle,
            format!(
                "its '{}' is fixed to height {height} and width {width}, and [backbone] of the manifest {tile}; \
                 set tile to the graph's side, or export the bundle again",
                outlet.name()
            ),
        ))
    }

    fn invalid(&self, bundle: &str, reason: String) -> Error {
        Error::BundleInvalid {
            bundle: bundle.to_owned(),
            file: self.graph.to_owned(),
            reason,
        }
    }
}

/// One input or output. `None` in a shape is a side of the frame.
struct Port {
    name: &'static str,
    element: TensorElementType,
    shape: Vec<Option<i64>>,
}

impl Port {
    fn frame(name: &'static str) -> Self {
        let shape = vec![Some(1), None, None, Some(PIXEL_BYTES as i64)];
        Self {
            name,
            element: TensorElementType::Uint8,
            shape,
        }
    }

    fn latent(name: &'static str, dim: usize) -> Self {
        Self {
            name,
            element: TensorElementType::Float32,
            shape: vec![Some(1), Some(dim as i64)],
        }
    }

    fn time(name: &'static str) -> Self {
        Self {
            name,
            element: TensorElementType::Float32,
            shape: vec![Some(1)],
        }
    }

    fn matches(&self, outlet: &Outlet) -> bool {
        let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
            return false;
        };
        outlet.name() == self.name
            && ty == &self.element
            && shape.len() == self.shape.len()
            && shape
                .iter()
                .zip(&self.shape)
                .all(|(&dim, want)| want.is_none_or(|want| dim == want))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self
            .shape
            .iter()
            .enumerate()
            .map(|(i, dim)| match dim {
                Some(dim) => dim.to_string(),
                None if i == 1 => "height".into(),
                None => "width".into(),
            })
            .collect();
        write!(f, "'{}' {:?} [{}]", self.name, self.element, dims.join(", "))
    }
}
