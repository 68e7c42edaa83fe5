// SPDX-License-Identifier: MPL-2.0

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

/// Random access to the bytes of a file.
pub trait ReadAt {
    /// Returns the number of bytes.
    ///
    /// # Errors
    /// Where it cannot be found out.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on. No bytes can be read from anywhere: the offset of an empty chunk may be any number.
    ///
    /// # Errors
    /// Where reading fails, and [`io::ErrorKind::UnexpectedEof`] beyond the end.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Moves the cursor of the file.
impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut file = self;
        file.seek(SeekFrom::Start(offset)).map_err(|error| match error.kind() {
            // The offset is more than a file can have.
            io::ErrorKind::InvalidInput => io::ErrorKind::UnexpectedEof.into(),
            _ => error,
        })?;
        file.read_exact(bytes)
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(bytes.len())?));
        let found = range.and_then(|range| self.get(range));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn size(&self) -> io::Result<u64> {
        T::size(self)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        T::read_at(self, offset, bytes)
    }
}
