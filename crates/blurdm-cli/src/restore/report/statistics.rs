// SPDX-License-Identifier: MPL-2.0

/// Returns the quantile `q`, from 0 to 1, of the finite values. `None` without any.
pub fn quantile(values: impl Iterator<Item = f32>, q: f64) -> Option<f32> {
    let mut values: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((last as f64 * q).round() as usize).copied()
}
