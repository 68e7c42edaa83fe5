// SPDX-License-Identifier: MPL-2.0

//! Stores the engines that a provider builds from graphs, which takes minutes, between starts.
//!
//! An engine is valid for one runtime, one version of the provider's library, one device, one model and one size. Each
//! such key has a folder of its own, whose `key.toml` holds the key and the hashes of the files. A folder is filled
//! under another name and renamed when it is complete, so that an interrupted build is never used. A folder that does
//! not match its `key.toml` is built again.
//!
//! An engine is a program. So the cache, its folders and files must belong to this user, and nobody else may write to
//! them; what does not is not used. The hashes in `key.toml` tell damage and not forgery: they lie beside what they
//! are of, and whoever can write as this user can write both.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::owned;
use crate::engine::{frame_size::FrameSize, precision::Precision, provider::Provider, regular_file};

const KEY_FILE: &str = "key.toml";

/// The largest `key.toml` and the largest engine, in bytes.
const LARGEST_KEY: u64 = 1 << 20;
const LARGEST_ENGINE: u64 = 1 << 36;

/// The number of hexadecimal digits of a key's digest in the name of its folder.
const NAME_DIGITS: usize = 16;

/// What an engine is valid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The version of ONNX Runtime.
    pub runtime: String,
    pub provider: String,
    /// The version of the library that builds, such as TensorRT's.
    pub builder: String,
    /// The name, the compute capability and the driver of the device.
    pub device: String,
    /// The hash of the bundle.
    pub model: String,
    pub size: (usize, usize),
    pub precision: String,
}

impl CacheKey {
    pub(crate) fn new(provider: Provider, precision: Precision, size: FrameSize) -> Self {
        Self {
            runtime: String::new(),
            provider: provider.nick().into(),
            builder: String::new(),
            device: String::new(),
            model: String::new(),
            size: (size.width, size.height),
            precision: precision.nick().into(),
        }
    }

    /// Returns a name such as "tensorrt-640x360-fp16-0123456789abcdef".
    fn folder_name(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let (width, height) = self.size;
        format!(
            "{}-{width}x{height}-{}-{}",
            self.provider,
            self.precision,
            &digits[..NAME_DIGITS]
        )
    }
}

/// The contents of `key.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    key: CacheKey,
    /// The SHA-256 of each file in the folder.
    files: BTreeMap<String, String>,
}

/// The folder of one key's engines.
#[derive(Debug)]
pub struct CacheFolder {
    /// The folder's path once it is complete.
    destination: PathBuf,
    /// Where the provider reads and writes: `destination`, or the folder that will be renamed to it.
    working: PathBuf,
    key: CacheKey,
    complete: bool,
}

impl CacheFolder {
    /// Opens the folder of a key under `root`: the complete one, or an empty one to build in. Incomplete folders of
    /// processes that have ended are removed.
    ///
    /// # Errors
    /// When `root` cannot be created or written to, belongs to another user, or can be written by others.
    pub fn open(root: &Path, key: CacheKey) -> io::Result<Self> {
        private().recursive(true).create(root)?;
        let root = &*owned::folder(root)?;
        let destination = root.join(key.folder_name());
        if is_complete(&destination, &key) {
            return Ok(Self {
                working: destination.clone(),
                destination,
                key,
                complete: true,
            });
        }
        remove(&destination)?;
        remove_abandoned(root, &key.folder_name());
        let working = root.join(format!("{}.{}{BUILDING}", key.folder_name(), process::id()));
        remove(&working)?;
        private().create(&working)?;
        Ok(Self {
            destination,
            working,
            key,
            complete: false,
        })
    }

    /// Returns the folder that the provider reads and writes.
    pub fn path(&self) -> &Path {
        &self.working
    }

    /// Returns whether the folder holds the engines of an earlier start.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Marks the folder as complete, so that later starts find it. An empty folder is removed: the provider built
    /// nothing.
    ///
    /// # Errors
    /// When the folder cannot be written. This start can use its engines, the next one must build them again.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.complete {
            return Ok(());
        }
        for entry in fs::read_dir(&self.working)? {
            owned::make_private(&entry?.path())?;
        }
        let files = hashes(&self.working)?;
        if files.is_empty() {
            return remove(&self.working);
        }
        let contents = Contents {
            key: self.key.clone(),
            files,
        };
        let text = toml::to_string(&contents).map_err(io::Error::other)?;
        let key_file = self.working.join(KEY_FILE);
        fs::write(&key_file, text)?;
        owned::make_private(&key_file)?;
        match fs::rename(&self.working, &self.destination) {
            // Another process has built the same engines.
            Err(_) if is_complete(&self.destination, &self.key) => remove(&self.working)?,
            other => other?,
        }
        self.working = self.destination.clone();
        self.complete = true;
        Ok(())
    }

    /// Removes engines that the provider cannot use, and opens an empty folder to build in.
    ///
    /// # Errors
    /// As [`CacheFolder::open`].
    pub fn discard(self) -> io::Result<Self> {
        remove(&self.working)?;
        let root = self.destination.parent().unwrap_or(Path::new("/")).to_owned();
        Self::open(&root, self.key.clone())
    }
}

