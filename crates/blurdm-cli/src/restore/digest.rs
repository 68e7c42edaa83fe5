// SPDX-License-Identifier: MPL-2.0

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, reason},
    media::interrupt,
};

/// Returns the SHA-256 of a file in hexadecimal.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::Interrupted`].
pub fn sha256(path: &Path) -> Result<String, Error> {
    let unreadable = |error: io::Error| Error::unreadable(path, reason(&error));
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        interrupt::check()?;
        match file.read(&mut block).map_err(unreadable)? {
            0 => break,
            read => digest.update(&block[..read]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
