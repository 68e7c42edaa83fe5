// SPDX-License-Identifier: MPL-2.0

//! Reads of few bytes at many places of a file, most of them further on.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::Range,
    path::Path,
};

/// How many bytes are read at once.
const BUFFER: usize = 1 << 15;

/// A file that is read in small parts.
#[derive(Debug)]
pub struct Bytes {
    file: BufReader<File>,
    /// Where the file is read next.
    at: u64,
    pub length: u64,
}

impl Bytes {
    /// # Errors
    /// Errors in opening.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, file),
            at: 0,
            length,
        })
    }

    /// Reads into a buffer, and returns what the file has of it.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn read<'a>(&mut self, at: u64, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let rest = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(rest);
        if wanted > 0 {
            self.file.seek_relative(at.wrapping_sub(self.at).cast_signed())?;
            self.at = at;
            self.file.read_exact(&mut buffer[..wanted])?;
            self.at += wanted as u64;
        }
        Ok(&buffer[..wanted])
    }

    /// Returns so many bytes. `None` where the file ends before.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn array<const N: usize>(&mut self, at: u64) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        let count = self.read(at, &mut bytes)?.len();
        Ok((count == N).then_some(bytes))
    }

    /// Returns the first place in a range where there is no zero.
    ///
    /// # Errors
    /// Errors in reading.
    pub fn skip_zeros(&mut self, range: Range<u64>) -> io::Result<Option<u64>> {
        let mut window = [0; 1 << 12];
        let mut at = range.start;
        while at < range.end {
            let read = self.read(at, &mut window)?;
            if let Some(found) = read.iter().position(|&byte| byte != 0) {
                return Ok(Some(at + found as u64).filter(|&found| found < range.end));
            }
            if read.is_empty() {
                break;
            }
            at += read.len() as u64;
        }
        Ok(None)
    }
}
