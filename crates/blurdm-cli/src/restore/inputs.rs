// SPDX-License-Identifier: MPL-2.0

//! Which files are restored, and under which names.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use glob::MatchOptions;
use walkdir::{DirEntry, WalkDir};

/// Endings of the names of video files, as cameras and editors give them.
const VIDEO_EXTENSIONS: [&str; 15] = [
    "3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ts", "webm", "wmv",
];

/// Ending of the folders that unfinished work is kept in.
pub const WORK_EXTENSION: &str = "blurdm";

/// A file to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    /// The path below the folder that was given, or below the part of a pattern that is no pattern: what is kept in the output folder.
    pub below: PathBuf,
}

/// What the arguments of the command name.
#[derive(Debug)]
pub struct Found {
    /// Each file once, in natural order: `clip2` before `clip10`.
    pub inputs: Vec<Input>,
    /// Folders below those given that cannot be read; the others are restored all the same.
    pub unreadable: Vec<walkdir::Error>,
    /// One file was named, and by its name.
    lone: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("there is no file or folder '{}'", .0.display())]
    Missing(PathBuf),
    #[error("'{}' cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("'{}' is neither a file nor a folder", .0.display())]
    NoFile(PathBuf),
    #[error("there is no video in '{}': no file in it ends in one of {}", .0.display(), VIDEO_EXTENSIONS.join(", "))]
    NoVideo(PathBuf),
    #[error("'{}' cannot be the output of {files} files: name a folder", out.display())]
    OneOutput { out: PathBuf, files: usize },
    #[error("'{}' is a file and no video: name a folder, or a file that ends as a video does", .0.display())]
    NoFolder(PathBuf),
    #[error("'{}' and '{}' would both be restored to '{}': give the folder above both, or restore one after the other to different folders", first.display(), second.display(), output.display())]
    SameOutput {
        first: PathBuf,
        second: PathBuf,
        output: PathBuf,
    },
    #[error("'{}' would be written over, and originals are kept: name another output", .0.display())]
    Original(PathBuf),
}

/// The files that `given` names: files of any name, the videos in folders and in those below, and what patterns (`*`, `?`, `[…]`)
/// match where the shell has left them. Hidden files, folders of unfinished work and the output folder `out` are passed over
/// unless they are given themselves. A pattern finds only names in UTF-8; names in folders may have any bytes.
///
/// # Errors
/// An argument that names no video or cannot be read.
pub fn find(given: &[OsString], out: &Path) -> Result<Found, Unusable> {
    let mut search = Search {
        out: fs::canonicalize(out).ok(),
        inputs: Vec::new(),
        unreadable: Vec::new(),
    };
    for argument in given {
        search.argument(argument)?;
    }
    let mut inputs = search.inputs;
    inputs.sort_by(|a, b| natural(&a.path, &b.path));
    let mut seen = HashSet::with_capacity(inputs.len());
    inputs.retain(|input| seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone())));
    Ok(Found {
        lone: matches!(given, [only] if Path::new(only).is_file()),
        inputs,
        unreadable: search.unreadable,
    })
}

