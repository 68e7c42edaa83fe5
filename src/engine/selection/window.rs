// SPDX-License-Identifier: MPL-2.0

//! The window, which is what the graphs see at once: a whole frame or a tile of it. Frames with a side that is too short
//! to be padded by its reflection are in a larger tile.

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::{FrameSize, TILE_SIDES},
};

/// Returns the window for frames of size `frame`. A `tile_size` of 0 means the size to which the graphs are fixed, or
/// whole frames. Tiles of graphs of any size are square, and not larger than the frame.
///
/// # Errors
/// [`Error::Tile`] for a side that is out of range, not a multiple of the backbone's or not the one of its graph, and
/// for an overlap that is not smaller than the side.
pub(super) fn window(frame: FrameSize, bundle: &Bundle, tile_size: usize, overlap: usize) -> Result<FrameSize, Error> {
    let fixed = bundle.fixed_size();
    let side = match (tile_size, fixed) {
        (0, None) => return Ok(reflectable(frame, bundle)),
        (0, Some(fixed)) => fixed.width.min(fixed.height),
        (side, _) => side,
    };
    check(side, overlap, bundle).map_err(|reason| Error::Tile { side, overlap, reason })?;
    let tile = FrameSize {
        width: side.min(frame.width),
        height: side.min(frame.height),
    };
    Ok(fixed.unwrap_or_else(|| reflectable(tile, bundle)))
}

/// Returns `window`, whose sides are not shorter than what they are padded to a multiple of.
fn reflectable(window: FrameSize, bundle: &Bundle) -> FrameSize {
    FrameSize {
        width: window.width.max(bundle.multiple()),
        height: window.height.max(bundle.multiple()),
    }
}

/// Returns the side of the next smaller tiles to try where `window` does not fit in memory, or `None` where the graphs
/// take no smaller ones.
pub(super) fn smaller(window: FrameSize, bundle: &Bundle, overlap: usize) -> Option<usize> {
    const SIDES: [usize; 4] = [1024, 512, 256, 128];
    let longer = window.width.max(window.height);
    let fits = |side: usize| side < longer && check(side, overlap, bundle).is_ok();
    SIDES.into_iter().find(|&side| fits(side))
}

fn check(side: usize, overlap: usize, bundle: &Bundle) -> Result<(), String> {
    let (name, multiple) = (&bundle.manifest().backbone.name, bundle.multiple());
    let fits = |fixed: &FrameSize| side == fixed.width.min(fixed.height);
    if let Some(FrameSize { width, height }) = bundle.fixed_size().filter(|fixed| !fits(fixed)) {
        let size = if width == height {
            width.to_string()
        } else {
            format!("{width}x{height}")
        };
        return Err(format!(
            "the graphs of this model run on tiles of {size} pixels and no others; set tile-size to {} or 0",
            width.min(height)
        ));
    }
    if !TILE_SIDES.contains(&side) {
        return Err(format!(
            "a side must have {} to {} pixels; set tile-size to one of these, or to 0 for the model's own choice",
            TILE_SIDES.start(),
            TILE_SIDES.end()
        ));
    }
    if !side.is_multiple_of(multiple) {
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
