// SPDX-License-Identifier: MPL-2.0

//! What a run will write, all of it known before the work begins: no file of it may be an input, or be written for another input as well.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{input::Input, output_name, pictures::PictureRun};
use crate::error::Error;

/// What is written for each input.
#[derive(Debug, Clone, Copy)]
pub enum Written {
    /// The restored file, with its report if that is wanted.
    Output { report: bool },
    /// One frame, before and after.
    Preview,
}

/// An input, and where its output goes.
#[derive(Debug)]
pub struct PlannedFile {
    pub input: PathBuf,
    pub output: PathBuf,
    /// The pictures, where the input is not a file.
    pub pictures: Option<PictureRun>,
    /// Why the output has another name than was asked for.
    pub note: Option<String>,
    /// Why the file cannot be restored together with the others.
    pub conflict: Option<Error>,
}

/// Plans what is written for the inputs, whose outputs are `outputs`.
pub fn plan_files(inputs: &[Input], outputs: &[PathBuf], written: Written) -> Vec<PlannedFile> {
    let planned = |(input, output): (&Input, &PathBuf)| {
        let (output, note) = match (written, &input.pictures) {
            (Written::Output { .. }, None) => output_name::supported_name(output),
            _ => (output.clone(), None),
        };
        PlannedFile {
            input: input.path.clone(),
            output,
            pictures: input.pictures.clone(),
            note,
            conflict: None,
        }
    };
    let mut files: Vec<PlannedFile> = inputs.iter().zip(outputs).map(planned).collect();
    let originals: Vec<PathBuf> = inputs.iter().flat_map(Input::originals).collect();
    let mut claims = Claims::of(&originals);
    // All outputs first: what is beside one never takes the place of another.
    for file in &mut files {
        file.conflict = main_files(file, written)
            .iter()
            .find_map(|path| claims.claim(path).err());
    }
    for file in files.iter_mut().filter(|file| file.conflict.is_none()) {
        file.conflict = beside(file, written).iter().find_map(|path| claims.claim(path).err());
    }
    files
}

fn main_files(file: &PlannedFile, written: Written) -> Vec<PathBuf> {
    match (written, &file.pictures) {
        (Written::Output { .. }, Some(run)) => run.outputs(&file.output),
        (Written::Output { .. }, None) => vec![file.output.clone()],
        (Written::Preview, _) => output_name::preview(&file.output).into(),
    }
}

fn beside(file: &PlannedFile, written: Written) -> Vec<PathBuf> {
    let Written::Output { report } = written else {
        return Vec::new();
    };
    let output = &file.output;
    let mut paths = vec![output_name::work_folder(output), output_name::record(output)];
    paths.extend(file.pictures.is_none().then(|| output_name::track(output)));
    paths.extend(report.then(|| output_name::report(output)));
    paths
}

/// The originals, and what is written, each by its place in the file system.
struct Claims<'a> {
    /// Each original, and for each folder that holds originals one of them.
    originals: HashMap<PathBuf, &'a Path>,
    written: HashMap<PathBuf, PathBuf>,
}

impl<'a> Claims<'a> {
    fn of(inputs: &'a [PathBuf]) -> Self {
        let mut originals = HashMap::new();
        for input in inputs {
            for place in place(input).ancestors() {
                // What is above a folder that is known is known as well.
                if originals.insert(place.to_owned(), input.as_path()).is_some() {
                    break;
                }
            }
        }
        Self {
            originals,
            written: HashMap::new(),
        }
    }

    /// Claims a file or folder for one input.
    ///
    /// # Errors
    /// [`Error::IsInput`] for an original and for a folder that holds one, [`Error::Taken`] for what is written for another input.
    fn claim(&mut self, path: &Path) -> Result<(), Error> {
        let place = place(path);
        if let Some(original) = self.originals.get(&place) {
            return Err(Error::IsInput {
                path: (*original).to_owned(),
            });
        }
        if self.written.contains_key(&place) {
            return Err(Error::Taken { path: path.to_owned() });
        }
        self.written.insert(place, path.to_owned());
        Ok(())
    }
}

/// Returns where a file is, or will be: without links in its folders, as far as these exist. What has the name itself is not followed if it does not exist.
fn place(path: &Path) -> PathBuf {
    if let Ok(place) = fs::canonicalize(path) {
        return place;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => place(folder).join(name),
        _ => absolute,
    }
}

