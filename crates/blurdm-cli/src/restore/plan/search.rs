// SPDX-License-Identifier: MPL-2.0

//! Finding the files that arguments name: in folders, by patterns, and pictures that are a clip.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use glob::MatchOptions;
use walkdir::{DirEntry, WalkDir};

use super::{
    file_kinds::{is_picture, is_searched, is_unread_picture},
    input::{Input, InputError},
    output_name::WORK_EXTENSION,
    pictures::{self, PictureRun},
};

/// What has been found so far.
#[derive(Debug)]
pub struct Search {
    /// The output folder, which is not searched.
    out: Option<PathBuf>,
    /// Videos, and files of any other name that were given.
    files: Vec<Input>,
    pictures: Vec<FoundPicture>,
    unreadable: Vec<walkdir::Error>,
}

#[derive(Debug)]
struct FoundPicture {
    path: PathBuf,
    relative: PathBuf,
    /// Whether it is restored on its own too.
    is_named: bool,
}

impl Search {
    /// Begins one that leaves the folder `out` alone.
    pub fn new(out: &Path) -> Self {
        Self {
            out: fs::canonicalize(out).ok(),
            files: Vec::new(),
            pictures: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// Returns what has been found, in no order and some of it twice, and the subfolders that cannot be read.
    pub fn finish(mut self) -> (Vec<Input>, Vec<walkdir::Error>) {
        let clips = self.clips();
        self.files.extend(clips);
        (self.files, self.unreadable)
    }

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

    /// Adds the files that an argument names.
    ///
    /// # Errors
    /// One that names no video, or that cannot be read.
    pub fn argument(&mut self, argument: &OsStr) -> Result<(), InputError> {
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
        if is_picture(&path) || is_unread_picture(&path) {
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

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether an entry is a folder that this command writes to.
fn is_own(entry: &DirEntry, out: Option<&Path>) -> bool {
    let work = || entry.path().extension() == Some(OsStr::new(WORK_EXTENSION));
    let output = || out.is_some_and(|out| fs::canonicalize(entry.path()).is_ok_and(|folder| folder == out));
    entry.file_type().is_dir() && (work() || output())
}
