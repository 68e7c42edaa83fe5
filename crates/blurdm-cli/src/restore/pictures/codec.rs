// SPDX-License-Identifier: MPL-2.0

//! Reading and writing pictures. A picture is written as the kind of file that it was read from, whatever its name.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits,
    codecs::{
        bmp::BmpEncoder,
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
        pnm::{PnmDecoder, PnmEncoder, PnmSubtype, SampleEncoding},
        webp::{WebPDecoder, WebPEncoder},
    },
    metadata::Orientation,
};

use super::{jpeg, pixels, png, tiff};

/// The least and the greatest side that the element takes, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 16..=16384;

/// The most memory for one picture: 16384x16384 pixels of four samples of 16 bits.
const MAX_BYTES: u64 = 16384 * 16384 * 8;

/// On the scale of libjpeg, with chroma at full resolution.
const JPEG_QUALITY: u8 = 95;

/// A decoded picture.
pub struct Picture {
    /// As they are stored: not turned upright.
    pub pixels: DynamicImage,
    pub format: ImageFormat,
    /// How viewers turn it.
    pub orientation: Orientation,
    /// What of the file is not kept.
    pub lost: Vec<String>,
    /// What the decoder has concealed.
    pub damage: Option<String>,
}

/// Decodes the content of a file.
///
/// # Errors
/// Why it cannot be decoded or restored.
pub fn decode(file: &[u8]) -> Result<Picture, String> {
    let mut reader = ImageReader::new(Cursor::new(file));
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|error| error.to_string())?;
    let format = reader.format().filter(|format| {
        use ImageFormat::{Bmp, Jpeg, Png, Pnm, Tiff, WebP};
        matches!(format, Bmp | Jpeg | Png | Pnm | Tiff | WebP)
    });
    let format = format.ok_or("it is no PNG, JPEG, TIFF, WebP, BMP or PNM file; convert it to TIFF or PNG")?;
    if is_animation(format, file) {
        return Err("it is an animation, and no picture".into());
    }
    let mut decoder = reader.into_decoder().map_err(|error| explained(&error))?;
    let (width, height) = decoder.dimensions();
    if !SIDES.contains(&width) || !SIDES.contains(&height) {
        let (least, most) = (SIDES.start(), SIDES.end());
        return Err(format!(
            "it has {width}x{height} pixels, and pictures from {least}x{least} to {most}x{most} can be restored"
        ));
    }
    let stored = decoder.original_color_type();
    let orientation = match format {
        ImageFormat::Jpeg => jpeg::orientation(file),
        _ => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let pixels = DynamicImage::from_decoder(decoder).map_err(|error| explained(&error))?;
    if !pixels::is_supported(&pixels) {
        return Err("its samples are floating-point numbers; convert it to 16 bits".into());
    }
    let mut lost = lost_in_samples(stored, &pixels);
    lost.extend(match format {
        ImageFormat::Png => png::lost(file),
        ImageFormat::Jpeg => jpeg::lost(file),
        ImageFormat::Tiff => tiff::lost(file),
        ImageFormat::WebP => lost_in_webp(file),
        ImageFormat::Pnm => lost_in_pnm(file, &pixels),
        ImageFormat::Bmp => lost_in_bmp(file),
        _ => Vec::new(),
    });
    Ok(Picture {
        pixels,
        format,
        orientation,
        lost,
        damage: (format == ImageFormat::Jpeg).then(|| jpeg::damage(file)).flatten(),
    })
}

fn is_animation(format: ImageFormat, file: &[u8]) -> bool {
    match format {
        ImageFormat::Png => png::is_animation(file),
        ImageFormat::WebP => WebPDecoder::new(Cursor::new(file)).is_ok_and(|decoder| decoder.has_animation()),
        _ => false,
    }
}

fn explained(error: &image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it is cut off".into()
        }
        error => error.to_string(),
    }
}

fn lost_in_samples(stored: ExtendedColorType, pixels: &DynamicImage) -> Vec<String> {
    let now = ExtendedColorType::from(pixels.color());
    let sentence = match stored {
        ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16 => "CMYK becomes RGB".into(),
        stored if stored == now => return Vec::new(),
        stored => format!("{stored:?} becomes {now:?}"),
    };
    vec![sentence]
}

/// Encodes what `original`, decoded from `file`, has become.
///
/// # Errors
/// Why its kind of file cannot hold it.
pub fn encode(pixels: &DynamicImage, original: &Picture, file: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoded = Vec::new();
    let (samples, color) = (pixels.as_bytes(), pixels.color());
    let (width, height) = (pixels.width(), pixels.height());
    let written = match original.format {
        ImageFormat::Png => {
            let (compression, filter) = (CompressionType::Fast, FilterType::Adaptive);
            pixels.write_with_encoder(PngEncoder::new_with_quality(&mut encoded, compression, filter))
        }
        ImageFormat::Jpeg => pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut encoded, JPEG_QUALITY)),
        ImageFormat::Tiff => return tiff::encode(pixels, file),
        ImageFormat::WebP => pixels.write_with_encoder(webp_encoder(&mut encoded, file)),
        ImageFormat::Bmp => BmpEncoder::new(&mut encoded).encode(samples, width, height, color.into()),
        ImageFormat::Pnm if color.has_alpha() => {
            pixels.write_with_encoder(PnmEncoder::new(&mut encoded).with_subtype(PnmSubtype::ArbitraryMap))
        }
        ImageFormat::Pnm => return Ok(pnm(pixels)),
        other => return Err(format!("{other:?} is not written")),
    };
    written.map_err(|error| error.to_string())?;
    match original.format {
        ImageFormat::Png => png::with_metadata(encoded, file),
        ImageFormat::Jpeg => jpeg::with_metadata(encoded, file),
        _ => Ok(encoded),
    }
}

