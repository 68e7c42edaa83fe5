// SPDX-License-Identifier: MPL-2.0

//! Restores a PNG with the engine alone, without GStreamer.
//!
//! ```text
//! cargo run --release --example restore_png -- blurred.png restored.png
//! ```

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufReader, BufWriter},
};

use gstblurdm::engine::{Bundle, Deblurrer, FrameSize, Options, Sampling, Search};

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = env::args().skip(1).collect();
    let [input, output] = paths.as_slice() else {
        return Err("usage: restore_png IN.png OUT.png".into());
    };
    let (size, frame) = read(input)?;
    // Loads the model for frames of this size, on the best provider that runs here.
    let mut deblurrer = Deblurrer::new(&Bundle::builtin()?, &Options::default(), &Search::default(), size)?;
    println!("{} in {}", deblurrer.provider(), deblurrer.precision());
    let mut restored = vec![0; size.bytes()];
    // For video: one call per frame, in order. `deblurrer.reset_history()` before a frame that does not follow the last one.
    deblurrer.restore(&frame, &mut restored, Sampling::default())?;
    write(output, size, &restored)
}

/// Returns the pixels as RGBx: four bytes each, rows without padding.
fn read(path: &str) -> Result<(FrameSize, Vec<u8>), Box<dyn Error>> {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    if reader.output_color_type() != (png::ColorType::Rgba, png::BitDepth::Eight) {
        return Err(format!("{path} is not a colour picture").into());
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut pixels)?;
    let size = FrameSize {
        width: info.width as usize,
        height: info.height as usize,
    };
    Ok((size, pixels))
}

fn write(path: &str, size: FrameSize, pixels: &[u8]) -> Result<(), Box<dyn Error>> {
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, u32::try_from(size.width)?, u32::try_from(size.height)?);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(())
}
