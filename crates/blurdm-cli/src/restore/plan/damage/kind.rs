// SPDX-License-Identifier: MPL-2.0

use std::{fmt, ops::Range};

/// What a file lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Bytes at its end, as many as its structure promises more, or its last part.
    Cut(u64),
    /// These bytes cannot be read, since they are not what must be there, and so many further parts.
    Unreadable(Range<u64>, usize),
    /// So many of these are missing, or more: the numbers of those before and after them do not follow each other.
    Missing(usize, &'static str),
}

impl Damage {
    /// `None` where no part of the file is unreadable.
    pub fn of_parts(parts: &[Range<u64>]) -> Option<Self> {
        let (first, further) = parts.split_first()?;
        Some(Self::Unreadable(first.clone(), further.len()))
    }
}

/// As in "is cut off: it lacks at least 500 bytes at its end".
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = "is damaged, and frames in the damaged part are lost";
        match self {
            Self::Cut(missing) => write!(f, "is cut off: it lacks at least {missing} bytes at its end"),
            Self::Unreadable(part, 0) => write!(f, "{lost}: bytes {} to {} cannot be read", part.start, part.end),
            Self::Unreadable(part, further) => write!(
                f,
                "{lost}: bytes {} to {} cannot be read, and neither can {further} more parts",
                part.start, part.end
            ),
            Self::Missing(count, what) => write!(f, "{lost}: at least {count} {what} of its streams are missing"),
        }
    }
}