/// Encodes a picture without alpha as binary PGM or PPM, of which `image` writes only those of 8 bits.
fn pnm(pixels: &DynamicImage) -> Vec<u8> {
    let kind = if pixels.color().has_color() { "P6" } else { "P5" };
    let greatest = greatest_sample(pixels);
    let mut file = format!("{kind}\n{} {}\n{greatest}\n", pixels.width(), pixels.height()).into_bytes();
    let samples = pixels.as_bytes();
    match greatest > u8::MAX.into() {
        // The file has the greater byte first.
        true => file.extend(
            samples
                .chunks_exact(2)
                .flat_map(|sample| u16::from_ne_bytes([sample[0], sample[1]]).to_be_bytes()),
        ),
        false => file.extend(samples),
    }
    file
}

fn greatest_sample(pixels: &DynamicImage) -> u16 {
    match pixels.color().bytes_per_pixel() / pixels.color().channel_count() {
        1 => u8::MAX.into(),
        _ => u16::MAX,
    }
}

/// Compares a written file with what it should hold.
///
/// # Errors
/// What is different.
pub fn prove(file: &[u8], expected: &DynamicImage, original: &Picture) -> Result<(), String> {
    let written = decode(file)?;
    let is_lossless = original.format != ImageFormat::Jpeg;
    let (width, height) = (written.pixels.width(), written.pixels.height());
    match () {
        () if written.format != original.format => Err(format!("it is {:?}", written.format)),
        () if (width, height) != (expected.width(), expected.height()) => {
            Err(format!("it has {width}x{height} pixels"))
        }
        () if written.pixels.color() != expected.color() => Err(format!("it is {:?}", written.pixels.color())),
        () if is_lossless && written.pixels.as_bytes() != expected.as_bytes() => Err("its pixels are others".into()),
        () if written.orientation != original.orientation => Err("it is turned another way".into()),
        () => written.damage.map_or(Ok(()), Err),
    }
}

/// Returns an encoder of WebP without loss, with the colour profile and EXIF data of a file.
fn webp_encoder<'a>(to: &'a mut Vec<u8>, file: &[u8]) -> WebPEncoder<&'a mut Vec<u8>> {
    let mut encoder = WebPEncoder::new_lossless(to);
    if let Ok(mut decoder) = WebPDecoder::new(Cursor::new(file)) {
        // Both are kept by this encoder; it refuses neither.
        if let Ok(Some(profile)) = decoder.icc_profile() {
            encoder.set_icc_profile(profile).ok();
        }
        if let Ok(Some(exif)) = decoder.exif_metadata() {
            encoder.set_exif_metadata(exif).ok();
        }
    }
    encoder
}

fn lost_in_webp(file: &[u8]) -> Vec<String> {
    let has_xmp = WebPDecoder::new(Cursor::new(file))
        .is_ok_and(|mut decoder| decoder.xmp_metadata().is_ok_and(|xmp| xmp.is_some()));
    // The first chunk of a lossy file without anything else is "VP8 ", and any other lossy one has it later.
    let is_lossy = file.windows(4).take(1 << 16).any(|id| id == b"VP8 ");
    let mut lost = Vec::new();
    if is_lossy {
        lost.push("WebP with loss becomes WebP without loss, which is larger".into());
    }
    if has_xmp {
        lost.push("its XMP data is not kept".into());
    }
    lost
}

fn lost_in_bmp(file: &[u8]) -> Vec<String> {
    // The number of bits of a pixel. Up to 8 they are an index.
    let has_palette = file.get(28).is_some_and(|&bits| bits <= 8);
    let sentence = || "its palette becomes RGB".into();
    has_palette.then(sentence).into_iter().collect()
}

fn lost_in_pnm(file: &[u8], pixels: &DynamicImage) -> Vec<String> {
    let Ok(decoder) = PnmDecoder::new(Cursor::new(file)) else {
        return Vec::new();
    };
    let (stored, written) = (decoder.header().maximal_sample(), greatest_sample(pixels));
    let mut lost = Vec::new();
    // One of a single bit is told by its kind of samples.
    if stored != 1 && stored != u32::from(written) {
        lost.push(format!("its samples up to {stored} become samples up to {written}"));
    }
    if decoder.subtype().sample_encoding() == SampleEncoding::Ascii {
        lost.push("its samples, written as text, become binary".into());
    }
    lost
}
