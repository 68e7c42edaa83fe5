// SPDX-License-Identifier: MPL-2.0

//! The window, which is what the graphs see at once: a whole frame or a tile of it.

use crate::engine::{
    bundle::BackboneSection,
    error::Error,
    frame_size::{FrameSize, TILE_SIDES},
};

/// Returns the window for frames of size `frame`. A `tile_size` of 0 means the side to which the graphs are fixed, or
/// whole frames. The tiles of a graph of fixed size are square, others are not larger than the frame.
///
/// # Errors
/// [`Error::Tile`] for a side that is out of range, not a multiple of the backbone's or not the one of its graph, and
/// for an overlap that is not smaller than the side.
pub(super) fn window(
    frame: FrameSize,
    backbone: &BackboneSection,
    tile_size: usize,
    overlap: usize,
) -> Result<FrameSize, Error> {
    let side = match (tile_size, backbone.tile) {
        (0, None) => return Ok(frame),
        (0, Some(fixed)) => fixed,
        (side, _) => side,
    };
    check(side, overlap, backbone).map_err(|reason| Error::Tile { side, overlap, reason })?;
    Ok(match backbone.tile {
        Some(_) => FrameSize {
            width: side,
            height: side,
        },
        None => FrameSize {
            width: side.min(frame.width),
            height: side.min(frame.height),
        },
    })
}

/// Returns the side of the next smaller tiles to try where `window` does not fit in memory, or `None` where the graphs
/// take no smaller ones.
pub(super) fn smaller(window: FrameSize, backbone: &BackboneSection, overlap: usize) -> Option<usize> {
    const SIDES: [usize; 4] = [1024, 512, 256, 128];
    let longer = window.width.max(window.height);
    let fits = |side: usize| side < longer && check(side, overlap, backbone).is_ok();
    SIDES.into_iter().find(|&side| fits(side))
}

fn check(side: usize, overlap: usize, backbone: &BackboneSection) -> Result<(), String> {
    let BackboneSection { name, multiple, .. } = backbone;
    if let Some(fixed) = backbone.tile.filter(|fixed| *fixed != side) {
        return Err(format!(
            "the graphs of this model run on tiles of {fixed} pixels and no others; set tile-size to {fixed} or 0"
        ));
    }
    if !TILE_SIDES.contains(&side) {
        return Err(format!(
            "a side must have {} to {} pixels; set tile-size to one of these, or to 0 for the model's own choice",
            TILE_SIDES.start(),
            TILE_SIDES.end()
        ));
    }
    if !side.is_multiple_of(*multiple) {
        return Err(format!(
            "the backbone '{name}' needs a multiple of {multiple} pixels; set tile-size to one"
        ));
    }
    if overlap >= side {
        return Err(format!(
            "the overlap must be smaller than the tile; set tile-overlap to {} or less",
            side - 1
        ));
    }
    Ok(())
}
