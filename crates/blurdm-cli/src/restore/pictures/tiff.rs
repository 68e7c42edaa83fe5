// SPDX-License-Identifier: MPL-2.0

//! Writing TIFF files with the tags and the compression of another one.

use std::io::Cursor;

use image::DynamicImage;
use tiff::{
    TiffResult,
    decoder::Decoder,
    encoder::{
        Compression, TiffEncoder, TiffValue,
        colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16},
    },
    tags::{ByteOrder, CompressionMethod, ExtraSamples, Predictor, Tag, Type, ValueBuffer},
};

/// Tags that describe the picture, by their numbers: names, texts, resolution, orientation, XMP, IPTC, the colour profile and the place on a map.
const KEPT: [u16; 25] = [
    269, 270, 271, 272, 274, 282, 283, 285, 296, 297, 305, 306, 315, 316, 318, 319, 700, 33432, 33550, 33723, 33922,
    34264, 34675, 34735, 34736,
];
const MORE_KEPT: [u16; 3] = [34737, 42112, 42113];

/// Tags of how the samples are stored.
const OF_PIXELS: [u16; 24] = [
    254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347,
    530,
];

/// Returns what of a file is not kept.
pub fn lost(file: &[u8]) -> Vec<String> {
    let Ok(mut decoder) = Decoder::new(Cursor::new(file)) else {
        return vec!["its tags cannot be read and are not kept".into()];
    };
    let mut lost = Vec::new();
    if decoder.more_images() {
        lost.push("its further pages are not kept".into());
    }
    for (tag, _) in decoder.image_ifd().directory().iter() {
        match tag.to_u16() {
            0x8769 => lost.push("its EXIF data is not kept".into()),
            0x8825 => lost.push("its GPS data is not kept".into()),
            330 => lost.push("its smaller copies are not kept".into()),
            number if is_kept(number) || OF_PIXELS.contains(&number) => {}
            number => lost.push(format!("its tag {number} is not kept")),
        }
    }
    lost
}

fn is_kept(tag: u16) -> bool {
    KEPT.contains(&tag) || MORE_KEPT.contains(&tag)
}

/// Encodes a picture, with what `file` says about itself.
///
/// # Errors
/// Why it cannot be written.
pub fn encode(pixels: &DynamicImage, file: &[u8]) -> Result<Vec<u8>, String> {
    let style = Style::of(file).map_err(|error| error.to_string())?;
    let written = match pixels {
        DynamicImage::ImageLuma8(image) => style.write::<Gray8>(image.width(), image.height(), image),
        DynamicImage::ImageLuma16(image) => style.write::<Gray16>(image.width(), image.height(), image),
        DynamicImage::ImageRgb8(image) => style.write::<RGB8>(image.width(), image.height(), image),
        DynamicImage::ImageRgb16(image) => style.write::<RGB16>(image.width(), image.height(), image),
        DynamicImage::ImageRgba8(image) => style.write::<RGBA8>(image.width(), image.height(), image),
        DynamicImage::ImageRgba16(image) => style.write::<RGBA16>(image.width(), image.height(), image),
        _ => return Err("grey with transparency is not written as TIFF; convert it to RGB with transparency".into()),
    };
    written.map_err(|error| error.to_string())
}

/// How a file is written.
struct Style {
    compression: Compression,
    predictor: Predictor,
    alpha: ExtraSamples,
    tags: Vec<(Tag, ValueBuffer)>,
}

impl Style {
    fn of(file: &[u8]) -> TiffResult<Self> {
        let mut decoder = Decoder::new(Cursor::new(file))?;
        let number = |decoder: &mut Decoder<_>, tag| decoder.find_tag_unsigned::<u16>(tag).ok().flatten();
        let compression = number(&mut decoder, Tag::Compression).map(CompressionMethod::from_u16_exhaustive);
        let compression = match compression {
            None | Some(CompressionMethod::None) => Compression::Uncompressed,
            Some(CompressionMethod::Deflate | CompressionMethod::OldDeflate) => {
                Compression::Deflate(Default::default())
            }
            Some(CompressionMethod::PackBits) => Compression::Packbits,
            // What every program reads.
            Some(_) => Compression::Lzw,
        };
        let is_predicted = matches!(compression, Compression::Lzw | Compression::Deflate(_))
            && number(&mut decoder, Tag::Predictor) == Some(Predictor::Horizontal.to_u16());
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
        let is_associated = extra.is_some_and(|extra| extra.first() == Some(&ExtraSamples::AssociatedAlpha.to_u16()));
        let mut tags = Vec::new();
        let mut ifd = decoder.image_ifd();
        let present: Vec<Tag> = ifd.directory().iter().map(|(tag, _)| tag).collect();
        for tag in present.into_iter().filter(|tag| is_kept(tag.to_u16())) {
            let mut value = ValueBuffer::empty(Type::BYTE);
            ifd.find_tag_buf(tag, &mut value)?;
            value.set_byte_order(ByteOrder::native());
            tags.push((tag, value));
        }
        Ok(Self {
            compression,
            predictor: if is_predicted {
                Predictor::Horizontal
            } else {
                Predictor::None
            },
            alpha: if is_associated {
                ExtraSamples::AssociatedAlpha
            } else {
                ExtraSamples::UnassociatedAlpha
            },
            tags,
        })
    }

    fn write<C: ColorType>(&self, width: u32, height: u32, samples: &[C::Inner]) -> TiffResult<Vec<u8>>
    where
        [C::Inner]: TiffValue,
    {
        let mut encoded = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut encoded)?
            .with_compression(self.compression)
            .with_predictor(self.predictor);
        let mut image = encoder.new_image::<C>(width, height)?;
        if C::BITS_PER_SAMPLE.len() == 4 {
            let directory = image.encoder();
            directory.write_tag(Tag::ExtraSamples, self.alpha.to_u16())?;
        }
        for (tag, value) in &self.tags {
            image.encoder().write_tag_buf(*tag, value)?;
        }
        image.write_data(samples)?;
        Ok(encoded.into_inner())
    }
}
