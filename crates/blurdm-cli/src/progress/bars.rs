// SPDX-License-Identifier: MPL-2.0

//! Progress as bars in a terminal.

use std::{collections::HashMap, path::Path, sync::Mutex, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr;

use super::{
    snapshot::{Files, Snapshot},
    summary::{Row, Summary},
    text,
    view::View,
};
use crate::sync::lock;

/// Columns for names, so that all bars start in the same one.
const NAME_WIDTH: usize = 28;

/// The template with a known number of frames.
const KNOWN: &str = "{prefix} [{wide_bar}] {percent:>3}% {msg}";
/// The template without.
const UNKNOWN: &str = "{prefix} {spinner} {pos} frames {msg}";

pub struct Bars {
    screen: MultiProgress,
    /// The bar for all files. `None` for a single file.
    all: Option<ProgressBar>,
    files: Mutex<HashMap<u64, ProgressBar>>,
}

impl Bars {
    pub fn new(target: ProgressDrawTarget, files: usize, total: Option<u64>) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let all = (files > 1).then(|| {
            // Counts frames where their number is known, and files otherwise.
            let bar = ProgressBar::new(total.unwrap_or(files as u64)).with_style(style(KNOWN));
            bar.set_prefix(fitted(&text::files(Files::none_of(files))));
            let bar = screen.add(bar);
            bar.tick();
            bar
        });
        Self {
            screen,
            all,
            files: Mutex::default(),
        }
    }

    fn show_all(&self, all: Snapshot, files: Files) {
        let Some(bar) = &self.all else { return };
        bar.set_prefix(fitted(&text::files(files)));
        bar.set_message(text::rate(all));
        bar.set_position(match all.total {
            Some(_) => all.frames,
            None => files.ended as u64,
        });
    }

    fn print(&self, line: &str) {
        self.screen.println(line).ok();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are the constants of this file, which are valid.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// Returns the end of a name, which is where names differ, padded to [`NAME_WIDTH`].
fn fitted(name: &str) -> String {
    let mut rest: &str = name;
    let too_wide = |text: &str| text.width() > NAME_WIDTH - 1;
    while too_wide(rest) {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    let cut = if rest.len() < name.len() { "…" } else { "" };
    let width = rest.width() + cut.chars().count();
    format!("{cut}{rest}{}", " ".repeat(NAME_WIDTH.saturating_sub(width)))
}

impl View for Bars {
    fn interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(200))
    }

    fn started(&self, number: u64, file: &Path, now: Snapshot) {
        let bar = match now.total {
            Some(total) => ProgressBar::new(total).with_style(style(KNOWN)),
            None => ProgressBar::no_length().with_style(style(UNKNOWN)),
        };
        let bar = match &self.all {
            Some(all) => self.screen.insert_before(all, bar),
            None => self.screen.add(bar),
        };
        let short = file.file_name().map_or(file, Path::new);
        bar.set_prefix(fitted(&text::name(short)));
        bar.set_position(now.frames);
        lock(&self.files).insert(number, bar);
    }

    fn advanced(&self, number: u64, _: &Path, now: Snapshot, all: Snapshot, files: Files) {
        if let Some(bar) = lock(&self.files).get(&number) {
            bar.set_message(text::rate(now));
            bar.set_position(now.frames);
        }
        self.show_all(all, files);
    }

    fn noted(&self, file: &Path, note: &str) {
        self.print(&format!("{}: {}", text::name(file), text::plain(note)));
    }

    fn ended(&self, number: u64, row: &Row, all: Snapshot, files: Files) {
        if let Some(bar) = lock(&self.files).remove(&number) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        self.print(&row.line());
        self.show_all(all, files);
    }

    fn skipped(&self, _: &Row, all: Snapshot, files: Files) {
        // Only counted, since a folder that is nearly finished may have thousands.
        self.show_all(all, files);
    }

    fn finished(&self, summary: &Summary) {
        if let Some(bar) = &self.all {
            bar.finish_and_clear();
        }
        if summary.len() > 1 {
            summary.lines().iter().for_each(|line| self.print(line));
        }
    }
}
