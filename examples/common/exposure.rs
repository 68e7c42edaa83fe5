// SPDX-License-Identifier: MPL-2.0

//! Simulates a longer exposure of a frame: the sum of the light of all moments of the exposure while the camera moves.

use std::f64::consts::TAU;

/// The shortest and the longest path of the camera within one exposure, in pixels.
const LENGTHS: (f64, f64) = (4.0, 14.0);

/// A hand-held camera. Its heading and its speed are sums of a few slow oscillations, so that it moves smoothly, on a
/// curve, and is reproducible.
pub struct Camera {
    /// The exposure time in seconds, which is the time from one frame to the next.
    pub exposure: f64,
}

impl Camera {
    /// Returns how many pixels the camera moves while the frame at `time` is exposed.
    pub fn length(&self, time: f64) -> f64 {
        let (short, long) = LENGTHS;
        let swing = 0.7 * (TAU * 0.23 * time).sin() + 0.3 * (TAU * 0.61 * time + 1.0).sin();
        short + (long - short) * (0.5 + 0.5 * swing)
    }

    fn heading(&self, time: f64) -> f64 {
        TAU * 0.37 * time + 1.1 * (TAU * 2.3 * time).sin() + 0.5 * (TAU * 5.1 * time + 0.7).sin()
    }

    /// Returns the positions of the picture at moments of the exposure of the frame at `time`, relative to the middle
    /// of the exposure. The positions are at most a pixel apart, evenly spaced, and include the middle.
    pub fn path(&self, time: f64) -> Vec<(f64, f64)> {
        let length = self.length(time);
        let half = (length / 2.0).ceil() as usize;
        let moments = 2 * half + 1;
        let step = length / moments as f64;
        let walk = |direction: f64| {
            let mut at = (0.0, 0.0);
            (0..half).map(move |i| {
                let moment = direction * (i as f64 + 0.5) / moments as f64 * self.exposure;
                let heading = self.heading(time + moment);
                at = (
                    at.0 + direction * step * heading.cos(),
                    at.1 + direction * step * heading.sin(),
                );
                at
            })
        };
        let mut path: Vec<_> = walk(-1.0).collect();
        path.reverse();
        path.push((0.0, 0.0));
        path.extend(walk(1.0));
        path
    }
}

/// The weight in the mean over the exposure of the pixel that is `dx` and `dy` pixels away.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tap {
    dx: isize,
    dy: isize,
    weight: f32,
}

/// Returns the mean of the moments as weights of whole pixels. A moment between four pixels is their bilinear mean.
fn taps(path: &[(f64, f64)]) -> Vec<Tap> {
    let mut taps: Vec<Tap> = Vec::new();
    for &(x, y) in path {
        let (left, top) = (x.floor(), y.floor());
        let (right_share, bottom_share) = (x - left, y - top);
        for (dx, dy, share) in [
            (0, 0, (1.0 - right_share) * (1.0 - bottom_share)),
            (1, 0, right_share * (1.0 - bottom_share)),
            (0, 1, (1.0 - right_share) * bottom_share),
            (1, 1, right_share * bottom_share),
        ] {
            let weight = (share / path.len() as f64) as f32;
            let (dx, dy) = (left as isize + dx, top as isize + dy);
            match taps.iter_mut().find(|tap| (tap.dx, tap.dy) == (dx, dy)) {
                Some(tap) => tap.weight += weight,
                None if weight > 0.0 => taps.push(Tap { dx, dy, weight }),
                None => {}
            }
        }
    }
    taps
}

/// The number of steps of linear light from black to white, enough for the darkest 8-bit values.
const LIGHT_STEPS: usize = 1 << 14;

/// The sRGB curve and its inverse.
pub struct Curve {
    to_light: Vec<f32>,
    to_code: Vec<u8>,
}

impl Curve {
    pub fn new() -> Self {
        let light = |code: f64| match code {
            c if c <= 0.04045 => c / 12.92,
            c => ((c + 0.055) / 1.055).powf(2.4),
        };
        let code = |light: f64| match light {
            l if l <= 0.003_130_8 => l * 12.92,
            l => 1.055 * l.powf(1.0 / 2.4) - 0.055,
        };
        Self {
            to_light: (0..256).map(|c| light(f64::from(c) / 255.0) as f32).collect(),
            to_code: (0..=LIGHT_STEPS)
                .map(|l| (255.0 * code(l as f64 / LIGHT_STEPS as f64)).round() as u8)
                .collect(),
        }
    }

    fn light(&self, code: u8) -> f32 {
        self.to_light.get(usize::from(code)).copied().unwrap_or_default()
    }

    fn code(&self, light: f32) -> u8 {
        let step = (light * LIGHT_STEPS as f32 + 0.5) as usize;
        self.to_code.get(step).copied().unwrap_or(u8::MAX)
    }
}

/// Returns the mean of an RGBx frame along `path`, in linear light. Beyond the edges the last pixels are repeated.
pub fn expose(curve: &Curve, pixels: &[u8], width: usize, path: &[(f64, f64)]) -> Vec<u8> {
    let taps = taps(path);
    let margin = taps.iter().map(|t| t.dx.unsigned_abs().max(t.dy.unsigned_abs())).max();
    let margin = margin.unwrap_or(0);
    let rows: Vec<&[u8]> = pixels.chunks_exact(4 * width).collect();
    let lit = |row: &&[u8]| -> Vec<f32> {
        let (pixels, _) = row.as_chunks::<4>();
        let edges = pixels.first().into_iter().cycle().take(margin);
        let other_edges = pixels.last().into_iter().cycle().take(margin);
        edges
            .chain(pixels)
            .chain(other_edges)
            .flat_map(|pixel| pixel.map(|code| curve.light(code)))
            .collect()
    };
    let light: Vec<Vec<f32>> = rows.iter().map(lit).collect();
    let bottom = rows.len().saturating_sub(1) as isize;

    let mut exposed = Vec::with_capacity(pixels.len());
    let mut sum = vec![0.0_f32; 4 * width];
    for (y, original) in rows.iter().enumerate() {
        sum.fill(0.0);
        for tap in &taps {
            let source = (y as isize + tap.dy).clamp(0, bottom).unsigned_abs();
            let start = 4 * margin.saturating_add_signed(tap.dx);
            let Some(source) = light.get(source).and_then(|row| row.get(start..)) else {
                continue;
            };
            for (sum, light) in sum.iter_mut().zip(source) {
                *sum += tap.weight * light;
            }
        }
        // The fourth byte has no meaning in RGBx and is copied.
        let codes = sum.iter().zip(*original).enumerate();
        exposed.extend(codes.map(|(i, (light, old))| if i % 4 == 3 { *old } else { curve.code(*light) }));
    }
    exposed
}
