// SPDX-License-Identifier: MPL-2.0

//! Reads files that others have written.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

/// Reads a regular file of at most `largest` bytes.
///
/// # Errors
/// When it cannot be read, is larger, or is a link, a folder, a FIFO, a socket or a device.
pub(super) fn read(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    // Otherwise opening a FIFO waits for another process to write to it.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    // Asked of the open file, which nobody can exchange any more.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let reason = "it is not a regular file; put the file itself there";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let too_large = || {
        let reason = format!("it has more than {largest} bytes; use a smaller one");
        io::Error::new(io::ErrorKind::FileTooLarge, reason)
    };
    if metadata.len() > largest {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).map_err(|_| too_large())?);
    // It may grow while it is read.
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(too_large());
    }
    Ok(bytes)
}