impl Found {
    /// The output of each input. `out` is the output's name where one file is restored and it ends as a video does and is no folder; else
    /// it is a folder in which the structure of the input folders is kept. `extension` replaces that of the inputs.
    ///
    /// # Errors
    /// Before any work: two inputs with the same output, an output that is an input, a file in place of the folder.
    pub fn outputs(&self, out: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>, Unusable> {
        let names_file = is_video(out) && !out.is_dir();
        if names_file && !self.lone {
            return Err(Unusable::OneOutput {
                out: out.to_owned(),
                files: self.inputs.len(),
            });
        }
        if out.is_file() && !names_file {
            return Err(Unusable::NoFolder(out.to_owned()));
        }
        let output = |input: &Input| match extension {
            _ if names_file => out.to_owned(),
            Some(extension) => out.join(&input.below).with_extension(extension),
            None => out.join(&input.below),
        };
        let outputs: Vec<PathBuf> = self.inputs.iter().map(output).collect();
        self.check(&outputs)?;
        Ok(outputs)
    }

    fn check(&self, outputs: &[PathBuf]) -> Result<(), Unusable> {
        let originals: HashSet<PathBuf> = self
            .inputs
            .iter()
            .filter_map(|input| fs::canonicalize(&input.path).ok())
            .collect();
        let mut taken: HashMap<&Path, &Path> = HashMap::with_capacity(outputs.len());
        for (input, output) in self.inputs.iter().zip(outputs) {
            if let Some(first) = taken.insert(output, &input.path) {
                return Err(Unusable::SameOutput {
                    first: first.to_owned(),
                    second: input.path.clone(),
                    output: output.clone(),
                });
            }
            if fs::canonicalize(output).is_ok_and(|there| originals.contains(&there)) {
                return Err(Unusable::Original(output.clone()));
            }
        }
        Ok(())
    }
}

struct Search {
    out: Option<PathBuf>,
    inputs: Vec<Input>,
    unreadable: Vec<walkdir::Error>,
}

impl Search {
    fn argument(&mut self, argument: &OsStr) -> Result<(), Unusable> {
        let path = Path::new(argument);
        match fs::metadata(path) {
            Ok(_) => self.path(path, below_parent(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match argument.to_str() {
                Some(pattern) if pattern.contains(['*', '?', '[']) => self.pattern(pattern),
                _ => Err(Unusable::Missing(path.to_owned())),
            },
            Err(reason) => Err(Unusable::Unreadable {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    fn path(&mut self, path: &Path, below: PathBuf) -> Result<(), Unusable> {
        if path.is_dir() {
            return self.folder(path, Path::new(""));
        }
        if !path.is_file() {
            return Err(Unusable::NoFile(path.to_owned()));
        }
        self.inputs.push(Input {
            path: path.to_owned(),
            below,
        });
        Ok(())
    }

    /// The videos in a folder; `below` is where the folder is to lie in the output.
    fn folder(&mut self, folder: &Path, below: &Path) -> Result<(), Unusable> {
        let before = self.inputs.len();
        let out = self.out.clone();
        let wanted = |entry: &DirEntry| entry.depth() == 0 || !(is_hidden(entry) || is_own(entry, out.as_deref()));
        // Links are followed, since archives are often put together of them; walkdir tells loops.
        for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(wanted) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => {
                    return Err(Unusable::Unreadable {
                        path: folder.to_owned(),
                        reason: error.into(),
                    });
                }
                Err(error) => {
                    self.unreadable.push(error);
                    continue;
                }
            };
            if entry.file_type().is_file() && is_video(entry.path()) {
                let inner = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                self.inputs.push(Input {
                    below: below.join(inner),
                    path: entry.into_path(),
                });
            }
        }
        if self.inputs.len() == before {
            return Err(Unusable::NoVideo(folder.to_owned()));
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), Unusable> {
        let missing = || Unusable::Missing(PathBuf::from(pattern));
        let options = MatchOptions {
            require_literal_leading_dot: true,
            ..MatchOptions::default()
        };
        let fixed = fixed_part(Path::new(pattern));
        let before = self.inputs.len();
        for path in glob::glob_with(pattern, options).map_err(|_| missing())? {
            let path = path.map_err(|error| Unusable::Unreadable {
                path: error.path().to_owned(),
                reason: error.into(),
            })?;
            let below = path.strip_prefix(&fixed).unwrap_or(&path).to_owned();
            if path.is_dir() {
                match self.folder(&path, &below) {
                    Ok(()) | Err(Unusable::NoVideo(_)) => {}
                    Err(error) => return Err(error),
                }
            } else if is_video(&path) || path.extension() == Path::new(pattern).extension() {
                self.path(&path, below)?;
            }
        }
        if self.inputs.len() == before {
            return Err(missing());
        }
        Ok(())
    }
}

fn below_parent(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

/// The folders of a pattern before the first that is a pattern itself.
fn fixed_part(pattern: &Path) -> PathBuf {
    let folders = pattern.parent().into_iter().flat_map(Path::components);
    let is_fixed = |part: &OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
    folders.take_while(|part| is_fixed(part.as_os_str())).collect()
}

fn is_video(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        VIDEO_EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether it is a folder that this command writes to.
fn is_own(entry: &DirEntry, out: Option<&Path>) -> bool {
    let work = || entry.path().extension() == Some(OsStr::new(WORK_EXTENSION));
    let output = || out.is_some_and(|out| fs::canonicalize(entry.path()).is_ok_and(|folder| folder == out));
    entry.file_type().is_dir() && (work() || output())
}

/// Folder by folder, and by numbers in the names: `clip2` before `clip10`.
fn natural(a: &Path, b: &Path) -> Ordering {
    let parts = a.components().zip(b.components());
    let by_parts = parts.map(|(a, b)| alphanumeric_sort::compare_os_str(a.as_os_str(), b.as_os_str()));
    let lengths = || a.components().count().cmp(&b.components().count());
    by_parts
        .fold(Ordering::Equal, Ordering::then)
        .then_with(lengths)
        .then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    // A test may fail at once.
    #![allow(clippy::unwrap_used)]

    use std::{fs::File, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

    use super::*;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap();
        }
        folder
    }

    fn found(arguments: &[&Path]) -> Result<Found, Unusable> {
        let arguments: Vec<OsString> = arguments.iter().map(|path| path.as_os_str().to_owned()).collect();
        find(&arguments, Path::new("/nonexistent/out"))
    }

    fn below(found: &Found) -> Vec<String> {
        found
            .inputs
            .iter()
            .map(|input| input.below.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_folder_gives_its_videos_in_natural_order_and_those_of_the_folders_below() {
        let folder = folder_with(&[
            "clip10.mp4",
            "clip2.MP4",
            "clip1.mov",
            "notes.txt",
            "clip1.gpx",
            ".hidden.mp4",
            ".trash/old.mp4",
            "clip1.mp4.blurdm/0001.mkv",
            "rear/a b.mkv",
            "rear/Ausflug nach Köln.webm",
            "rear10/x.ts",
            "rear9/x.ts",
        ]);
        let expected = [
            "clip1.mov",
            "clip2.MP4",
            "clip10.mp4",
            "rear/Ausflug nach Köln.webm",
            "rear/a b.mkv",
            "rear9/x.ts",
            "rear10/x.ts",
        ];
        assert_eq!(below(&found(&[folder.path()]).unwrap()), expected);
    }

    #[test]
    fn a_file_is_taken_whatever_its_name_and_once_however_often_it_is_named() {
        let folder = folder_with(&["one.dat", "rear/two.mp4"]);
        let one = folder.path().join("one.dat");
        let again = folder.path().join("rear/../one.dat");
        symlink(&one, folder.path().join("link.mp4")).unwrap();
        let all = found(&[&one, folder.path(), &again, &one]).unwrap();
        assert_eq!(below(&all), ["link.mp4", "rear/two.mp4"]);
    }

    #[test]
    fn names_may_have_any_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"nacht \xff\xfe.mp4");
        File::create(folder.path().join(name)).unwrap();
        let found = found(&[folder.path()]).unwrap();
        let [input] = found.inputs.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(input.below.as_os_str(), name);
        let outputs = found.outputs(Path::new("/nonexistent/out"), Some("mkv")).unwrap();
        let expected = OsStr::from_bytes(b"/nonexistent/out/nacht \xff\xfe.mkv");
        assert_eq!(outputs[0].as_os_str(), expected);
    }

    #[test]
    fn a_pattern_that_the_shell_has_left_is_resolved_and_keeps_the_folders_that_it_matched() {
        let folder = folder_with(&["front/1.mp4", "rear/1.mp4", "rear/1.srt", "rear/.2.mp4", "[x].mp4"]);
        let matched = found(&[&folder.path().join("*/*")]).unwrap();
        assert_eq!(below(&matched), ["front/1.mp4", "rear/1.mp4"]);
        let folders = found(&[&folder.path().join("[fr]*")]).unwrap();
        assert_eq!(below(&folders), ["front/1.mp4", "rear/1.mp4"]);
        // A name that only looks like a pattern.
        assert_eq!(below(&found(&[&folder.path().join("[x].mp4")]).unwrap()), ["[x].mp4"]);
    }

    #[test]
    fn an_argument_that_names_nothing_is_told_by_its_name() {
        let folder = folder_with(&["notes.txt", "empty/notes.txt"]);
        for missing in ["gone.mp4", "*.mp4", "[", "e?pty/*.mp4"] {
            let said = found(&[&folder.path().join(missing)]).unwrap_err().to_string();
            assert!(said.contains(missing), "{said}");
        }
        let said = found(&[&folder.path().join("empty")]).unwrap_err().to_string();
        assert!(said.contains("empty") && said.contains("no video"), "{said}");
        let said = found(&[Path::new("/dev/null")]).unwrap_err().to_string();
        assert_eq!(said, "'/dev/null' is neither a file nor a folder");
    }

    #[test]
    fn what_was_restored_before_is_not_restored_again() {
        let folder = folder_with(&["clip.mp4", "restored/clip.mp4"]);
        let out = folder.path().join("restored");
        let given = [folder.path().as_os_str().to_owned()];
        assert_eq!(below(&find(&given, &out).unwrap()), ["clip.mp4"]);
    }

    #[test]
    fn a_loop_of_links_ends_and_is_told() {
        let folder = folder_with(&["clips/1.mp4"]);
        symlink(folder.path(), folder.path().join("clips/up")).unwrap();
        let found = found(&[folder.path()]).unwrap();
        assert_eq!(below(&found), ["clips/1.mp4"]);
        assert_eq!(found.unreadable.len(), 1);
    }

    #[test]
    fn out_is_a_file_for_one_file_and_otherwise_a_folder_that_keeps_the_structure() {
        let folder = folder_with(&["day/1.mp4", "day/rear/2.mov"]);
        let (one, day) = (folder.path().join("day/1.mp4"), folder.path().join("day"));
        let outputs = |given: &Path, out: &str, extension| found(&[given]).unwrap().outputs(Path::new(out), extension);
        assert_eq!(
            outputs(&one, "/o/sharp.mkv", None).unwrap(),
            [Path::new("/o/sharp.mkv")]
        );
        assert_eq!(outputs(&one, "/o/sharp", None).unwrap(), [Path::new("/o/sharp/1.mp4")]);
        let expected = [Path::new("/o/1.mkv"), Path::new("/o/rear/2.mkv")];
        assert_eq!(outputs(&day, "/o", Some("mkv")).unwrap(), expected);
        let said = outputs(&day, "/o/sharp.mkv", None).unwrap_err().to_string();
        assert!(said.contains("2 files") && said.contains("folder"), "{said}");
        let notes = folder.path().join("notes.txt");
        File::create(&notes).unwrap();
        let said = outputs(&one, notes.to_str().unwrap(), None).unwrap_err().to_string();
        assert!(said.contains("notes.txt' is a file and no video"), "{said}");
        // A folder may be called as a video is.
        let odd = folder.path().join("odd.mp4");
        fs::create_dir(&odd).unwrap();
        assert_eq!(outputs(&one, odd.to_str().unwrap(), None).unwrap(), [odd.join("1.mp4")]);
    }

    #[test]
    fn two_inputs_with_one_output_are_refused_and_so_is_an_output_that_is_an_input() {
        let folder = folder_with(&["a/1.mp4", "b/1.mp4", "c/1.mp4", "c/1.mov"]);
        let at = |name: &str| folder.path().join(name);
        let both = found(&[&at("a"), &at("b")]).unwrap();
        let said = both.outputs(Path::new("/o"), None).unwrap_err().to_string();
        for name in ["a/1.mp4", "b/1.mp4", "/o/1.mp4"] {
            assert!(said.contains(name), "{said}");
        }
        let said = found(&[&at("c")]).unwrap().outputs(Path::new("/o"), Some("mkv"));
        assert!(matches!(said, Err(Unusable::SameOutput { .. })), "{said:?}");
        for out in [at("a"), at("b/../a"), at("a/1.mp4")] {
            let said = found(&[&at("a/1.mp4")]).unwrap().outputs(&out, None);
            assert!(matches!(said, Err(Unusable::Original(_))), "{said:?}");
        }
    }
}
