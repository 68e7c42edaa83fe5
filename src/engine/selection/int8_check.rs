// SPDX-License-Identifier: MPL-2.0

//! Whether a quantised backbone computes what the exact one does.
//!
//! What it loses is a figure of the manifest, measured on many pictures. A variant that was calibrated wrongly, or exported from other
//! weights, would still be taken at its word: so before it runs, both restore one small picture. That tells a wrong variant from a
//! sound one, not 0.05 dB from 0.15.

use std::sync::{Mutex, PoisonError};

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::{FrameSize, PIXEL_BYTES},
    precision::Precision,
    provider::Provider,
    session::{Context, Network},
};

/// How near both must be, in dB of PSNR. A loss of 0.1 dB where restored frames have 26 dB against the truth is 42 dB between them; this
/// is four times as far off.
const LEAST_PSNR: f64 = 30.0;

/// The side of the picture, where the graphs have none of their own.
const SIDE: usize = 64;

/// Bundles, by hash, whose variant was found sound in this process.
static SOUND: Mutex<Vec<(String, Precision)>> = Mutex::new(Vec::new());

/// Lets both restore a picture on the CPU, whatever they will run on: it is the file that is in question.
///
/// # Errors
/// [`Error::Precision`] where they are too far apart, and what loading and running both may give.
pub(super) fn check(bundle: &Bundle, context: Context<'_>, precision: Precision) -> Result<(), Error> {
    let sound = || SOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let this = (bundle.hash().to_owned(), precision);
    if sound().contains(&this) {
        return Ok(());
    }
    let side = context.tile.unwrap_or(SIDE);
    let size = FrameSize {
        width: side,
        height: side,
    };
    let picture = picture(size);
    let [exact, cheap] = [Precision::Fp32, precision].map(|precision| {
        let context = Context {
            precision,
            cache: None,
            ..context
        };
        let mut network = Network::load(bundle, context, Provider::Cpu, size)?;
        let prior = network.prior(&picture, None, 0)?.to_owned();
        let mut restored = vec![0; picture.len()];
        // On the CPU nothing is pending after that.
        network.submit(&picture, prior.view(), &mut restored)?;
        Ok::<_, Error>(restored)
    });
    let psnr = psnr(&exact?, &cheap?);
    if psnr < LEAST_PSNR {
        return Err(Error::Precision {
            precision,
            reason: format!(
                "this variant of the model is not what its manifest promises: a test picture comes out {psnr:.0} dB from the exact one's, and {LEAST_PSNR:.0} dB is the least; export it again, or set precision to fp32"
            ),
        });
    }
    sound().push(this);
    Ok(())
}

/// Blocks and a ramp, in colours none of which is grey on average.
fn picture(size: FrameSize) -> Vec<u8> {
    (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let block = ((x / 7 + y / 5) % 3) as u8 * 50;
            let ramp = (x * 80 / size.width) as u8;
            [30 + block, 20 + ramp + block / 2, 220 - ramp - block, 255]
        })
        .collect()
}

/// Of the colours.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let pixels = a
        .as_chunks::<PIXEL_BYTES>()
        .0
        .iter()
        .zip(b.as_chunks::<PIXEL_BYTES>().0);
    let squares = pixels.map(|(a, b)| {
        let colours = a.iter().zip(b).take(PIXEL_BYTES - 1);
        colours.map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>()
    });
    let mean = squares.sum::<u64>() as f64 / (a.len() / PIXEL_BYTES * (PIXEL_BYTES - 1)) as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}
