// SPDX-License-Identifier: MPL-2.0

//! How far frames are apart.

/// Returns the PSNR of the colours of two RGBx frames, in dB. Infinite for equal ones.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pixels = a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0);
    let squares: f64 = pixels
        .flat_map(|(a, b)| a.iter().zip(b).take(3))
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    10.0 * (255.0 * 255.0 * (a.len() / 4 * 3) as f64 / squares).log10()
}
