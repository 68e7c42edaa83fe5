// SPDX-License-Identifier: MPL-2.0

//! Files of six containers with bytes changed, inserted and removed: each is restored or refused, in time, and stays as it is.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    clips::{clip, folder, launch, restore, text},
    tried,
};

/// Seconds without progress after which a file is given up, and those that a run may take in all: files of which nothing comes out may be read for 20
/// times as long.
const STALL_LIMIT: u64 = 5;
const LIMIT: Duration = Duration::from_secs(20 * STALL_LIMIT + 60);

/// Files that are tried at once: many of them wait for data that never comes.
const RUNNERS: usize = 3;

/// Random numbers that are the same in every run (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % limit.max(1)
    }
}

/// Numbers that sizes, counts and times break at.
const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/// Changes a file at one to eight places, as the number says.
fn mutate(file: &mut Vec<u8>, number: usize) {
    let mut random = Random::new(number);
    for _ in 0..=random.below(8) {
        // Half of the changes are in the first or the last kilobyte, where tables are.
        let at = match random.below(4) {
            0 => random.below(file.len().min(1024)),
            1 => file.len() - 1 - random.below(file.len().min(1024)),
            _ => random.below(file.len()),
        };
        let end = (at + 1 + random.below(64)).min(file.len());
        match random.below(8) {
            0 => file[at] ^= 1 << random.below(8),
            1 => file[at] = random.below(256) as u8,
            2 | 3 => {
                let edge = EDGES[random.below(EDGES.len())].to_be_bytes();
                let end = (at + 4).min(file.len());
                file[at..end].copy_from_slice(&edge[..end - at]);
            }
            4 => file.truncate(at.max(16)),
            5 => drop(file.drain(at..end.min(file.len().max(17) - 16).max(at))),
            6 => {
                let block = file[at..end].to_vec();
                let to = random.below(file.len());
                file.splice(to..to, block);
            }
            _ => file[at..end].fill(0),
        }
    }
}

/// Makes a clip of 12 frames in each container.
fn clips(folder: &Path) -> Vec<PathBuf> {
    let muxers = [
        ("clip.mp4", "mp4mux"),
        ("clip.mov", "qtmux faststart=true"),
        ("clip.mkv", "matroskamux"),
        ("clip.avi", "avimux"),
        ("clip.ts", "mpegtsmux"),
    ];
    let mut made: Vec<PathBuf> = muxers
        .iter()
        .map(|(name, muxer)| {
            let path = folder.join(name);
            clip(&path, 12, muxer);
            path
        })
        .collect();
    let webm = folder.join("clip.webm");
    launch(&format!(
        "videotestsrc num-buffers=12 ! video/x-raw,width=96,height=64,framerate=25/1 ! vp9enc deadline=1 ! vp9parse ! webmmux name=mux ! \
         filesink location=\"{}\" audiotestsrc num-buffers=12 ! opusenc ! mux.",
        webm.display()
    ));
    made.push(webm);
    made
}

/// Runs a command to its end. Returns its status and what it has said, or `None` beyond the limit.
fn ended(mut command: Command) -> Option<(ExitStatus, String)> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        pipe.read_to_end(&mut said).ok();
        String::from_utf8_lossy(&said).into_owned()
    });
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some((status, said.join().unwrap()));
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a run said of a file, by the file's number.
type Said = Vec<(usize, String)>;

/// How runs have ended.
#[derive(Default)]
struct Ends {
    /// By exit status.
    statuses: [usize; 4],
    crashed: Said,
    stalled: Said,
}

/// Restores the file of this number, made of one of `clips`, in the folder `own`, and notes how that ended.
fn try_one(number: usize, clips: &[(String, Vec<u8>)], own: &Path, ends: &Mutex<Ends>) {
    let (name, whole) = &clips[number % clips.len()];
    let mut file = whole.clone();
    mutate(&mut file, number);
    fs::remove_dir_all(own).ok();
    fs::create_dir(own).unwrap();
    let input = own.join(name);
    fs::write(&input, &file).unwrap();
    let limit = STALL_LIMIT.to_string();
    let out = own.join("out.mkv");
    let command = restore(&[
        text(&input),
        "-o",
        text(&out),
        "--strength",
        "0",
        "--stall-limit",
        &limit,
    ]);
    let (status, said) = ended(command).unwrap_or_else(|| panic!("{name}, number {number}, does not end"));
    let code = match status.code() {
        Some(code @ (0 | 1 | 3)) => code,
        _ => panic!("{name}, number {number}: {status}, {said}"),
    };
    assert!(
        fs::read(&input).unwrap() == file,
        "{name}, number {number}: the original has changed"
    );
    assert_eq!(code == 1, !out.exists(), "{name}, number {number}: {said}");
    let mut ends = ends.lock().unwrap();
    ends.statuses[code as usize] += 1;
    // A codec that crashes or hangs is GStreamer's. It has taken no more than its file along.
    if said.contains("has crashed") {
        ends.crashed.push((number, said));
    } else if said.contains("nothing has moved") {
        ends.stalled.push((number, said));
    }
}

#[test]
fn a_file_with_any_bytes_changed_is_restored_or_refused_and_stays_as_it_is() {
    let (_folder, folder) = folder();
    let clips: Vec<(String, Vec<u8>)> = clips(&folder)
        .iter()
        .map(|clip| {
            (
                text(Path::new(clip.file_name().unwrap())).to_owned(),
                fs::read(clip).unwrap(),
            )
        })
        .collect();
    let (next, ends) = (AtomicUsize::new(0), Mutex::new(Ends::default()));
    thread::scope(|scope| {
        for runner in 0..RUNNERS {
            let own = folder.join(format!("own-{runner}"));
            let (clips, next, ends) = (&clips, &next, &ends);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= tried(24, 5000) {
                        break;
                    }
                    try_one(number, clips, &own, ends);
                    if number % 500 == 499 {
                        println!("{} files tried", number + 1);
                    }
                }
            });
        }
    });
    let Ends {
        statuses: [restored, failed, _, damaged],
        crashed,
        stalled,
    } = ends.into_inner().unwrap();
    println!(
        "{restored} restored, {damaged} in part, {failed} refused; codecs have crashed on {crashed:?} and stalled on {stalled:?}"
    );
    assert!(restored + damaged > 0 && failed > 0, "{restored}, {damaged}, {failed}");
}
