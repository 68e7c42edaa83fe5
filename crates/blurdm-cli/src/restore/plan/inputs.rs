// SPDX-License-Identifier: MPL-2.0

//! Finding the input files, and naming their outputs.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use glob::MatchOptions;
use mp4_splice::Movie;
use walkdir::{DirEntry, WalkDir};

use super::{
    output_name::WORK_EXTENSION,
    pictures::{self, PictureRun},
};
use crate::error::{CommandError, Error};

/// Extensions of video files.
const VIDEO_EXTENSIONS: [&str; 38] = [
    "3g2", "3gp", "3gpp", "asf", "avi", "divx", "dv", "f4v", "flv", "insv", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4v",
    "mk3d", "mkv", "mod", "mov", "mp4", "mp4v", "mpe", "mpeg", "mpg", "mts", "mxf", "ogv", "qt", "rm", "rmvb", "tod",
    "trp", "ts", "vob", "webm", "wmv", "y4m",
];

/// Extensions of further files that are searched for in folders. No output of such a name is written.
const SEARCHED_EXTENSIONS: [&str; 6] = ["264", "265", "h264", "h265", "hevc", "ogg"];

/// Extensions of other files that hold video. Those in folders are not searched for, but an output of such a name is a file.
const OTHER_VIDEO_EXTENSIONS: [&str; 5] = ["mka", "mkv3d", "mpv", "nut", "ogm"];

/// Extensions of files that may be something else, as sound, a tracker's music, or `go.mod`, and what those with video have among their first bytes: the
/// headers of Theora, VP8 and Dirac in Ogg, a pack of MPEG-PS, and the media type of RealVideo.
const AMBIGUOUS: [(&str, &[&[u8]]); 3] = [
    ("ogg", &[b"\x80theora", b"OVP80", b"BBCD"]),
    ("mod", &[&[0, 0, 1, 0xba]]),
    ("rm", &[b"video/x-pn-realvideo"]),
];

/// So many bytes of them are looked at.
const LOOKED_AT: u64 = 1 << 16;

/// Extensions of pictures, of which numbered ones are a clip.
const PICTURE_EXTENSIONS: [&str; 11] = [
    "bmp", "jpe", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Extensions of pictures that programs write as the frames of a clip, and that are not read.
const UNREAD_EXTENSIONS: [&str; 8] = ["avif", "cin", "dpx", "exr", "hdr", "jp2", "jxl", "tga"];

/// Extensions of files that are not written. A folder is not named so by intention.
const OTHER_EXTENSIONS: [&str; 29] = [
    "264", "265", "aac", "ac3", "apng", "avif", "bmp", "flac", "gif", "h264", "h265", "hevc", "jpeg", "jpg", "m3u8",
    "m4a", "m4b", "mks", "mp3", "mpd", "oga", "ogg", "opus", "png", "tif", "tiff", "wav", "webp", "wma",
];

/// The name that other programs take for their standard output.
const STANDARD_OUTPUT: &str = "-";

/// A file to be restored, or pictures that are the frames of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Of pictures with their pattern as the name.
    pub path: PathBuf,
    /// Path relative to the given folder, or to the fixed part of a pattern. The output folder has the same structure.
    pub relative: PathBuf,
    pub pictures: Option<PictureRun>,
}

impl Input {
    /// Returns the files that it consists of.
    pub fn originals(&self) -> Vec<PathBuf> {
        match &self.pictures {
            Some(run) => run.paths().collect(),
            None => vec![self.path.clone()],
        }
    }

    /// Returns the files that its output consists of.
    fn written(&self, output: &Path) -> Vec<PathBuf> {
        match &self.pictures {
            Some(run) => run.outputs(output),
            None => vec![output.to_owned()],
        }
    }
}

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

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("there is no file or folder '{}'", .0.display())]
    Missing(PathBuf),
    #[error("'{}' cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: io::Error },
    #[error("'{}' is neither a file nor a folder", .0.display())]
    NotAFile(PathBuf),
    #[error("there is no video in '{}': no file in it has one of the extensions {}, and no two of it are pictures ({}) whose names differ in a number only; a picture on its own is restored where it is named itself", .0.display(), [&VIDEO_EXTENSIONS[..], &SEARCHED_EXTENSIONS].concat().join(", "), PICTURE_EXTENSIONS.join(", "))]
    NoVideo(PathBuf),
    #[error("'{}' cannot be the output of pictures: name a folder, in which they get the same names; ffmpeg -i, or GStreamer's multifilesrc, makes a video of them", .0.display())]
    VideoOfPictures(PathBuf),
    #[error("'{}' cannot be the output of {files} files: name a folder", out.display())]
    OneOutput { out: PathBuf, files: usize },
    #[error("'{}' is a file but not a video: name a folder, or a file with the extension of a video", .0.display())]
    NotAFolder(PathBuf),
    #[error("'{}' has the extension of a file that is not written: name a folder, or a file with the extension of a video such as .mp4 or .mkv", .0.display())]
    NotWritten(PathBuf),
    #[error("videos are not written to standard output: name a file or a folder, or './-' for a folder of that name")]
    StandardOutput,
    #[error("'{}' and '{}' would both be restored to '{}': give a folder that contains both, or restore them to different folders", first.display(), second.display(), output.display())]
    SameOutput {
        first: PathBuf,
        second: PathBuf,
        output: PathBuf,
    },
    #[error("'{}' is an original, which is never overwritten: name another output", .0.display())]
    Original(PathBuf),
}

