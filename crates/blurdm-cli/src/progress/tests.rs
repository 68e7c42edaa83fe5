// SPDX-License-Identifier: MPL-2.0

// A test fails by a panic.
#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use indicatif::{InMemoryTerm, ProgressDrawTarget};
use serde_json::Value;

use super::{
    bars, json, lines,
    snapshot::Outcome,
    summary::Counts,
    tracker::{Form, Progress},
};

/// What was written, shared by the writer and the test.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(String::from).collect()
    }

    fn events(&self) -> Vec<Value> {
        self.lines()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn in_lines(files: usize) -> (Progress, Page) {
    let page = Page::default();
    (
        Progress::with(Box::new(lines::Lines::new(page.clone())), files, None),
        page,
    )
}

fn in_json(files: usize, total: Option<u64>) -> (Progress, Page) {
    let page = Page::default();
    (
        Progress::with(Box::new(json::Json::new(page.clone())), files, total),
        page,
    )
}

/// One that was restored, one damaged, one failed, one skipped, one stopped.
fn of_each(progress: &Progress) {
    progress.skip(Path::new("done.mp4"), "it is restored already");
    let restored = progress.start(Path::new("a.mp4"), Some(100), 40);
    restored.restored(60);
    restored.note("3 chapters are not kept");
    restored.end(Outcome::Restored);
    let damaged = progress.start(Path::new("Köln.mp4"), Some(50), 0);
    damaged.restored(30);
    damaged.end(Outcome::Damaged("0:02 to 0:03 cannot be read".into()));
    progress
        .start(Path::new("none.mp4"), None, 0)
        .end(Outcome::Failed("it has no video stream".into()));
    drop(progress.start(Path::new("last.mp4"), Some(10), 0));
}

const OF_EACH: Counts = Counts {
    restored: 1,
    damaged: 1,
    failed: 1,
    stopped: 1,
    skipped: 1,
};

#[test]
fn lines_say_what_becomes_of_each_file_and_end_in_a_table() {
    let (progress, page) = in_lines(5);
    of_each(&progress);
    assert_eq!(progress.finish().unwrap(), OF_EACH);
    let lines = page.lines();
    let expected = [
        "done.mp4: skipped: it is restored already",
        "a.mp4: resumed, 100 frames, 40 restored before",
        "a.mp4: 3 chapters are not kept",
        "a.mp4: restored, 60 frames in 0:00, ",
        "Köln.mp4: begun, 50 frames",
        "Köln.mp4: damaged: 0:02 to 0:03 cannot be read, 30 frames in 0:00, ",
        "none.mp4: begun",
        "none.mp4: failed: it has no video stream",
        "last.mp4: begun, 10 frames",
        "last.mp4: stopped",
    ];
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}");
    }
    let table = &lines[expected.len()..];
    assert!(
        table[0].starts_with("file") && table[0].ends_with("outcome"),
        "{table:?}"
    );
    assert_eq!(table.len(), 7, "{table:?}");
    let column = table[0].find("outcome").unwrap();
    assert!(table[1][column..].starts_with("skipped"), "{table:?}");
    // One letter has two bytes.
    assert!(table[3][column + 1..].starts_with("damaged"), "{table:?}");
    let sum = "5 files: 1 restored, 1 damaged, 1 failed, 1 stopped, 1 skipped; 90 frames in 0:00, ";
    assert!(table[6].starts_with(sum), "{table:?}");
}

#[test]
fn the_table_of_many_files_has_only_those_that_were_not_simply_restored_or_skipped() {
    let (progress, page) = in_lines(10_000);
    for number in 0..9_998 {
        progress.skip(Path::new(&format!("{number}.mp4")), "it is restored already");
    }
    for (name, outcome) in [("a.mp4", Outcome::Restored), ("b.mp4", Outcome::Failed("no".into()))] {
        progress.start(Path::new(name), None, 0).end(outcome);
    }
    let before = page.lines().len();
    progress.finish().unwrap();
    let table = page.lines().split_off(before);
    assert_eq!(table.len(), 3, "{table:?}");
    assert!(
        table[1].contains("b.mp4") && table[1].contains("failed: no"),
        "{table:?}"
    );
    assert_eq!(table[2], "10000 files: 1 restored, 1 failed, 9998 skipped");
}

#[test]
fn a_name_cannot_move_the_cursor_or_begin_a_line() {
    let (progress, page) = in_lines(1);
    progress.skip(Path::new("a\x1b[2J\nb.mp4"), "why\nnot");
    assert_eq!(page.lines(), ["a\u{fffd}[2J\u{fffd}b.mp4: skipped: why\u{fffd}not"]);
}

#[test]
fn json_is_an_object_a_line_with_the_figures_that_are_known() {
    let (progress, page) = in_json(5, Some(160));
    of_each(&progress);
    progress.finish().unwrap();
    let events = page.events();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "skipped", "begun", "note", "done", "begun", "damaged", "begun", "failed", "begun", "stopped", "finished",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(
        events[1],
        serde_json::json!({"event": "begun", "file": "a.mp4", "frames": 40, "total": 100})
    );
    assert_eq!(events[3]["restored"], 60);
    assert_eq!(events[3]["all"]["frames"], 100);
    assert_eq!(events[3]["all"]["total"], 160);
    assert_eq!(
        (&events[3]["all"]["files"], &events[3]["all"]["files_ended"]),
        (&5.into(), &2.into())
    );
    assert_eq!(events[5]["text"], "0:02 to 0:03 cannot be read");
    assert!(events[6].get("total").is_none(), "{}", events[6]);
    assert_eq!(events[10]["restored"], 90);
    assert_eq!(
        events[10]["counts"],
        serde_json::json!({"restored": 1, "damaged": 1, "failed": 1, "stopped": 1, "skipped": 1})
    );
}

