// SPDX-License-Identifier: MPL-2.0

//! What the graphs of a bundle must take and give: names, types and shapes.

use ort::value::{Outlet, TensorElementType, ValueType};

use super::{Error, FrameSize, PIXEL_BYTES, graph::Context};

/// One tensor of the contract; `None` in a shape is a side of the frame.
pub(super) struct Port {
    name: &'static str,
    element: TensorElementType,
    shape: Vec<Option<i64>>,
}

impl Port {
    pub fn frame(name: &'static str) -> Self {
        let shape = vec![Some(1), None, None, Some(PIXEL_BYTES as i64)];
        Self {
            name,
            element: TensorElementType::Uint8,
            shape,
        }
    }

    pub fn latent(name: &'static str, dim: usize) -> Self {
        Self {
            name,
            element: TensorElementType::Float32,
            shape: vec![Some(1), Some(dim as i64)],
        }
    }

    pub fn time(name: &'static str) -> Self {
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

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

pub(super) fn check_contract(
    context: Context<'_>,
    graph: &str,
    side: &str,
    found: &[Outlet],
    wanted: &[Port],
) -> Result<(), Error> {
    let ok = found.len() == wanted.len() && wanted.iter().zip(found).all(|(port, outlet)| port.matches(outlet));
    if ok {
        return Ok(());
    }
    let wanted: Vec<String> = wanted.iter().map(Port::to_string).collect();
    let found: Vec<String> = found
        .iter()
        .map(|outlet| format!("'{}' {}", outlet.name(), outlet.dtype()))
        .collect();
    Err(Error::BundleInvalid {
        bundle: context.bundle.to_owned(),
        file: graph.to_owned(),
        reason: format!(
            "its {side} are {}, and the contract wants {}; export the bundle again",
            found.join(", "),
            wanted.join(", ")
        ),
    })
}

/// Frames whose sides are fixed in the graph must be of the size that they are to have.
pub(super) fn check_sides(context: Context<'_>, graph: &str, outlet: &Outlet, size: FrameSize) -> Result<(), Error> {
    let ValueType::Tensor { shape, .. } = outlet.dtype() else {
        return Ok(());
    };
    let &[_, height, width, _] = &shape[..] else {
        return Ok(());
    };
    // A side that is free is -1.
    let agrees = |side: i64, wanted: usize| side < 0 || side == wanted as i64;
    if agrees(height, size.height) && agrees(width, size.width) {
        return Ok(());
    }
    let tile = match context.tile {
        Some(tile) => format!("says tile = {tile}"),
        None => "has no tile".into(),
    };
    Err(Error::BundleInvalid {
        bundle: context.bundle.to_owned(),
        file: graph.to_owned(),
        reason: format!(
            "its '{}' is fixed to height {height} and width {width}, and [backbone] of the manifest {tile}; set tile to the graph's side, or export the bundle again",
            outlet.name()
        ),
    })
}
