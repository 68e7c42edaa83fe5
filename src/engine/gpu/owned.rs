// SPDX-License-Identifier: MPL-2.0

//! Whether a folder and its files are this user's alone. What others can write, they can make a program of.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The bits with which others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// The bit with which everybody may write, and the one with which only the owner of an entry may remove it.
const EVERYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Returns a folder's path without links, if only this user can write to it, and nobody can exchange it.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn folder(path: &Path) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    let metadata = fs::symlink_metadata(&path)?;
    if !metadata.is_dir() {
        return Err(refused(&path, "is not a folder; name another one"));
    }
    check(&path, &metadata)?;
    for above in path.ancestors().skip(1) {
        let mode = fs::symlink_metadata(above)?.mode();
        if mode & EVERYBODY_WRITES != 0 && mode & STICKY == 0 {
            return Err(refused(
                above,
                "can be written by everybody, who may exchange what is in it; run chmod o-w on it",
            ));
        }
    }
    Ok(path)
}

/// Checks that a file is a regular one without other names, which only this user can write.
///
/// # Errors
/// The reason, and what to do.
pub(super) fn file(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(refused(path, "is not a regular file; remove it"));
    }
    if metadata.nlink() != 1 {
        return Err(refused(
            path,
            "has other names, under which it may be changed; remove it",
        ));
    }
    check(path, &metadata)
}

/// Takes from others the right to write a file, which the umask may have given.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    permissions.set_mode(permissions.mode() & !OTHERS_WRITE);
    fs::set_permissions(path, permissions)
}

fn check(path: &Path, metadata: &Metadata) -> io::Result<()> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused(
            path,
            "belongs to another user; name a folder of this user's own",
        ));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(refused(path, "can be written by others; run chmod go-w on it"));
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("'{}' {reason}", path.display()),
    )
}
