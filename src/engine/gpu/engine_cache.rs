// SPDX-License-Identifier: MPL-2.0

//! What a provider builds out of a graph, kept between starts: engines that take minutes to build.
//!
//! An engine belongs to one runtime, one provider's library, one device, one model and one size; each such set has a folder of its own, which
//! says in `key.toml` what it was built for and what its files must be. A folder is filled under another name and renamed when it is whole,
//! so that one cut off in writing is never found; one that is not as its `key.toml` says is built again. Nobody else may write there:
//! an engine is a program.

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

use crate::engine::{frame_size::FrameSize, precision::Precision, provider::Provider};

const KEY_FILE: &str = "key.toml";

/// What of a key's digest names a folder, in hexadecimal digits.
const NAME_DIGITS: usize = 16;

/// What an engine is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// ONNX Runtime's version.
    pub runtime: String,
    pub provider: String,
    /// Version of the library that builds: TensorRT's, say.
    pub builder: String,
    /// Name, capability and driver of the device.
    pub device: String,
    /// The bundle's hash.
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

    /// As in "tensorrt-640x360-fp16-0123456789abcdef".
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

/// `key.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    key: CacheKey,
    /// SHA-256 of the files in the folder.
    files: BTreeMap<String, String>,
}

/// A place for one key's engines.
#[derive(Debug)]
pub struct CacheFolder {
    /// Where it is found once it is whole.
    place: PathBuf,
    /// Where the provider reads and writes: `place`, or what will be renamed to it.
    working: PathBuf,
    key: CacheKey,
    whole: bool,
}

impl CacheFolder {
    /// The folder of a key under `root`: the one that is there and is as it was built, or an empty one to build in. What earlier
    /// processes left half built is removed.
    ///
    /// # Errors
    /// When `root` cannot be made or written to.
    pub fn open(root: &Path, key: CacheKey) -> io::Result<Self> {
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(root)?;
        let place = root.join(key.folder_name());
        if is_whole(&place, &key) {
            return Ok(Self {
                working: place.clone(),
                place,
                key,
                whole: true,
            });
        }
        remove(&place)?;
        remove_abandoned(root, &key.folder_name());
        let working = root.join(format!("{}.{}{BUILDING}", key.folder_name(), process::id()));
        remove(&working)?;
        private.create(&working)?;
        Ok(Self {
            place,
            working,
            key,
            whole: false,
        })
    }

    /// What the provider is told.
    pub fn path(&self) -> &Path {
        &self.working
    }

    /// Whether engines of an earlier start are in it.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// All is built: from now on it is found. An empty folder is given up, for a provider that built nothing.
    ///
    /// # Errors
    /// When it cannot be written; what was built is then lost to the next start, and good for this one.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.whole {
            return Ok(());
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
        fs::write(self.working.join(KEY_FILE), text)?;
        match fs::rename(&self.working, &self.place) {
            // Another process was first, with the same.
            Err(_) if is_whole(&self.place, &self.key) => remove(&self.working)?,
            other => other?,
        }
        self.working = self.place.clone();
        self.whole = true;
        Ok(())
    }

    /// Takes away what a provider could not use, to build in an empty folder.
    ///
    /// # Errors
    /// As [`CacheFolder::open`].
    pub fn discard(self) -> io::Result<Self> {
        remove(&self.working)?;
        let root = self.place.parent().unwrap_or(Path::new("/")).to_owned();
        Self::open(&root, self.key.clone())
    }
}

/// Ends the name of a folder that is being built in.
const BUILDING: &str = ".building";

impl Drop for CacheFolder {
    fn drop(&mut self) {
        if !self.whole {
            // What is left here is removed by the next that builds for this key.
            let _ = remove(&self.working);
        }
    }
}

fn is_whole(place: &Path, key: &CacheKey) -> bool {
    let Ok(text) = fs::read_to_string(place.join(KEY_FILE)) else {
        return false;
    };
    let Ok(contents) = toml::from_str::<Contents>(&text) else {
        return false;
    };
    contents.key == *key && hashes(place).is_ok_and(|files| files == contents.files)
}

/// SHA-256 of every file of a folder but `key.toml`.
fn hashes(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == KEY_FILE || !entry.file_type()?.is_file() {
            continue;
        }
        let mut hash = Sha256::new();
        hash.update(fs::read(entry.path())?);
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

/// Removes folders of this name that processes that are no more were building in.
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

/// `blurdm` in the folder that a service was given for it, or in this user's cache; none without either, as in a service without a home.
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
        assert!(!folder.is_whole());
        fs::write(folder.path().join("backbone.engine"), "an engine").unwrap();
        folder.finish().unwrap();
        folder
    }

    fn found(root: &Path, key: CacheKey) -> bool {
        CacheFolder::open(root, key).unwrap().is_whole()
    }

    #[test]
    fn what_was_built_is_found_again_for_the_same_key_alone() {
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
    fn a_damaged_a_foreign_and_a_short_engine_are_built_again() {
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
    fn another_keys_folder_under_this_keys_name_is_not_taken() {
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
    fn a_build_cut_off_is_never_found_and_is_cleared_away() {
        let root = tempfile::tempdir().unwrap();
        let name = key().folder_name();
        // The largest process number that Linux gives is far below this one.
        let abandoned = root.path().join(format!("{name}.4000000000{BUILDING}"));
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join("backbone.engine"), "half an").unwrap();
        let of_a_living_process = root.path().join(format!("{name}.1{BUILDING}"));
        fs::create_dir(&of_a_living_process).unwrap();
        let folder = CacheFolder::open(root.path(), key()).unwrap();
        assert!(!folder.is_whole() && fs::read_dir(folder.path()).unwrap().next().is_none());
        assert!(!abandoned.exists() && of_a_living_process.exists());
        let unfinished = folder.path().to_owned();
        drop(folder);
        assert!(!unfinished.exists());
    }

    #[test]
    fn what_a_provider_could_not_use_is_thrown_away() {
        let root = tempfile::tempdir().unwrap();
        let again = built(root.path(), key()).discard().unwrap();
        assert!(!again.is_whole() && fs::read_dir(again.path()).unwrap().next().is_none());
    }

    #[test]
    fn nobody_else_may_write_engines() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("blurdm");
        built(&root, key());
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_root_that_cannot_be_made_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(CacheFolder::open(&file.path().join("cache"), key()).is_err());
    }
}