/// The suffix of a folder that is being filled.
const BUILDING: &str = ".building";

impl Drop for CacheFolder {
    fn drop(&mut self) {
        if !self.complete {
            // Whatever cannot be removed here, the next build for this key removes.
            let _ = remove(&self.working);
        }
    }
}

/// Returns what creates folders for this user only.
fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Whether a folder is this user's alone and holds the engines of a key.
fn is_complete(path: &Path, key: &CacheKey) -> bool {
    // A link is another folder's name.
    if !owned::folder(path).is_ok_and(|found| found == path) {
        return false;
    }
    contents(path).is_ok_and(|contents| contents.key == *key && hashes(path).is_ok_and(|files| files == contents.files))
}

fn contents(folder: &Path) -> io::Result<Contents> {
    let file = folder.join(KEY_FILE);
    owned::file(&file)?;
    let text = regular_file::read(&file, LARGEST_KEY)?;
    toml::from_slice(&text).map_err(io::Error::other)
}

/// Returns the SHA-256 of each file of a folder except `key.toml`.
///
/// # Errors
/// When an entry is no file that only this user can write.
fn hashes(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == KEY_FILE {
            continue;
        }
        owned::file(&entry.path())?;
        let mut hash = Sha256::new();
        hash.update(regular_file::read(&entry.path(), LARGEST_ENGINE)?);
        files.insert(name, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
    }
    Ok(files)
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the folders of this name that were being filled by processes that have ended.
fn remove_abandoned(root: &Path, name: &str) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let found = entry.file_name().to_string_lossy().into_owned();
        let builder = found
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(BUILDING)?.parse::<u32>().ok());
        if builder.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            let _ = remove(&entry.path());
        }
    }
}

