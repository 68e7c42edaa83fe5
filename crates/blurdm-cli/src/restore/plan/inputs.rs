// SPDX-License-Identifier: MPL-2.0

//! The files that are restored, in their order, and the names of their outputs.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    file_kinds::{is_picture, names_other, names_video},
    input::{Input, InputError},
    search::Search,
};

/// The name that other programs take for their standard output.
const STANDARD_OUTPUT: &str = "-";

/// The files that the arguments name.
#[derive(Debug)]
pub struct Inputs {
    /// Each file once, in natural order: `clip2` before `clip10`.
    pub files: Vec<Input>,
    /// Subfolders that cannot be read. The files of the others are restored.
    pub unreadable: Vec<walkdir::Error>,
    /// Whether the only argument is a file.
    is_single_file: bool,
}

/// Finds the files that `given` names: files of any name, the videos and the numbered pictures in folders and their subfolders, and the matches of
/// patterns (`*`, `?`, `[…]`) that the shell has not expanded.
///
/// Hidden files, folders of unfinished work and the output folder `out` are skipped unless they are named themselves. A pattern matches
/// only names in UTF-8; names in folders may have any bytes.
///
/// # Errors
/// An argument that names no video, or that cannot be read.
pub fn find(given: &[OsString], out: &Path) -> Result<Inputs, InputError> {
    let mut search = Search::new(out);
    for argument in given {
        search.argument(argument)?;
    }
    let (mut files, unreadable) = search.finish();
    files.sort_by(|a, b| natural_order(&a.path, &b.path));
    let mut seen = HashSet::with_capacity(files.len());
    files.retain(|input| seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone())));
    Ok(Inputs {
        is_single_file: matches!(given, [only] if Path::new(only).is_file()),
        files,
        unreadable,
    })
}

