// SPDX-License-Identifier: MPL-2.0

//! Quality measures. They compare red, green and blue of 8-bit RGBx frames with the ground truth.

/// Returns the peak signal-to-noise ratio over all pixels, in dB.
pub fn psnr(truth: &[u8], frame: &[u8]) -> f64 {
    let (truth, frame) = (truth.as_chunks::<4>().0, frame.as_chunks::<4>().0);
    let error = |(t, f): (&[u8; 4], &[u8; 4])| -> u64 {
        let colours = t.iter().zip(f).take(3);
        colours.map(|(t, f)| u64::from(t.abs_diff(*f)).pow(2)).sum()
    };
    let sum: u64 = truth.iter().zip(frame).map(error).sum();
    let mean = sum as f64 / (3 * truth.len()) as f64;
    10.0 * (255.0 * 255.0 / mean).log10()
}

/// Returns the detail of a frame: the mean difference of its green between neighbouring pixels of a row, in grey
/// levels.
pub fn detail(pixels: &[u8], width: usize) -> f64 {
    let steps = pixels.chunks_exact(4 * width).flat_map(|row| {
        let green = row.iter().skip(1).step_by(4);
        green.clone().zip(green.skip(1)).map(|(a, b)| u64::from(a.abs_diff(*b)))
    });
    let (sum, count) = steps.fold((0, 0_u64), |(sum, count), step| (sum + step, count + 1));
    sum as f64 / count.max(1) as f64
}

const SIDE: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f32 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f32 = (0.03 * 255.0) * (0.03 * 255.0);

/// Returns the structural similarity of Wang et al. 2004, with Gaussian windows inside the frame, as the mean of the
/// three colours.
pub fn ssim(truth: &[u8], frame: &[u8], width: usize) -> f64 {
    let colour = |pixels: &[u8], c: usize| -> Vec<f32> {
        pixels.iter().skip(c).step_by(4).map(|&code| f32::from(code)).collect()
    };
    let similarity = |c| ssim_of_plane(&colour(truth, c), &colour(frame, c), width);
    (0..3).map(similarity).sum::<f64>() / 3.0
}

fn ssim_of_plane(truth: &[f32], frame: &[f32], width: usize) -> f64 {
    let window = window();
    let product = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    let means = [
        truth.to_vec(),
        frame.to_vec(),
        product(truth, truth),
        product(frame, frame),
        product(truth, frame),
    ]
    .map(|plane| weighted(&plane, width, &window));
    let [mean_t, mean_f, mean_tt, mean_ff, mean_tf] = &means;
    let (mut sum, mut count) = (0.0, 0_usize);
    for ((((t, f), tt), ff), tf) in mean_t.iter().zip(mean_f).zip(mean_tt).zip(mean_ff).zip(mean_tf) {
        let (variance_t, variance_f, covariance) = (tt - t * t, ff - f * f, tf - t * f);
        let likeness = (2.0 * t * f + C1) * (2.0 * covariance + C2);
        sum += f64::from(likeness / ((t * t + f * f + C1) * (variance_t + variance_f + C2)));
        count += 1;
    }
    sum / count as f64
}

fn window() -> [f32; SIDE] {
    let middle = (SIDE / 2) as f64;
    let mut window = [0.0; SIDE];
    for (i, weight) in window.iter_mut().enumerate() {
        *weight = (-(i as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp() as f32;
    }
    let sum: f32 = window.iter().sum();
    window.map(|weight| weight / sum)
}

/// Returns the weighted mean of every window inside the plane.
fn weighted(plane: &[f32], width: usize, window: &[f32; SIDE]) -> Vec<f32> {
    let across = |row: &[f32]| -> Vec<f32> {
        let mut sums = vec![0.0; (row.len() + 1).saturating_sub(SIDE)];
        for (weight, shifted) in window.iter().zip((0..).map(|i| row.get(i..).unwrap_or_default())) {
            for (sum, value) in sums.iter_mut().zip(shifted) {
                *sum += weight * value;
            }
        }
        sums
    };
    let rows: Vec<Vec<f32>> = plane.chunks_exact(width).map(across).collect();
    let down = |rows: &[Vec<f32>]| -> Vec<f32> {
        let mut sums = vec![0.0; rows.first().map_or(0, Vec::len)];
        for (weight, row) in window.iter().zip(rows) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        sums
    };
    rows.windows(SIDE).flat_map(down).collect()
}
