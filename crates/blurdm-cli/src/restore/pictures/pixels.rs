// SPDX-License-Identifier: MPL-2.0

//! Pictures as frames for the element, and back. The network computes in 8 bits: of deeper pictures the change that it made is added to all bits, so that what
//! it leaves alone stays what it is. Alpha does not pass the element.

use gst_video::VideoFormat;
use image::{DynamicImage, ImageBuffer, Pixel};

/// What the element restores of a picture: 8-bit grey or RGB.
pub struct Frame {
    pub format: VideoFormat,
    pub width: u32,
    pub height: u32,
    /// Rows without padding.
    pub samples: Vec<u8>,
}

/// A sample of a picture.
trait Sample: Copy {
    fn eight_bits(self) -> u8;

    /// Returns the sample after its 8 bits `before` have become `after`.
    fn changed(self, before: u8, after: u8) -> Self;
}

impl Sample for u8 {
    fn eight_bits(self) -> u8 {
        self
    }

    fn changed(self, _: u8, after: u8) -> Self {
        after
    }
}

impl Sample for u16 {
    fn eight_bits(self) -> u8 {
        // 65535 / 257 is 255, so this is at most 255.
        ((u32::from(self) + 128) / 257) as u8
    }

    fn changed(self, before: u8, after: u8) -> Self {
        let change = (i32::from(after) - i32::from(before)) * 257;
        (i32::from(self) + change).clamp(0, i32::from(u16::MAX)) as u16
    }
}

/// Evaluates an expression for the pixels of a picture, whatever their type. `None` for floating-point numbers.
macro_rules! for_pixels {
    ($picture:expr, $pixels:ident, $result:expr) => {
        match $picture {
            DynamicImage::ImageLuma8($pixels) => Some($result),
            DynamicImage::ImageLumaA8($pixels) => Some($result),
            DynamicImage::ImageRgb8($pixels) => Some($result),
            DynamicImage::ImageRgba8($pixels) => Some($result),
            DynamicImage::ImageLuma16($pixels) => Some($result),
            DynamicImage::ImageLumaA16($pixels) => Some($result),
            DynamicImage::ImageRgb16($pixels) => Some($result),
            DynamicImage::ImageRgba16($pixels) => Some($result),
            _ => None,
        }
    };
}

pub fn is_supported(picture: &DynamicImage) -> bool {
    for_pixels!(picture, _pixels, ()).is_some()
}

/// Returns what the element restores of a picture. `None` for floating-point numbers.
pub fn frame(picture: &DynamicImage) -> Option<Frame> {
    let samples = for_pixels!(picture, pixels, colours_of(pixels))?;
    Some(Frame {
        format: if picture.color().has_color() {
            VideoFormat::Rgb
        } else {
            VideoFormat::Gray8
        },
        width: picture.width(),
        height: picture.height(),
        samples,
    })
}

/// Returns a picture of which `before` has become `after`, with its alpha. `beside`: on the right of the picture as it was.
pub fn restored(picture: &DynamicImage, before: &[u8], after: &[u8], beside: bool) -> Option<DynamicImage> {
    for_pixels!(picture, pixels, restored_pixels(pixels, before, after, beside).into())
}

/// How many of the samples of a pixel are colour.
fn colours(channels: u8) -> usize {
    if channels < 3 { 1 } else { 3 }
}

fn colours_of<P: Pixel<Subpixel: Sample>>(pixels: &ImageBuffer<P, Vec<P::Subpixel>>) -> Vec<u8> {
    let colours = colours(P::CHANNEL_COUNT);
    let samples = pixels.as_raw().chunks_exact(P::CHANNEL_COUNT.into());
    samples
        .flat_map(|pixel| &pixel[..colours])
        .map(|sample| sample.eight_bits())
        .collect()
}

fn restored_pixels<P: Pixel<Subpixel: Sample>>(
    pixels: &ImageBuffer<P, Vec<P::Subpixel>>,
    before: &[u8],
    after: &[u8],
    beside: bool,
) -> ImageBuffer<P, Vec<P::Subpixel>> {
    let colours = colours(P::CHANNEL_COUNT);
    let mut restored = pixels.clone();
    let changed = before.chunks_exact(colours).zip(after.chunks_exact(colours));
    let channels = usize::from(P::CHANNEL_COUNT);
    for (pixel, (before, after)) in restored.as_mut().chunks_exact_mut(channels).zip(changed) {
        for (sample, (&before, &after)) in pixel.iter_mut().zip(before.iter().zip(after)) {
            *sample = sample.changed(before, after);
        }
    }
    if !beside {
        return restored;
    }
    let mut wide = ImageBuffer::new(2 * pixels.width(), pixels.height());
    image::imageops::replace(&mut wide, pixels, 0, 0);
    image::imageops::replace(&mut wide, &restored, i64::from(pixels.width()), 0);
    wide
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use image::{ImageBuffer, LumaA, Rgb};

    use super::*;

    #[test]
    fn sixteen_bits_are_what_they_were_where_nothing_changes() {
        let picture: DynamicImage = ImageBuffer::from_fn(256, 256, |x, y| Rgb([(y * 256 + x) as u16, 0, 65535])).into();
        let frame = frame(&picture).unwrap();
        assert_eq!((frame.format, frame.samples.len()), (VideoFormat::Rgb, 3 << 16));
        let same = restored(&picture, &frame.samples, &frame.samples, false).unwrap();
        assert!(same == picture);
    }

    #[test]
    fn a_change_is_added_to_all_bits_and_alpha_is_kept() {
        let picture: DynamicImage = ImageBuffer::from_pixel(1, 1, LumaA([1000_u16, 7])).into();
        assert_eq!(frame(&picture).unwrap().samples, [4]);
        let pixel = |after| {
            restored(&picture, &[4], &[after], false)
                .unwrap()
                .as_luma_alpha16()
                .unwrap()[(0, 0)]
        };
        assert_eq!(pixel(6), LumaA([1000 + 2 * 257, 7]));
        assert_eq!(pixel(0), LumaA([0, 7]));
        let wide = restored(&picture, &[4], &[5], true).unwrap();
        assert_eq!(wide.as_luma_alpha16().unwrap().as_raw(), &[1000, 7, 1257, 7]);
    }
}
