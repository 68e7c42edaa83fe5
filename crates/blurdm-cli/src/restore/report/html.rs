// SPDX-License-Identifier: MPL-2.0

//! Text and times in HTML.

use std::fmt::{self, Display, Formatter, Write};

/// Displays text escaped for HTML, in attributes too.
pub struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, to: &mut Formatter) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => to.write_str("&amp;"),
            '<' => to.write_str("&lt;"),
            '>' => to.write_str("&gt;"),
            '"' => to.write_str("&quot;"),
            '\'' => to.write_str("&#39;"),
            letter if letter.is_control() => to.write_char('\u{fffd}'),
            letter => to.write_char(letter),
        })
    }
}

/// Formats a time as players do, with tenths of a second: 1:02.5.
pub fn clock(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    let seconds = format!("{:02}.{}", rest / 10, rest % 10);
    match hours {
        0 => format!("{minutes}:{seconds}"),
        _ => format!("{hours}:{minutes:02}:{seconds}"),
    }
}
