// SPDX-License-Identifier: MPL-2.0

//! A plot over time, as SVG in HTML. The style sheet of the page has its colours.

use std::fmt::{self, Display, Formatter};

use super::{
    downsample::{Point, lines},
    html::{Escaped, clock},
    statistics::quantile,
};

/// Sizes in units of the drawing, which the page scales to pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// The greatest number of points per line. No screen shows more.
const COLUMNS: usize = (WIDTH - LEFT - RIGHT) as usize;
/// Values above this quantile do not affect the scale. The first frame may take a hundred times as long as the others.
const SCALE_QUANTILE: f64 = 0.99;

pub struct Plot<'a> {
    pub title: &'static str,
    pub unit: &'static str,
    /// The time of each value, in ascending order.
    pub seconds: &'a [f64],
    pub series: Vec<Series>,
    /// A level that is marked, and its label.
    pub mark: Option<(f64, &'static str)>,
}

pub struct Series {
    /// The name, which is also its class in the style sheet.
    pub name: &'static str,
    pub values: Vec<Option<f32>>,
}

/// The vertical axis.
struct Scale {
    top: f64,
    step: f64,
}

impl Scale {
    /// Returns an axis from zero to a round number.
    fn for_values(most: f64) -> Self {
        let step = round_step(most / 5.0);
        Self {
            top: (most / step).ceil().max(1.0) * step,
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }
}

fn x(at: f64) -> f64 {
    LEFT + at * (WIDTH - LEFT - RIGHT)
}

/// Returns the least number of the form 1, 2 or 5 times a power of ten that is not less than `least`.
fn round_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors
        .into_iter()
        .find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Returns the distance of the ticks of the time axis in seconds, which is round in minutes and hours too.
fn time_step(span: f64) -> f64 {
    let round = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
    ];
    let least = span / 10.0;
    match round.into_iter().find(|step| *step >= least) {
        Some(step) if least > 0.5 => step,
        Some(_) => round_step(least),
        None => 3600.0 * round_step(least / 3600.0),
    }
}

impl Plot<'_> {
    fn values(&self) -> impl Iterator<Item = f32> {
        self.series
            .iter()
            .flat_map(|series| series.values.iter().flatten().copied())
    }

    /// Returns the number of values beyond the scale, and the greatest.
    fn beyond(&self, scale: &Scale) -> Option<(usize, f32)> {
        let beyond = || self.values().filter(|value| f64::from(*value) > scale.top);
        beyond().reduce(f32::max).map(|most| (beyond().count(), most))
    }

    fn draw_axes(&self, scale: &Scale, to: &mut Formatter) -> fmt::Result {
        let (first, last) = (
            self.seconds.first().copied().unwrap_or(0.0),
            self.seconds.last().copied().unwrap_or(0.0),
        );
        let levels = (scale.top / scale.step).round() as usize;
        for level in 0..=levels {
            let (value, y) = (level as f64 * scale.step, scale.y(level as f64 * scale.step));
            writeln!(
                to,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{:.1}"/><text class="level" x="{:.1}" y="{:.1}">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 7.0,
                y + 4.0,
                // Without rounding errors of the multiplication.
                (value * 1e6).round() / 1e6,
            )?;
        }
        let (span, step) = (last - first, time_step(last - first));
        let mut tick = (first / step).ceil();
        while span > 0.0 && tick * step <= last {
            let x = x((tick * step - first) / span);
            let label = clock(tick * step);
            let label = label.strip_suffix(".0").unwrap_or(&label);
            writeln!(
                to,
                r#"<path class="grid" d="M{x:.1} {:.1}v4"/><text class="time" x="{x:.1}" y="{:.1}">{label}</text>"#,
                HEIGHT - BOTTOM,
                HEIGHT - 8.0,
            )?;
            tick += 1.0;
        }
        Ok(())
    }
}

/// Draws a band from minimum to maximum, and the line of means.
fn draw_line(name: &str, line: &[Point], scale: &Scale, to: &mut Formatter) -> fmt::Result {
    let corner = |point: &Point, value: f64| format!("{:.1} {:.1}", x(point.at), scale.y(value));
    if line.iter().any(|point| point.most > point.least) {
        let upper = line.iter().map(|point| corner(point, point.most));
        let lower = line.iter().rev().map(|point| corner(point, point.least));
        let band: Vec<String> = upper.chain(lower).collect();
        writeln!(to, r#"<path class="band {name}" d="M{}Z"/>"#, band.join("L"))?;
    }
    let means: Vec<String> = line.iter().map(|point| corner(point, point.mean)).collect();
    // A single point is visible only by the caps of a very short line.
    let end = if means.len() == 1 { "h.01" } else { "" };
    writeln!(to, r#"<path class="line {name}" d="M{}{end}"/>"#, means.join("L"))
}

impl Display for Plot<'_> {
    fn fmt(&self, to: &mut Formatter) -> fmt::Result {
        let mark = self.mark.map_or(0.0, |(level, _)| 1.1 * level);
        let most = quantile(self.values(), SCALE_QUANTILE).map_or(0.0, |most| 1.1 * f64::from(most));
        let scale = Scale::for_values(most.max(mark));
        write!(
            to,
            "<figure class=\"plot\"><figcaption>{}, {}",
            Escaped(self.title),
            self.unit
        )?;
        if self.series.len() > 1 {
            for Series { name, .. } in &self.series {
                write!(to, " <span class=\"key {name}\">{name}</span>")?;
            }
        }
        if let Some((count, most)) = self.beyond(&scale) {
            let frames = if count == 1 { "frame" } else { "frames" };
            write!(
                to,
                " <small>{count} {frames} beyond it, up to {most:.0} {}</small>",
                self.unit
            )?;
        }
        writeln!(
            to,
            "</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over time\">",
            Escaped(self.title)
        )?;
        self.draw_axes(&scale, to)?;
        for Series { name, values } in &self.series {
            for line in lines(self.seconds, values, COLUMNS) {
                draw_line(name, &line, &scale, to)?;
            }
        }
        if let Some((level, meaning)) = self.mark {
            let y = scale.y(level);
            writeln!(
                to,
                r#"<path class="mark" d="M{LEFT} {y:.1}H{:.1}"/><text class="mark" x="{:.1}" y="{:.1}">{}</text>"#,
                WIDTH - RIGHT,
                WIDTH - RIGHT - 2.0,
                y + 13.0,
                Escaped(meaning)
            )?;
        }
        writeln!(to, "</svg></figure>")
    }
}