#[test]
fn progress_is_reported_about_once_a_second_with_rate_and_time_left() {
    let (progress, page) = in_json(2, Some(2000));
    let file = progress.start(Path::new("a.mp4"), Some(1000), 0);
    let started = Instant::now();
    for _ in 0..150 {
        thread::sleep(Duration::from_millis(10));
        file.restored(1);
    }
    let most = started.elapsed().as_secs();
    file.end(Outcome::Restored);
    let events = page.events();
    let reported: Vec<&Value> = events.iter().filter(|event| event["event"] == "progress").collect();
    assert!((1..=most).contains(&(reported.len() as u64)), "{events:?}");
    let [frames, fps, left] = ["frames", "fps", "seconds_left"].map(|key| reported[0][key].as_f64().unwrap());
    assert!(fps > 5.0 && fps < 110.0, "{fps}");
    assert!((left - (1000.0 - frames) / fps).abs() < 0.1, "{}", reported[0]);
    let all = reported[0]["all"]["seconds_left"].as_f64().unwrap();
    assert!(all > left, "{}", reported[0]);
}

#[test]
fn frames_are_counted_right_whichever_threads_they_come_from() {
    let (progress, page) = in_json(4, None);
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let file = progress.start(Path::new(name), Some(20_000), 0);
            scope.spawn(move || {
                thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| (0..10_000).for_each(|_| file.restored(1)));
                    }
                });
                file.end(Outcome::Restored);
            });
        }
    });
    progress.finish().unwrap();
    let events = page.events();
    assert_eq!(events.last().unwrap()["restored"], 80_000);
    let done = events.iter().filter(|event| event["event"] == "done");
    assert_eq!(
        done.map(|event| event["restored"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [20_000; 4]
    );
}

#[test]
fn quiet_reports_only_what_went_wrong() {
    let page = Page::default();
    let progress = Progress::with(Box::new(lines::Errors::new(page.clone())), 5, None);
    of_each(&progress);
    progress.finish().unwrap();
    let lines = page.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("Köln.mp4: damaged: ") && lines[1].starts_with("none.mp4: failed: "));
}

#[test]
fn a_closed_output_is_an_error_at_the_end_and_stops_nothing() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let progress = Progress::with(Box::new(json::Json::new(Gone)), 5, None);
    of_each(&progress);
    assert_eq!(progress.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

fn in_bars(files: usize, total: Option<u64>) -> (Progress, InMemoryTerm) {
    let terminal = InMemoryTerm::new(24, 100);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 100);
    (
        Progress::with(Box::new(bars::Bars::new(target, files, total)), files, total),
        terminal,
    )
}

#[test]
fn bars_show_each_file_in_work_and_all_and_give_way_to_the_table() {
    let (progress, terminal) = in_bars(3, Some(300));
    progress.skip(Path::new("before.mp4"), "it is restored already");
    let first = progress.start(
        Path::new("folder/a-name-that-is-longer-than-its-column.mp4"),
        Some(100),
        0,
    );
    let second = progress.start(Path::new("folder/b.mp4"), None, 0);
    for _ in 0..30 {
        thread::sleep(Duration::from_millis(10));
        first.restored(1);
        second.restored(1);
    }
    let screen = terminal.contents();
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), 3, "{screen}");
    assert!(lines[0].starts_with("…") && lines[0].contains("column.mp4"), "{screen}");
    assert!(lines[0].contains("% ") && lines[0].contains(" fps, 0:0"), "{screen}");
    assert!(
        lines[1].starts_with("b.mp4") && lines[1].contains(" frames "),
        "{screen}"
    );
    assert!(lines[2].starts_with("1 of 3 files, 1 skipped"), "{screen}");
    let columns: Vec<usize> = [lines[0], lines[2]]
        .map(|line| line.chars().position(|c| c == '[').unwrap())
        .into();
    assert_eq!(columns[0], columns[1], "{screen}");
    first.note("subtitles are not kept");
    first.end(Outcome::Restored);
    second.end(Outcome::Stopped);
    progress.finish().unwrap();
    let screen = terminal.contents();
    for text in [
        "subtitles are not kept",
        "before.mp4",
        "stopped",
        "3 files: 1 restored, 1 stopped, 1 skipped",
    ] {
        assert!(screen.contains(text), "{screen}");
    }
    assert!(!screen.contains('['), "{screen}");
}

#[test]
fn one_file_has_one_bar_and_no_table() {
    let (progress, terminal) = in_bars(1, Some(100));
    let file = progress.start(Path::new("a.mp4"), Some(100), 50);
    thread::sleep(Duration::from_millis(250));
    file.restored(1);
    assert_eq!(terminal.contents().lines().count(), 1, "{}", terminal.contents());
    assert!(terminal.contents().contains(" 51% "), "{}", terminal.contents());
    file.end(Outcome::Restored);
    progress.finish().unwrap();
    let screen = terminal.contents();
    assert!(screen.starts_with("a.mp4: restored, 1 frames in 0:00"), "{screen}");
    assert_eq!(screen.trim_end().lines().count(), 1, "{screen}");
}

#[test]
fn every_form_works_where_there_is_no_terminal() {
    for form in [Form::Bars, Form::Lines, Form::Json, Form::Quiet, Form::interactive()] {
        let progress = Progress::new(form, 2, Some(100));
        progress.start(Path::new("a.mp4"), Some(100), 0).end(Outcome::Stopped);
        assert_eq!(progress.finish().unwrap().stopped, 1, "{form:?}");
    }
}