/// Checks that a file can be made at `path`, or put in place of what is there.
///
/// # Errors
/// [`Error::Unwritable`] for a folder, a link, a device and the like. [`Error::Exists`] for a file, unless it may be replaced.
pub fn check_free(path: &Path, replace: bool) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && replace => Ok(()),
        Ok(found) if found.is_file() => Err(Error::Exists { path: path.to_owned() }),
        Ok(found) => {
            let kind = if found.is_symlink() { "a link" } else { "no file" };
            Err(Error::unwritable(
                path,
                format!("what has this name is {kind}; remove it, or name another output"),
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::unwritable(path, crate::error::reason(&error))),
    }
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::symlink;

    use super::*;

    const REPORT: Written = Written::Output { report: true };

    /// Makes the inputs, and returns for each whether it can be restored with the others.
    fn planned(folder: &Path, pairs: &[(&str, &str)], written: Written) -> Vec<Option<String>> {
        let at = |name: &str| folder.join(name);
        let (inputs, outputs): (Vec<_>, Vec<_>) = pairs.iter().map(|(input, output)| (at(input), at(output))).unzip();
        for input in &inputs {
            fs::create_dir_all(input.parent().unwrap()).unwrap();
            fs::write(input, "original").unwrap();
        }
        let inputs: Vec<Input> = inputs
            .into_iter()
            .map(|path| Input {
                relative: path.clone(),
                path,
                pictures: None,
            })
            .collect();
        let files = plan_files(&inputs, &outputs, written);
        files
            .into_iter()
            .map(|file| file.conflict.map(|error| error.to_string()))
            .collect()
    }

    #[test]
    fn nothing_that_is_written_may_be_an_original() {
        for (input, output) in [
            ("clip.mp4", "clip.mp4"),
            ("ride.mp4.gpx", "ride.mp4"),
            ("ride.mp4.html", "ride.mp4"),
            ("ride.mp4.json", "ride.mp4"),
            ("out.mp4.blurdm/00000.mp4", "out.mp4"),
            ("clip.mkv", "clip.avi"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let [conflict] = &planned(folder.path(), &[(input, output)], REPORT)[..] else {
                panic!()
            };
            let conflict = conflict.as_ref().unwrap();
            assert!(
                conflict.contains(input) && conflict.contains("is the original"),
                "{conflict}"
            );
        }
    }

    #[test]
    fn the_originals_of_other_inputs_are_safe_as_well_whatever_the_outputs_become() {
        let folder = tempfile::tempdir().unwrap();
        let conflicts = planned(folder.path(), &[("a/x.avi", "b/x.avi"), ("b/x.mkv", "c/x.mkv")], REPORT);
        assert!(conflicts[0].as_ref().unwrap().contains("b/x.mkv"), "{conflicts:?}");
        assert_eq!(conflicts[1], None);
    }

    #[test]
    fn links_do_not_hide_that_a_file_is_an_original() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
        let conflicts = planned(folder.path(), &[("real/x.mp4.json", "link/x.mp4")], REPORT);
        assert!(conflicts[0].is_some());
    }

    #[test]
    fn two_files_are_not_written_to_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let pairs = [("1.avi", "o/1.avi"), ("1.mkv", "o/1.mkv"), ("2.mp4", "o/1.mkv.json")];
        let conflicts = planned(folder.path(), &pairs, REPORT);
        assert_eq!(conflicts[0], None);
        assert!(
            conflicts[1].as_ref().unwrap().contains("another file of this run"),
            "{conflicts:?}"
        );
        let both = planned(folder.path(), &[("c.mp4", "p/c.mp4"), ("c.mov", "p/c.mov")], REPORT);
        assert_eq!(both, [None, None]);
        let preview = planned(
            folder.path(),
            &[("c.mp4", "p/c.mp4"), ("c.mov", "p/c.mov")],
            Written::Preview,
        );
        assert!(preview[0].is_none() && preview[1].is_some(), "{preview:?}");
    }

    #[test]
    fn only_a_plain_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nothing"), at("broken")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        assert!(check_free(&at("new"), false).is_ok());
        assert!(check_free(&at("file"), true).is_ok());
        assert!(matches!(check_free(&at("file"), false), Err(Error::Exists { .. })));
        for name in ["link", "broken", "folder"] {
            let error = check_free(&at(name), true);
            assert!(matches!(error, Err(Error::Unwritable { .. })), "{name}: {error:?}");
        }
    }
}
