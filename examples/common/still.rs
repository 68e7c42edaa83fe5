// SPDX-License-Identifier: MPL-2.0

//! Writes frames to PNG files.

use std::{error::Error, fs::File, io::BufWriter, path::Path};

use super::reader::Frame;

pub fn save(frame: &Frame, path: &Path) -> Result<(), Box<dyn Error>> {
    write(frame, path).map_err(|error| format!("'{}' cannot be written: {error}", path.display()).into())
}

fn write(frame: &Frame, path: &Path) -> Result<(), Box<dyn Error>> {
    let (width, height) = (u32::try_from(frame.width)?, u32::try_from(frame.height)?);
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let (pixels, _) = frame.pixels.as_chunks::<4>();
    let rgb: Vec<u8> = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(())
}