impl From<InputError> for CommandError {
    fn from(error: InputError) -> Self {
        match error {
            // The argument is right, and the file is not.
            InputError::Unreadable { path, reason } => Self::File(Error::unreadable(path, reason)),
            error => Self::Arguments(error.to_string()),
        }
    }
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
    let mut search = Search {
        out: fs::canonicalize(out).ok(),
        files: Vec::new(),
        pictures: Vec::new(),
        unreadable: Vec::new(),
    };
    for argument in given {
        search.argument(argument)?;
    }
    let clips = search.clips();
    let mut files = search.files;
    files.extend(clips);
    files.sort_by(|a, b| natural_order(&a.path, &b.path));
    let mut seen = HashSet::with_capacity(files.len());
    files.retain(|input| seen.insert(fs::canonicalize(&input.path).unwrap_or_else(|_| input.path.clone())));
    Ok(Inputs {
        is_single_file: matches!(given, [only] if Path::new(only).is_file()),
        files,
        unreadable: search.unreadable,
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
        let is_other = has_extension(out, &OTHER_EXTENSIONS) || is_picture(out) || is_unread_picture(out);
        if is_other && !out.exists() && !is_folder && !names_picture {
            return Err(InputError::NotWritten(out.to_owned()));
        }
        let names_video = !is_folder && (is_video(out) || has_extension(out, &OTHER_VIDEO_EXTENSIONS));
        if names_video && self.files.iter().any(|input| input.pictures.is_some()) {
            return Err(InputError::VideoOfPictures(out.to_owned()));
        }
        let names_file = names_video || names_picture;
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

struct Search {
    out: Option<PathBuf>,
    /// Videos, and files of any other name that were given.
    files: Vec<Input>,
    pictures: Vec<FoundPicture>,
    unreadable: Vec<walkdir::Error>,
}

struct FoundPicture {
    path: PathBuf,
    relative: PathBuf,
    /// Whether it is restored on its own too.
    is_named: bool,
}

impl Search {
    /// Returns the clips that the pictures are: those of one folder each, without the thumbnails that cameras write beside videos of the same name.
    fn clips(&mut self) -> Vec<Input> {
        let videos: HashSet<PathBuf> = self.files.iter().map(|file| file.path.with_extension("")).collect();
        let found = std::mem::take(&mut self.pictures);
        let is_thumbnail = |found: &FoundPicture| !found.is_named && videos.contains(&found.path.with_extension(""));
        let mut folders: BTreeMap<(PathBuf, PathBuf), BTreeMap<PathBuf, bool>> = BTreeMap::new();
        for found in found.into_iter().filter(|found| !is_thumbnail(found)) {
            let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
            let folder = folders
                .entry((folder(&found.path), folder(&found.relative)))
                .or_default();
            *folder.entry(found.path).or_default() |= found.is_named;
        }
        let mut clips = Vec::new();
        for ((folder, relative), pictures) in folders {
            let paths: Vec<PathBuf> = pictures.keys().cloned().collect();
            let (runs, mut rest) = pictures::group(&paths);
            rest.retain(|path| pictures.get(path).copied().unwrap_or_default());
            let singles = rest.iter().map(|path| PictureRun::single(path));
            clips.extend(runs.into_iter().chain(singles).map(|run| Input {
                path: folder.join(run.pattern()),
                relative: relative.join(run.pattern()),
                pictures: Some(run),
            }));
        }
        clips
    }

    fn argument(&mut self, argument: &OsStr) -> Result<(), InputError> {
        let path = Path::new(argument);
        match fs::metadata(path) {
            Ok(_) => self.path(path, file_name(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match argument.to_str() {
                Some(pattern) if pattern.contains(['*', '?', '[']) => self.pattern(pattern),
                _ => Err(InputError::Missing(path.to_owned())),
            },
            Err(reason) => Err(InputError::Unreadable {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    fn path(&mut self, path: &Path, relative: PathBuf) -> Result<(), InputError> {
        if path.is_dir() {
            return self.folder(path, Path::new(""));
        }
        if !path.is_file() {
            return Err(InputError::NotAFile(path.to_owned()));
        }
        self.add(path.to_owned(), relative, true);
        Ok(())
    }

    fn add(&mut self, path: PathBuf, relative: PathBuf, is_named: bool) {
        if is_picture(&path) || has_extension(&path, &UNREAD_EXTENSIONS) {
            self.pictures.push(FoundPicture {
                path,
                relative,
                is_named,
            });
        } else if is_named || is_searched(&path) {
            self.files.push(Input {
                path,
                relative,
                pictures: None,
            });
        }
    }

    /// Adds the videos and pictures in a folder. `relative` is the path of the folder in the output.
    fn folder(&mut self, folder: &Path, relative: &Path) -> Result<(), InputError> {
        let (before, pictures_before) = (self.files.len(), self.pictures.len());
        let out = self.out.clone();
        let wanted = |entry: &DirEntry| entry.depth() == 0 || !(is_hidden(entry) || is_own(entry, out.as_deref()));
        // Links are followed, since archives often consist of them. walkdir detects loops.
        for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(wanted) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => {
                    return Err(InputError::Unreadable {
                        path: folder.to_owned(),
                        reason: error.into(),
                    });
                }
                Err(error) => {
                    self.unreadable.push(error);
                    continue;
                }
            };
            if entry.file_type().is_file() {
                let inner = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                let relative = relative.join(inner);
                self.add(entry.into_path(), relative, false);
            }
        }
        if self.files.len() == before && !has_clip(&self.pictures[pictures_before..]) {
            return Err(InputError::NoVideo(folder.to_owned()));
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &str) -> Result<(), InputError> {
        let missing = || InputError::Missing(PathBuf::from(pattern));
        let options = MatchOptions {
            require_literal_leading_dot: true,
            ..MatchOptions::default()
        };
        let fixed = fixed_part(Path::new(pattern));
        let before = self.files.len() + self.pictures.len();
        for path in glob::glob_with(pattern, options).map_err(|_| missing())? {
            let path = path.map_err(|error| InputError::Unreadable {
                path: error.path().to_owned(),
                reason: error.into(),
            })?;
            let relative = path.strip_prefix(&fixed).unwrap_or(&path).to_owned();
            if path.is_dir() {
                match self.folder(&path, &relative) {
                    Ok(()) | Err(InputError::NoVideo(_)) => {}
                    Err(error) => return Err(error),
                }
            } else if is_searched(&path) || path.extension() == Path::new(pattern).extension() {
                self.path(&path, relative)?;
            } else if path.is_file() {
                self.add(path, relative, false);
            }
        }
        if self.files.len() + self.pictures.len() == before {
            return Err(missing());
        }
        Ok(())
    }
}

/// Whether any of the pictures are a clip.
fn has_clip(found: &[FoundPicture]) -> bool {
    let mut folders: BTreeMap<Option<&Path>, Vec<PathBuf>> = BTreeMap::new();
    for found in found {
        folders.entry(found.path.parent()).or_default().push(found.path.clone());
    }
    folders.values().any(|pictures| !pictures::group(pictures).0.is_empty())
}

fn file_name(path: &Path) -> PathBuf {
    path.file_name().map(PathBuf::from).unwrap_or_default()
}

/// Returns the folders of a pattern before the first one with a wildcard.
fn fixed_part(pattern: &Path) -> PathBuf {
    let folders = pattern.parent().into_iter().flat_map(Path::components);
    let is_fixed = |part: &OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
    folders.take_while(|part| is_fixed(part.as_os_str())).collect()
}

fn is_video(path: &Path) -> bool {
    has_extension(path, &VIDEO_EXTENSIONS)
}

/// Whether a file of a folder is restored.
fn is_searched(path: &Path) -> bool {
    (is_video(path) || has_extension(path, &SEARCHED_EXTENSIONS)) && !is_something_else(path)
}

/// Whether a file has the extension of a video and no video. One that cannot be read is none of these: that is told when it is restored.
fn is_something_else(path: &Path) -> bool {
    // Sound recorders of phones write this extension, and the index at either end.
    if has_extension(path, &["3gpp"]) {
        return Movie::open(path).is_ok_and(|movie| movie.tracks().iter().all(|track| &track.handler != b"vide"));
    }
    let Some((_, marks)) = AMBIGUOUS
        .iter()
        .find(|(extension, _)| has_extension(path, &[extension]))
    else {
        return false;
    };
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut bytes));
    let has = |mark: &&[u8]| bytes.windows(mark.len()).any(|window| window == *mark);
    read.is_ok() && !marks.iter().any(has)
}

/// Whether a path is that of a folder: one that is there, or one that ends as only the name of a folder does.
fn ends_as_folder(path: &Path) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    name.ends_with(b"/") || name.ends_with(b"/.") || path.is_dir()
}

fn is_picture(path: &Path) -> bool {
    has_extension(path, &PICTURE_EXTENSIONS)
}

/// Whether pictures of this name are known, but not read.
pub fn is_unread_picture(path: &Path) -> bool {
    has_extension(path, &UNREAD_EXTENSIONS)
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| known.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether an entry is a folder that this command writes to.
fn is_own(entry: &DirEntry, out: Option<&Path>) -> bool {
    let work = || entry.path().extension() == Some(OsStr::new(WORK_EXTENSION));
    let output = || out.is_some_and(|out| fs::canonicalize(entry.path()).is_ok_and(|folder| folder == out));
    entry.file_type().is_dir() && (work() || output())
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
