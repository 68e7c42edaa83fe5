// SPDX-License-Identifier: MPL-2.0

//! Reducing the values of any number of frames to as many points as a screen shows.

/// A point, which stands for one or several frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Position on the time axis, from 0 to 1.
    pub at: f64,
    pub least: f64,
    pub mean: f64,
    pub most: f64,
}

/// A line is broken after this many seconds without a frame, or after [`GAP_FACTOR`] times the usual distance of frames if that is more.
const GAP_S: f64 = 1.0;
/// See [`GAP_S`].
const GAP_FACTOR: f64 = 3.0;

/// Returns lines of at most `columns` points together. A line is broken where frames or values are missing.
pub fn lines(seconds: &[f64], values: &[Option<f32>], columns: usize) -> Vec<Vec<Point>> {
    let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else {
        return Vec::new();
    };
    let span = (last - first).max(f64::MIN_POSITIVE);
    let gap = longest_gap(seconds);
    let mut lines: Vec<Vec<Point>> = Vec::new();
    let mut bin = Bin::default();
    let mut previous: Option<f64> = None;
    for (&time, &value) in seconds.iter().zip(values) {
        let value = value.map(f64::from).filter(|value| value.is_finite());
        let at = ((time - first) / span).clamp(0.0, 1.0);
        let column = (at * columns as f64).min(columns as f64 - 1.0) as usize;
        let broken = value.is_none() || previous.is_some_and(|previous| time - previous > gap);
        if broken || column != bin.column {
            bin.flush(&mut lines);
        }
        if broken && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(Vec::new());
        }
        bin.column = column;
        if let Some(value) = value {
            bin.add(at, value);
        }
        previous = Some(time);
    }
    bin.flush(&mut lines);
    lines.retain(|line| !line.is_empty());
    lines
}

/// Returns the longest distance of two frames without a gap between them.
fn longest_gap(seconds: &[f64]) -> f64 {
    let mut steps: Vec<f64> = seconds.iter().zip(seconds.iter().skip(1)).map(|(a, b)| b - a).collect();
    steps.sort_unstable_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0.0);
    GAP_S.max(GAP_FACTOR * usual)
}

/// The frames of one column.
#[derive(Default)]
struct Bin {
    column: usize,
    count: f64,
    at: f64,
    sum: f64,
    least: f64,
    most: f64,
}

impl Bin {
    fn add(&mut self, at: f64, value: f64) {
        if self.count == 0.0 {
            (self.least, self.most) = (value, value);
        }
        self.count += 1.0;
        self.at += at;
        self.sum += value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    fn flush(&mut self, lines: &mut Vec<Vec<Point>>) {
        let bin = std::mem::take(self);
        if bin.count == 0.0 {
            return;
        }
        let point = Point {
            at: bin.at / bin.count,
            least: bin.least,
            mean: bin.sum / bin.count,
            most: bin.most,
        };
        match lines.last_mut() {
            Some(line) => line.push(point),
            None => lines.push(vec![point]),
        }
    }
}
