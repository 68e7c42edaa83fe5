// SPDX-License-Identifier: MPL-2.0

//! A file that ends a program, or keeps it waiting for ever, takes no other file with it.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::clips::{clip, folder, restore, stderr, succeed, text};

/// Returns the processes that a process has started and that have not ended.
fn children(parent: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent_id) = (fields.next()?, fields.next()?);
        (state != "Z" && parent_id == parent.to_string()).then_some(id)
    });
    ids.collect()
}

fn is_running(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args([name, &id.to_string()]).status().unwrap();
    assert!(status.success());
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

fn spawn(arguments: &[&str]) -> Child {
    restore(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts the command, waits until it works on a file, and returns it with the process that does the work.
fn started(arguments: &[&str], work: &Path) -> (Child, u32) {
    let child = spawn(arguments);
    wait_until("the work", || work.join("00000.part").exists());
    let workers = children(child.id());
    assert_eq!(workers.len(), 1, "{workers:?}");
    (child, workers[0])
}

/// Waits for the end of a command, which must come within a time.
fn ended_within(limit: Duration, child: Child) -> Output {
    let (id, began) = (child.id(), Instant::now());
    let waiting = thread::spawn(move || child.wait_with_output().unwrap());
    while !waiting.is_finished() {
        if began.elapsed() > limit {
            signal("-KILL", id);
            panic!("it hangs: {}", stderr(&waiting.join().unwrap()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    waiting.join().unwrap()
}

#[test]
fn a_crash_in_one_file_is_its_failure_and_the_batch_goes_on() {
    for (name, sent) in [("SIGABRT", "-ABRT"), ("SIGKILL", "-KILL"), ("SIGBUS", "-BUS")] {
        let (_folder, folder) = folder();
        let clips = folder.join("clips");
        fs::create_dir(&clips).unwrap();
        clip(&clips.join("1.mp4"), 12, "mp4mux");
        clip(&clips.join("2.mp4"), 1500, "mp4mux");
        clip(&clips.join("3.mp4"), 12, "mp4mux");
        let out = folder.join("out");
        let arguments = [text(&clips), "-o", text(&out), "--json"];
        let (child, worker) = started(&arguments, &out.join("2.mp4.blurdm"));
        // The first one is for the handler of the language's runtime, which looks for a stack overflow.
        while is_running(worker) {
            signal(sent, worker);
            thread::sleep(Duration::from_millis(50));
        }
        let result = ended_within(Duration::from_secs(60), child);
        assert_eq!(result.status.code(), Some(1), "{}", stderr(&result));
        let lines = String::from_utf8(result.stdout).unwrap();
        let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ends: Vec<_> = events.iter().filter(|event| event.get("restored").is_some()).collect();
        assert_eq!(ends[0]["event"], "done", "{lines}");
        assert_eq!(ends[1]["event"], "failed", "{lines}");
        assert!(ends[1]["text"].as_str().unwrap().contains(name), "{lines}");
        assert_eq!(ends[2]["event"], "done", "{lines}");
        assert_eq!(ends[3]["counts"]["failed"], 1, "{lines}");
        // What was finished of it is of use.
        assert!(out.join("2.mp4.blurdm/job.json").exists() && !out.join("2.mp4").exists());
    }
}

#[test]
fn nothing_of_the_command_outlives_it() {
    for (sent, status) in [
        ("-KILL", None),
        ("-TERM", Some(130)),
        ("-INT", Some(130)),
        ("-HUP", Some(130)),
    ] {
        let (_folder, folder) = folder();
        let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
        clip(&input, 1500, "mp4mux");
        let (child, worker) = started(&[text(&input), "-o", text(&output)], &folder.join("out.mp4.blurdm"));
        signal(sent, child.id());
        let result = ended_within(Duration::from_secs(5), child);
        assert_eq!(result.status.code(), status, "{}", stderr(&result));
        let ended = Instant::now();
        while is_running(worker) {
            assert!(ended.elapsed() < Duration::from_secs(2), "{sent}: the worker goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn recordings_without_an_index_fail_each_time_and_the_next_file_is_restored() {
    let (_folder, folder) = folder();
    let (whole, clips, out) = (folder.join("whole.mp4"), folder.join("clips"), folder.join("out"));
    clip(&whole, 12, "mp4mux");
    let bytes = fs::read(&whole).unwrap();
    let index = bytes.windows(4).position(|name| name == b"moov").unwrap();
    fs::create_dir(&clips).unwrap();
    // For about one file of nine the error was lost.
    for number in 10..40 {
        fs::write(clips.join(format!("cut{number}.mp4")), &bytes[..index - 4]).unwrap();
    }
    let child = spawn(&[text(&clips), text(&whole), "-o", text(&out)]);
    let result = ended_within(Duration::from_secs(90), child);
    let stderr = stderr(&result);
    assert_eq!(result.status.code(), Some(1), "{stderr}");
    for number in 10..40 {
        let line = stderr
            .lines()
            .find(|line| line.contains(&format!("cut{number}.mp4: failed: ")));
        assert!(
            line.is_some_and(|line| line.contains("no playable streams")),
            "{number}: {stderr}"
        );
    }
    assert!(out.join("whole.mp4").exists(), "{stderr}");
}

/// Starts restoring a clip under a limit, as `-v 1000000`.
fn limited(limit: &str, input: &Path, output: &Path) -> Child {
    let run = restore(&[text(input), "-o", text(output), "--stall-limit", "3"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")])
        .arg(run.get_program())
        .args(run.get_args());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn where_memory_is_short_that_is_the_reason_given() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 30, "mp4mux");
    // In kilobytes of address space. With the largest of these, threads or decoders are what is lacking.
    for limit in [1_000_000, 700_000, 550_000, 400_000, 300_000, 200_000] {
        let child = limited(&format!("-v {limit}"), &input, &output);
        let result = ended_within(Duration::from_secs(60), child);
        let stderr = stderr(&result);
        match result.status.code() {
            Some(0) => {}
            Some(1) => {
                let reason = stderr
                    .lines()
                    .find(|line| line.contains("clip.mp4: failed"))
                    .unwrap_or_default();
                assert!(
                    reason.contains("memory") && !reason.contains("disk"),
                    "{limit}: {stderr}"
                );
            }
            other => panic!("{limit}: {other:?}: {stderr}"),
        }
        fs::remove_file(&output).ok();
    }
}

#[test]
fn open_files_are_as_many_as_the_system_allows_and_too_few_are_said_before_the_work() {
    let (_folder, folder) = folder();
    let (input, output) = (folder.join("clip.mp4"), folder.join("out.mp4"));
    clip(&input, 30, "mp4mux");
    for limit in [8, 16, 32, 63] {
        let child = limited(&format!("-n {limit}"), &input, &output);
        let result = ended_within(Duration::from_secs(10), child);
        let stderr = stderr(&result);
        assert_eq!(result.status.code(), Some(1), "{limit}: {stderr}");
        let expected =
            format!("blurdm: at most {limit} files may be open (ulimit -n), and 64 are needed: raise the limit\n");
        assert_eq!(stderr, expected);
    }
    for limit in ["-n 64", "-S -n 16"] {
        let result = ended_within(Duration::from_secs(60), limited(limit, &input, &output));
        assert_eq!(result.status.code(), Some(0), "{}", stderr(&result));
        fs::remove_file(&output).unwrap();
    }
}

#[test]
fn a_limit_of_file_sizes_is_the_reason_given_and_the_work_goes_on_without_it() {
    let (_folder, folder) = folder();
    let (input, output, undisturbed) = (
        folder.join("clip.mp4"),
        folder.join("out.mp4"),
        folder.join("undisturbed.mp4"),
    );
    clip(&input, 60, "mp4mux");
    succeed(&[text(&input), "-o", text(&undisturbed)]);
    // In blocks of 512 bytes.
    let blocks = fs::metadata(&undisturbed).unwrap().len() / 512;
    let shares = [0.02, 0.3, 0.9];
    // The signal ends the process, unless it is ignored: then the write fails.
    for (share, ignored) in shares
        .into_iter()
        .flat_map(|share| [(share, ""), (share, "; trap '' XFSZ")])
    {
        let limit = (blocks as f64 * share) as u64;
        let child = limited(&format!("-f {limit}{ignored}"), &input, &output);
        let result = ended_within(Duration::from_secs(60), child);
        let stderr = stderr(&result);
        assert_eq!(result.status.code(), Some(1), "{share}{ignored}: {stderr}");
        assert!(
            stderr.contains("ulimit -f") && !stderr.contains("crash"),
            "{share}{ignored}: {stderr}"
        );
        assert!(!output.exists());
    }
    succeed(&[text(&input), "-o", text(&output)]);
    assert!(fs::read(&output).unwrap() == fs::read(&undisturbed).unwrap());
}
