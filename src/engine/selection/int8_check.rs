// SPDX-License-Identifier: MPL-2.0

//! Checks that the int8 variant of a bundle computes what the exact one does.
//!
//! The loss that the manifest states was measured on many pictures. A variant that was calibrated wrongly, or exported
//! from other weights, would be trusted all the same. So before it runs, both variants restore one small picture. This
//! tells a wrong variant from a sound one; it does not tell a loss of 0.05 dB from one of 0.15 dB.

use std::sync::{Mutex, PoisonError};

use crate::engine::{
    bundle::Bundle,
    error::Error,
    frame_size::{FrameSize, PIXEL_BYTES},
    precision::Precision,
    provider::Provider,
    session::{Context, Network},
};

/// The PSNR between both results, in dB, below which the variant is refused. A loss of 0.1 dB where restored frames
/// have 26 dB against the ground truth puts 42 dB between the results; 30 dB is a distance four times as large.
const LEAST_PSNR: f64 = 30.0;

/// The side of the picture, where the graphs are not of fixed size.
const SIDE: usize = 64;

/// The bundles, by hash, whose variant has passed in this process.
static PASSED: Mutex<Vec<(String, Precision)>> = Mutex::new(Vec::new());

/// Restores a picture with both variants and compares the results. Both run on the CPU, whatever provider they are for:
/// the file is what is checked.
///
/// # Errors
/// [`Error::Precision`] where the results are too far apart, and the errors of loading and running both variants.
pub(super) fn check(bundle: &Bundle, context: Context<'_>, precision: Precision) -> Result<(), Error> {
    let passed = || PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let this = (bundle.hash().to_owned(), precision);
    if passed().contains(&this) {
        return Ok(());
    }
    let size = bundle.fixed_size().unwrap_or(FrameSize {
        width: SIDE,
        height: SIDE,
    });
    let picture = picture(size);
    let [exact, quantised] = [Precision::Fp32, precision].map(|precision| {
        let context = Context {
            precision,
            cache: None,
            ..context
        };
        let mut network = Network::load(bundle, context, Provider::Cpu, size)?;
        let prior = network.prior(&picture, None, 0)?.to_owned();
        let mut restored = vec![0; picture.len()];
        // On the CPU the frame is restored when this returns.
        network.submit(&picture, prior.view(), &mut restored)?;
        Ok::<_, Error>(restored)
    });
    let psnr = psnr(&exact?, &quantised?);
    if psnr < LEAST_PSNR {
        return Err(Error::Precision {
            precision,
            reason: format!(
                "this variant of the model is not what its manifest promises: a test picture comes out {psnr:.0} dB from \
                 the exact one's, and {LEAST_PSNR:.0} dB is the least; export it again, or set precision to fp32"
            ),
        });
    }
    passed().push(this);
    Ok(())
}

/// Returns a picture of blocks and a ramp, in colours none of which is grey on average.
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

/// Returns the PSNR of the colours, without the fourth bytes.
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