/// Returns the default cache: `$CACHE_DIRECTORY`, which systemd sets for services, or `blurdm` in this user's cache.
/// `None` where there is neither, as in a service without a home.
pub fn default_cache() -> Option<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let service = from("CACHE_DIRECTORY");
    service.or_else(|| {
        let user = from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")))?;
        Some(user.join("blurdm"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn key() -> CacheKey {
        CacheKey {
            device: "a GPU".into(),
            ..CacheKey::new(
                Provider::TensorRt,
                Precision::Fp16,
                FrameSize {
                    width: 640,
                    height: 360,
                },
            )
        }
    }

    fn built(root: &Path, key: CacheKey) -> CacheFolder {
        let mut folder = CacheFolder::open(root, key).unwrap();
        assert!(!folder.is_complete());
        fs::write(folder.path().join("backbone.engine"), "an engine").unwrap();
        folder.finish().unwrap();
        folder
    }

    fn found(root: &Path, key: CacheKey) -> bool {
        CacheFolder::open(root, key).unwrap().is_complete()
    }

    #[test]
    fn engines_are_found_again_for_the_same_key_only() {
        let root = tempfile::tempdir().unwrap();
        let folder = built(root.path(), key());
        assert_eq!(fs::read(folder.path().join("backbone.engine")).unwrap(), b"an engine");
        assert!(found(root.path(), key()));
        let others: [fn(&mut CacheKey); 6] = [
            |key| key.runtime = "1.30".into(),
            |key| key.builder = "10.9".into(),
            |key| key.device = "another GPU".into(),
            |key| key.model = "another model".into(),
            |key| key.size = (360, 640),
            |key| key.precision = "int8".into(),
        ];
        for change in others {
            let mut other = key();
            change(&mut other);
            assert!(!found(root.path(), other.clone()), "{other:?}");
        }
        assert!(found(root.path(), key()));
    }

    #[test]
    fn damaged_foreign_and_missing_engines_are_built_again() {
        let spoil: [fn(&Path); 5] = [
            |folder| fs::write(folder.join("backbone.engine"), "an engi").unwrap(),
            |folder| fs::write(folder.join("more.engine"), "from elsewhere").unwrap(),
            |folder| fs::remove_file(folder.join("backbone.engine")).unwrap(),
            |folder| fs::write(folder.join(KEY_FILE), "key = 3").unwrap(),
            |folder| fs::remove_file(folder.join(KEY_FILE)).unwrap(),
        ];
        for spoil in spoil {
            let root = tempfile::tempdir().unwrap();
            let folder = built(root.path(), key());
            spoil(folder.path());
            let again = built(root.path(), key());
            assert_eq!(hashes(again.path()).unwrap().len(), 1);
            assert!(found(root.path(), key()));
        }
    }

    #[test]
    fn the_folder_of_another_key_under_this_keys_name_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let other = CacheKey {
            device: "another GPU".into(),
            ..key()
        };
        let folder = built(root.path(), other);
        fs::rename(folder.path(), root.path().join(key().folder_name())).unwrap();
        assert!(!found(root.path(), key()));
    }

    #[test]
    fn an_interrupted_build_is_never_found_and_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let name = key().folder_name();
        // Process ids of Linux are far smaller than this one.
        let abandoned = root.path().join(format!("{name}.4000000000{BUILDING}"));
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("backbone.engine"), "half an").unwrap();
        let of_a_running_process = root.path().join(format!("{name}.1{BUILDING}"));
        fs::create_dir(&of_a_running_process).unwrap();
        let folder = CacheFolder::open(root.path(), key()).unwrap();
        assert!(!folder.is_complete() && fs::read_dir(folder.path()).unwrap().next().is_none());
        assert!(!abandoned.exists() && of_a_running_process.exists());
        let unfinished = folder.path().to_owned();
        drop(folder);
        assert!(!unfinished.exists());
    }

    #[test]
    fn engines_that_a_provider_cannot_use_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let again = built(root.path(), key()).discard().unwrap();
        assert!(!again.is_complete() && fs::read_dir(again.path()).unwrap().next().is_none());
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_cache_and_what_is_in_it_cannot_be_written_by_others() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("blurdm");
        let folder = built(&root, key());
        for path in [&root, folder.path()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        for name in [KEY_FILE, "backbone.engine"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o022, 0, "{name}");
        }
    }

    #[test]
    fn a_cache_that_others_can_write_to_or_exchange_is_not_used() {
        for mode in [0o770, 0o702, 0o777, 0o1777] {
            let parent = tempfile::tempdir().unwrap();
            let root = parent.path().join("blurdm");
            built(&root, key());
            set_mode(&root, mode);
            let error = CacheFolder::open(&root, key()).unwrap_err().to_string();
            assert!(error.contains("written by others; run chmod go-w"), "{error}");
            set_mode(&root, 0o755);
            assert!(found(&root, key()), "{mode:o}");
            // The folder that it lies in.
            set_mode(parent.path(), 0o777);
            let error = CacheFolder::open(&root, key()).unwrap_err().to_string();
            assert!(error.contains("everybody"), "{error}");
        }
    }

    #[test]
    fn a_cache_of_another_user_is_not_used() {
        let own = tempfile::tempdir().unwrap();
        // Only root can give a folder away, and has none of another user's; all others have root's.
        let foreign = if rustix::process::geteuid().is_root() {
            chown(own.path(), Some(12_345), None).unwrap();
            own.path()
        } else {
            Path::new("/usr")
        };
        let error = CacheFolder::open(foreign, key()).unwrap_err().to_string();
        assert!(error.contains("belongs to another user"), "{error}");
    }

    #[test]
    fn a_link_to_a_cache_is_followed_and_what_it_leads_to_is_what_is_checked() {
        let parent = tempfile::tempdir().unwrap();
        let (root, link) = (parent.path().join("blurdm"), parent.path().join("link"));
        built(&root, key());
        symlink(&root, &link).unwrap();
        assert!(found(&link, key()));
        set_mode(&root, 0o777);
        assert!(CacheFolder::open(&link, key()).is_err());
    }

    #[test]
    fn engines_that_others_can_write_and_links_are_built_again() {
        let elsewhere = tempfile::tempdir().unwrap();
        let outside = elsewhere.path().join("backbone.engine");
        fs::write(&outside, "an engine").unwrap();
        type Spoil<'a> = &'a dyn Fn(&Path);
        let replace = |name: &str, folder: &Path, put: &dyn Fn(&Path)| {
            fs::remove_file(folder.join(name)).unwrap();
            put(&folder.join(name));
        };
        let spoils: [(&str, Spoil<'_>); 7] = [
            ("folder", &|folder| set_mode(folder, 0o770)),
            ("engine", &|folder| set_mode(&folder.join("backbone.engine"), 0o666)),
            ("key", &|folder| set_mode(&folder.join(KEY_FILE), 0o620)),
            ("link", &|folder| {
                replace("backbone.engine", folder, &|path| symlink(&outside, path).unwrap());
            }),
            ("hard link", &|folder| {
                replace("backbone.engine", folder, &|path| {
                    fs::hard_link(&outside, path).unwrap()
                });
            }),
            ("one more link", &|folder| {
                symlink(&outside, folder.join("more.engine")).unwrap()
            }),
            ("FIFO", &|folder| {
                replace(KEY_FILE, folder, &|path| {
                    mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
                });
            }),
        ];
        for (name, spoil) in spoils {
            let root = tempfile::tempdir().unwrap();
            let folder = built(root.path(), key());
            spoil(folder.path());
            assert!(!found(root.path(), key()), "{name}");
            built(root.path(), key());
            assert!(found(root.path(), key()), "{name}");
        }
        assert_eq!(fs::read(&outside).unwrap(), b"an engine");
        // The folder of a key as a link to one that is complete.
        let root = tempfile::tempdir().unwrap();
        let folder = built(root.path(), key());
        let moved = elsewhere.path().join("moved");
        fs::rename(folder.path(), &moved).unwrap();
        symlink(&moved, root.path().join(key().folder_name())).unwrap();
        assert!(!found(root.path(), key()));
        assert!(moved.join("backbone.engine").exists());
    }

    #[test]
    fn a_root_that_cannot_be_created_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(CacheFolder::open(&file.path().join("cache"), key()).is_err());
    }
}
