// SPDX-License-Identifier: MPL-2.0

use std::{
    io::{self, Write},
    sync::Mutex,
};

use crate::sync::lock;

/// Writes lines from several threads. After an error nothing more is written.
pub struct LineWriter<W> {
    inner: Mutex<Inner<W>>,
}

struct Inner<W> {
    writer: W,
    error: Option<io::Error>,
}

impl<W: Write> LineWriter<W> {
    pub fn new(writer: W) -> Self {
        Self {
            inner: Mutex::new(Inner { writer, error: None }),
        }
    }

    pub fn line(&self, line: &str) {
        let mut inner = lock(&self.inner);
        if inner.error.is_none() {
            inner.error = writeln!(inner.writer, "{line}")
                .and_then(|()| inner.writer.flush())
                .err();
        }
    }

    /// Takes the first error in writing.
    pub fn error(&self) -> Option<io::Error> {
        lock(&self.inner).error.take()
    }
}