impl Inputs {
    /// Returns the output of each file. `out` is the name of the output if the only argument is a file and `out` has the extension of a
    /// video. Otherwise, and if it ends with a slash, it is a folder, in which the structure of the input folders is kept. `extension` replaces that of the inputs.
    ///
    /// # Errors
    /// Two inputs with the same output, a file in place of the folder, the name of a picture or of standard output.
    pub fn outputs(&self, out: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>, InputError> {
        if out.as_os_str() == STANDARD_OUTPUT {
            return Err(InputError::StandardOutput);
        }
        let picture = match self.files.as_slice() {
            [only] if self.is_single_file => only.pictures.as_ref(),
            _ => None,
        };
        let is_folder = ends_as_folder(out);
        let names_picture = picture.is_some() && is_picture(out) && !is_folder;
        let is_other = names_other(out);
        if is_other && !out.exists() && !is_folder && !names_picture {
            return Err(InputError::NotWritten(out.to_owned()));
        }
        let is_video = !is_folder && names_video(out);
        if is_video && self.files.iter().any(|input| input.pictures.is_some()) {
            return Err(InputError::VideoOfPictures(out.to_owned()));
        }
        let names_file = is_video || names_picture;
        if names_file && !self.is_single_file {
            return Err(InputError::OneOutput {
                out: out.to_owned(),
                files: self.files.len(),
            });
        }
        // Without a slash at its end, with which no file is found.
        let is_file = out.components().collect::<PathBuf>().is_file();
        if is_file && !names_file {
            return Err(InputError::NotAFolder(out.to_owned()));
        }
        let output = |input: &Input| match extension {
            _ if names_file => out.to_owned(),
            Some(extension) => out.join(&input.relative).with_extension(extension),
            None => out.join(&input.relative),
        };
        let outputs: Vec<PathBuf> = self.files.iter().map(output).collect();
        let mut taken: HashMap<&Path, &Path> = HashMap::with_capacity(outputs.len());
        for (input, output) in self.files.iter().zip(&outputs) {
            if let Some(first) = taken.insert(output, &input.path) {
                return Err(InputError::SameOutput {
                    first: first.to_owned(),
                    second: input.path.clone(),
                    output: output.clone(),
                });
            }
        }
        Ok(outputs)
    }

    /// Checks that no output is an original.
    ///
    /// # Errors
    /// [`InputError::Original`].
    pub fn check_originals(&self, outputs: &[PathBuf]) -> Result<(), InputError> {
        let originals: HashSet<PathBuf> = self
            .files
            .iter()
            .flat_map(Input::originals)
            .filter_map(|original| fs::canonicalize(original).ok())
            .collect();
        for (input, output) in self.files.iter().zip(outputs) {
            for written in input.written(output) {
                if fs::canonicalize(&written).is_ok_and(|existing| originals.contains(&existing)) {
                    return Err(InputError::Original(written));
                }
            }
        }
        Ok(())
    }
}

/// Whether a path is that of a folder: one that is there, or one that ends as only the name of a folder does.
fn ends_as_folder(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    name.ends_with(b"/") || name.ends_with(b"/.") || path.is_dir()
}

/// Compares paths folder by folder, and names by the numbers in them: `clip2` before `clip10`.
fn natural_order(a: &Path, b: &Path) -> Ordering {
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
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use std::{ffi::OsStr, fs::File, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

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

    fn found(arguments: &[&Path]) -> Result<Inputs, InputError> {
        let arguments: Vec<OsString> = arguments.iter().map(|path| path.as_os_str().to_owned()).collect();
        find(&arguments, Path::new("/nonexistent/out"))
    }

    fn relative(found: &Inputs) -> Vec<String> {
        found
            .files
            .iter()
            .map(|input| input.relative.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_folder_gives_its_videos_and_those_of_its_subfolders_in_natural_order() {
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
        assert_eq!(relative(&found(&[folder.path()]).unwrap()), expected);
    }

    #[test]
    fn a_file_is_taken_whatever_its_name_and_only_once() {
        let folder = folder_with(&["one.dat", "rear/two.mp4"]);
        let one = folder.path().join("one.dat");
        let again = folder.path().join("rear/../one.dat");
        symlink(&one, folder.path().join("link.mp4")).unwrap();
        let all = found(&[&one, folder.path(), &again, &one]).unwrap();
        assert_eq!(relative(&all), ["link.mp4", "rear/two.mp4"]);
    }

    #[test]
    fn names_may_have_any_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"nacht \xff\xfe.mp4");
        File::create(folder.path().join(name)).unwrap();
        let found = found(&[folder.path()]).unwrap();
        let [input] = found.files.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(input.relative.as_os_str(), name);
        let outputs = found.outputs(Path::new("/nonexistent/out"), Some("mkv")).unwrap();
        let expected = OsStr::from_bytes(b"/nonexistent/out/nacht \xff\xfe.mkv");
        assert_eq!(outputs[0].as_os_str(), expected);
    }

    #[test]
    fn a_pattern_that_the_shell_has_not_expanded_is_expanded_and_keeps_the_folders_that_it_matched() {
        let folder = folder_with(&["front/1.mp4", "rear/1.mp4", "rear/1.srt", "rear/.2.mp4", "[x].mp4"]);
        let matched = found(&[&folder.path().join("*/*")]).unwrap();
        assert_eq!(relative(&matched), ["front/1.mp4", "rear/1.mp4"]);
        let folders = found(&[&folder.path().join("[fr]*")]).unwrap();
        assert_eq!(relative(&folders), ["front/1.mp4", "rear/1.mp4"]);
        // A file name that looks like a pattern.
        assert_eq!(
            relative(&found(&[&folder.path().join("[x].mp4")]).unwrap()),
            ["[x].mp4"]
        );
    }

    #[test]
    fn an_argument_that_names_nothing_is_named_in_the_error() {
        let folder = folder_with(&["notes.txt", "empty/notes.txt"]);
        for missing in ["gone.mp4", "*.mp4", "[", "e?pty/*.mp4"] {
            let error = found(&[&folder.path().join(missing)]).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
        let error = found(&[&folder.path().join("empty")]).unwrap_err().to_string();
        assert!(error.contains("empty") && error.contains("no video"), "{error}");
        let error = found(&[Path::new("/dev/null")]).unwrap_err().to_string();
        assert_eq!(error, "'/dev/null' is neither a file nor a folder");
    }

    #[test]
    fn the_output_folder_is_not_searched_for_inputs() {
        let folder = folder_with(&["clip.mp4", "restored/clip.mp4"]);
        let out = folder.path().join("restored");
        let given = [folder.path().as_os_str().to_owned()];
        assert_eq!(relative(&find(&given, &out).unwrap()), ["clip.mp4"]);
    }

    #[test]
    fn a_loop_of_links_ends_and_is_reported() {
        let folder = folder_with(&["clips/1.mp4"]);
        symlink(folder.path(), folder.path().join("clips/up")).unwrap();
        let found = found(&[folder.path()]).unwrap();
        assert_eq!(relative(&found), ["clips/1.mp4"]);
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
        let error = outputs(&day, "/o/sharp.mkv", None).unwrap_err().to_string();
        assert!(error.contains("2 files") && error.contains("folder"), "{error}");
        let notes = folder.path().join("notes.txt");
        File::create(&notes).unwrap();
        let error = outputs(&one, notes.to_str().unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("notes.txt' is a file but not a video"), "{error}");
        // A folder may have the extension of a video.
        let odd = folder.path().join("odd.mp4");
        fs::create_dir(&odd).unwrap();
        assert_eq!(outputs(&one, odd.to_str().unwrap(), None).unwrap(), [odd.join("1.mp4")]);
    }

    #[test]
    fn the_name_of_what_is_not_written_is_not_taken_for_a_folder() {
        let folder = folder_with(&["clip.mp4"]);
        let found = found(&[folder.path()]).unwrap();
        for name in ["out.gif", "out.GIF", "frames.png", "sound.mp3", "clip.h264"] {
            let error = found.outputs(&folder.path().join(name), None).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = found.outputs(Path::new("-"), None).unwrap_err();
        assert!(error.to_string().contains("standard output"), "{error}");
        for name in ["2026.11.28", "ride.day1", "out", "./-"] {
            let outputs = found.outputs(&folder.path().join(name), None).unwrap();
            assert_eq!(outputs, [folder.path().join(name).join("clip.mp4")]);
        }
        // One that is there already has been named by intention.
        fs::create_dir(folder.path().join("all.png")).unwrap();
        assert!(found.outputs(&folder.path().join("all.png"), None).is_ok());
    }

    #[test]
    fn two_inputs_with_one_output_are_refused_and_so_is_an_output_that_is_an_input() {
        let folder = folder_with(&["a/1.mp4", "b/1.mp4", "c/1.mp4", "c/1.mov"]);
        let at = |name: &str| folder.path().join(name);
        let both = found(&[&at("a"), &at("b")]).unwrap();
        let error = both.outputs(Path::new("/o"), None).unwrap_err().to_string();
        for name in ["a/1.mp4", "b/1.mp4", "/o/1.mp4"] {
            assert!(error.contains(name), "{error}");
        }
        let error = found(&[&at("c")]).unwrap().outputs(Path::new("/o"), Some("mkv"));
        assert!(matches!(error, Err(InputError::SameOutput { .. })), "{error:?}");
        for out in [at("a"), at("b/../a"), at("a/1.mp4")] {
            let inputs = found(&[&at("a/1.mp4")]).unwrap();
            let error = inputs.check_originals(&inputs.outputs(&out, None).unwrap());
            assert!(matches!(error, Err(InputError::Original(_))), "{error:?}");
        }
    }
}
