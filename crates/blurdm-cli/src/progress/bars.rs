// SPDX-License-Identifier: MPL-2.0

//! Progress as bars in a terminal.

use std::{collections::HashMap, io, path::Path, sync::Mutex, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr;

use super::{
    Files, Standing, View, lock,
    table::{Row, Table},
    text,
};

/// Columns for names, so that all bars begin at one place.
const NAME_WIDTH: usize = 28;

const KNOWN: &str = "{prefix} [{wide_bar}] {percent:>3}% {msg}";
const UNKNOWN: &str = "{prefix} {spinner} {pos} frames {msg}";

pub struct Bars {
    screen: MultiProgress,
    /// None where there is but one file, whose bar says it all.
    all: Option<ProgressBar>,
    files: Mutex<HashMap<u64, ProgressBar>>,
    error: Mutex<Option<io::Error>>,
}

impl Bars {
    pub fn new(target: ProgressDrawTarget, files: usize, total: Option<u64>) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let all = (files > 1).then(|| {
            // Frames where their number is known, else files.
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
            error: Mutex::default(),
        }
    }

    fn show_all(&self, all: Standing, files: Files) {
        let Some(bar) = &self.all else { return };
        bar.set_prefix(fitted(&text::files(files)));
        bar.set_message(text::pace(all));
        bar.set_position(match all.total {
            Some(_) => all.frames,
            None => files.ended as u64,
        });
    }

    fn say(&self, line: &str) {
        if let Err(error) = self.screen.println(line) {
            lock(&self.error).get_or_insert(error);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those in this file, which the tests show.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

/// The end of a name, which is where names differ, in as many columns as the others have.
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

    fn begun(&self, number: u64, file: &Path, now: Standing) {
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

    fn advanced(&self, number: u64, _: &Path, now: Standing, all: Standing, files: Files) {
        if let Some(bar) = lock(&self.files).get(&number) {
            bar.set_message(text::pace(now));
            bar.set_position(now.frames);
        }
        self.show_all(all, files);
    }

    fn noted(&self, file: &Path, note: &str) {
        self.say(&format!("{}: {}", text::name(file), text::plain(note)));
    }

    fn ended(&self, number: u64, row: &Row, all: Standing, files: Files) {
        if let Some(bar) = lock(&self.files).remove(&number) {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        self.say(&row.in_words());
        self.show_all(all, files);
    }

    fn skipped(&self, _: &Row, all: Standing, files: Files) {
        // Only counted: of a folder that is nearly done there would be thousands of lines.
        self.show_all(all, files);
    }

    fn finished(&self, table: &Table) {
        if let Some(bar) = &self.all {
            bar.finish_and_clear();
        }
        if table.len() > 1 {
            table.lines().iter().for_each(|line| self.say(line));
        }
    }

    fn error(&self) -> Option<io::Error> {
        lock(&self.error).take()
    }
}
