// SPDX-License-Identifier: MPL-2.0

//! The window: what the graphs are given at once, a whole frame or a tile of it.

use super::{
    bundle::BackboneSection,
    error::Error,
    frame_size::{FrameSize, TILE_SIDES},
    options::Options,
};

/// What the graphs see at once of a frame of `frame` pixels: all of it, or a tile. The tiles of a graph of fixed size are
/// square, others are no larger than the frame.
///
/// # Errors
/// [`Error::Tile`] for a side that is out of range, not a multiple of the backbone's or not the one of its graph, and for an
/// overlap that is not smaller than the side.
pub(super) fn window(frame: FrameSize, backbone: &BackboneSection, options: &Options) -> Result<FrameSize, Error> {
    let side = match (options.tile_size, backbone.tile) {
        (0, None) => return Ok(frame),
        (0, Some(fixed)) => fixed,
        (side, _) => side,
    };
    check(side, options.tile_overlap, backbone).map_err(|reason| Error::Tile {
        side,
        overlap: options.tile_overlap,
        reason,
    })?;
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

/// The next smaller side of tiles than `window`, where its graphs take tiles of any size and that memory does not suffice for.
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
