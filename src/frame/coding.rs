// SPDX-License-Identifier: MPL-2.0

//! The colour coding of YCbCr frames.

/// The shares of the primaries in luma, and the range of the values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coding {
    /// The shares of red and blue in luma: 0.299 and 0.114 in BT.601, 0.2126 and 0.0722 in BT.709.
    pub kr: f64,
    pub kb: f64,
    /// Whether luma ranges from 0 to the largest value, instead of from 16 to 235 (times 4 in 10 bits).
    pub full_range: bool,
}

impl Coding {
    pub const BT601: Self = Self {
        kr: 0.299,
        kb: 0.114,
        full_range: false,
    };
    pub const BT709: Self = Self {
        kr: 0.2126,
        kb: 0.0722,
        full_range: false,
    };

    fn kg(self) -> f64 {
        1.0 - self.kr - self.kb
    }

    pub(super) fn scale(self, bits: u32) -> Scale {
        let step = f64::from(1u32 << (bits - 8));
        let top = f64::from((1u32 << bits) - 1);
        if self.full_range {
            Scale {
                black: 0.0,
                luma: top,
                chroma: top,
                neutral: 128.0 * step,
            }
        } else {
            Scale {
                black: 16.0 * step,
                luma: 219.0 * step,
                chroma: 224.0 * step,
                neutral: 128.0 * step,
            }
        }
    }
}

/// Code values: of black, the distance between black and white, the distance between the extremes of a colour
/// difference, and the colour difference of grey.
pub(super) struct Scale {
    pub black: f64,
    pub luma: f64,
    pub chroma: f64,
    pub neutral: f64,
}

/// The number of fractional bits of the coefficients.
pub(super) const FRACTION: u32 = 16;
pub(super) const HALF: i32 = 1 << (FRACTION - 1);

fn fixed(value: f64) -> i32 {
    (value * f64::from(1u32 << FRACTION)).round() as i32
}

/// The coefficients from YCbCr to RGB in 0..=255: r = luma (Y - black) + red (Cr - neutral), and so on (ITU-R BT.601
/// and BT.709, section 3).
#[derive(Debug, Clone, Copy)]
pub(super) struct ToRgb {
    pub black: i32,
    pub neutral: i32,
    pub luma: i32,
    pub red: i32,
    pub green_of_cb: i32,
    pub green_of_cr: i32,
    pub blue: i32,
}

impl ToRgb {
    pub fn new(coding: Coding, bits: u32) -> Self {
        let scale = coding.scale(bits);
        let (of_cr, of_cb) = (2.0 * (1.0 - coding.kr), 2.0 * (1.0 - coding.kb));
        let chroma = 255.0 / scale.chroma;
        Self {
            black: scale.black as i32,
            neutral: scale.neutral as i32,
            luma: fixed(255.0 / scale.luma),
            red: fixed(of_cr * chroma),
            green_of_cb: fixed(-of_cb * coding.kb / coding.kg() * chroma),
            green_of_cr: fixed(-of_cr * coding.kr / coding.kg() * chroma),
            blue: fixed(of_cb * chroma),
        }
    }
}

/// The coefficients from a change of RGB, in grey levels of 8 bits, to the change of YCbCr.
#[derive(Debug, Clone, Copy)]
pub(super) struct FromChange {
    pub luma: [i32; 3],
    pub cb: [i32; 3],
    pub cr: [i32; 3],
}

impl FromChange {
    /// Creates the coefficients for YCbCr of `bits` bits. `strength` (0..=1) scales the change.
    pub fn new(coding: Coding, bits: u32, strength: f64) -> Self {
        let scale = coding.scale(bits);
        let strength = strength.clamp(0.0, 1.0) / 255.0;
        let shares = [coding.kr, coding.kg(), coding.kb];
        let luma = scale.luma * strength;
        // Cb = (B - Y) / (2 (1 - kb)), Cr = (R - Y) / (2 (1 - kr)).
        let difference = |channel: usize, k: f64| {
            let gain = scale.chroma * strength / (2.0 * (1.0 - k));
            std::array::from_fn(|c| fixed(gain * (f64::from(u8::from(c == channel)) - shares[c])))
        };
        Self {
            luma: shares.map(|share| fixed(luma * share)),
            cb: difference(2, coding.kb),
            cr: difference(0, coding.kr),
        }
    }
}
