// SPDX-License-Identifier: MPL-2.0

//! Packed RGB frames: to RGBx for the graphs, and the restored frame back.

use super::{
    finish::Finish,
    layout::{View, ViewMut},
};

/// Copies a frame into RGBx without row padding. A layout without a fourth byte gets 255 there. `rgbx` has width x
/// height x 4 bytes.
pub fn to_rgbx(frame: View<'_>, rgbx: &mut [u8]) {
    let layout = frame.layout();
    let [r, g, b] = layout.rgb();
    for (source, target) in frame.rows().zip(rgbx.chunks_exact_mut(frame.width() * 4)) {
        for (from, to) in source.chunks_exact(layout.bytes()).zip(target.chunks_exact_mut(4)) {
            let fourth = layout.fourth().map_or(255, |x| from[x]);
            to.copy_from_slice(&[from[r], from[g], from[b], fourth]);
        }
    }
}

/// Writes the restored RGBx frame into `out`, which has the layout and size of `original`. It is blended with the
/// original by the strength; left of the split is the original itself. The fourth byte is the original's.
pub fn write_restored(original: View<'_>, restored: &[u8], finish: Finish, out: &mut ViewMut<'_>) {
    let width = original.width();
    let (line, right) = finish.split.map_or((0, 0), |split| split.columns(width));
    let bytes = original.layout().bytes();
    let rows = original
        .rows()
        .zip(restored.chunks_exact(width * 4))
        .zip(out.rows_mut());
    for ((source, restored), target) in rows {
        target[..line * bytes].copy_from_slice(&source[..line * bytes]);
        paint_line(
            &source[line * bytes..right * bytes],
            &mut target[line * bytes..right * bytes],
            original,
        );
        blend_row(
            &source[right * bytes..],
            &restored[right * 4..],
            finish.strength,
            original,
            &mut target[right * bytes..],
        );
    }
}

fn paint_line(source: &[u8], target: &mut [u8], original: View<'_>) {
    target.copy_from_slice(source);
    for pixel in target.chunks_exact_mut(original.layout().bytes()) {
        for channel in original.layout().rgb() {
            pixel[channel] = 255;
        }
    }
}

/// Blends a row. The strength is in units of 1/256, so that integer arithmetic is exact: 256 is the restored value
/// itself.
fn blend_row(source: &[u8], restored: &[u8], strength: f64, original: View<'_>, target: &mut [u8]) {
    let layout = original.layout();
    let weight = (strength.clamp(0.0, 1.0) * 256.0).round() as i32;
    let pixels = source
        .chunks_exact(layout.bytes())
        .zip(restored.chunks_exact(4))
        .zip(target.chunks_exact_mut(layout.bytes()));
    for ((from, new), to) in pixels {
        for (channel, &at) in layout.rgb().iter().enumerate() {
            let (old, new) = (i32::from(from[at]), i32::from(new[channel]));
            to[at] = (old + (((new - old) * weight + 128) >> 8)) as u8;
        }
        if let Some(fourth) = layout.fourth() {
            to[fourth] = from[fourth];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Layout;

    const PLAIN: Finish = Finish {
        strength: 1.0,
        split: None,
    };

    fn there_and_back(layout: Layout, finish: Finish) -> (Vec<u8>, Vec<u8>) {
        let (width, height, stride) = (5, 3, 5 * layout.bytes() + 7);
        let data: Vec<u8> = (0..stride * height).map(|i| (i * 37 % 251) as u8).collect();
        let view = View::new(&data, layout, width, height, stride).unwrap_or_else(|e| panic!("{e}"));
        let mut rgbx = vec![0; width * height * 4];
        to_rgbx(view, &mut rgbx);
        let mut out = vec![9; data.len()];
        let mut target = ViewMut::new(&mut out, layout, width, height, stride).unwrap_or_else(|e| panic!("{e}"));
        write_restored(view, &rgbx, finish, &mut target);
        (data, out)
    }

    #[test]
    fn every_layout_is_unchanged_by_conversion_to_rgbx_and_back_and_padding_is_not_written() {
        for layout in [Layout::RGBX, Layout::BGRX, Layout::XRGB, Layout::RGB, Layout::BGR] {
            let (data, out) = there_and_back(layout, PLAIN);
            let row = 5 * layout.bytes();
            for (before, after) in data.chunks(row + 7).zip(out.chunks(row + 7)) {
                assert_eq!(before[..row], after[..row], "{layout:?}");
                assert!(after[row..].iter().all(|&v| v == 9), "{layout:?} padding");
            }
        }
    }

    #[test]
    fn strength_blends_between_original_and_restored() {
        let original = [10, 200, 100, 7];
        let view = View::new(&original, Layout::RGBX, 1, 1, 4).unwrap_or_else(|e| panic!("{e}"));
        for (strength, expected) in [
            (0.0, [10, 200, 100, 7]),
            (0.5, [60, 150, 100, 7]),
            (1.0, [110, 100, 100, 7]),
        ] {
            let mut out = [0; 4];
            let mut target = ViewMut::new(&mut out, Layout::RGBX, 1, 1, 4).unwrap_or_else(|e| panic!("{e}"));
            let finish = Finish { strength, split: None };
            write_restored(view, &[110, 100, 100, 0], finish, &mut target);
            assert_eq!(out, expected, "strength {strength}");
        }
    }

    #[test]
    fn a_view_refuses_rows_and_data_that_are_too_short() {
        assert!(View::new(&[0; 12], Layout::RGBX, 2, 2, 4).is_err());
        assert!(View::new(&[0; 12], Layout::RGBX, 2, 2, 8).is_err());
        assert!(View::new(&[0; 16], Layout::RGBX, 2, 2, 8).is_ok());
        assert!(View::new(&[], Layout::RGBX, 0, 0, 0).is_err());
    }
}
