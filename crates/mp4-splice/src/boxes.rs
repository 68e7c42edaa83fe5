// SPDX-License-Identifier: MPL-2.0

//! The tree of boxes (QuickTime: atoms) that a movie is described by. ISO/IEC 14496-12, section 4.2.
//!
//! Only the boxes on the way to the sample tables and to the tags are opened; all others are bytes that are kept as they are.

use super::fields::Fields;

/// What a box is, four characters.
pub type Kind = [u8; 4];

/// How deep boxes that are opened may lie in one another. The sample tables lie at 5.
const DEPTH: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mp4Box {
    pub kind: Kind,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    Bytes(Vec<u8>),
    Boxes {
        /// Version and flags, where the box has them in front of its children.
        lead: Vec<u8>,
        children: Vec<Mp4Box>,
        /// What is left behind the children: QuickTime ends some lists with a 32-bit zero.
        tail: Vec<u8>,
    },
}

/// The header of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Bytes of the header itself, 8 or 16.
    pub header: u64,
    /// Bytes of header and body together; None is all that is left of the file.
    pub size: Option<u64>,
}

impl Header {
    /// From the first bytes of a box; None where these cannot be a header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (small, kind) = (fields.u32()?, fields.kind()?);
        let (header, size) = match small {
            0 => (8, None),
            1 => (16, Some(fields.u64()?)),
            size => (8, Some(size.into())),
        };
        size.is_none_or(|size| size >= header)
            .then_some(Self { kind, header, size })
    }
}

/// Boxes that must be opened, and those that are opened if their insides are boxes. Anything else is bytes.
fn opens(kind: Kind) -> Option<Opening> {
    match &kind {
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"dinf" => Some(Opening::Must),
        b"udta" | b"meta" => Some(Opening::May),
        _ => None,
    }
}

#[derive(PartialEq, Eq)]
enum Opening {
    Must,
    May,
}

/// A kind as people write it: `moov`, `©too`.
pub fn name(kind: Kind) -> String {
    kind.iter().map(|&byte| char::from(byte)).collect()
}

impl Mp4Box {
    pub fn bytes(kind: &Kind, bytes: Vec<u8>) -> Self {
        Self {
            kind: *kind,
            body: Body::Bytes(bytes),
        }
    }

    pub fn boxes(kind: &Kind, lead: Vec<u8>, children: Vec<Self>) -> Self {
        Self {
            kind: *kind,
            body: Body::Boxes {
                lead,
                children,
                tail: Vec::new(),
            },
        }
    }

    /// A box of this kind and body, with its insides opened as far as this module needs them.
    ///
    /// # Errors
    /// What does not fit, as a part of a sentence: sizes that lie, or boxes too deep in one another.
    pub fn parse(kind: Kind, body: &[u8]) -> Result<Self, String> {
        parse(kind, body, DEPTH)
    }

    pub fn children(&self) -> &[Self] {
        match &self.body {
            Body::Boxes { children, .. } => children,
            Body::Bytes(_) => &[],
        }
    }

    pub fn children_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.body {
            Body::Boxes { children, .. } => Some(children),
            Body::Bytes(_) => None,
        }
    }

    pub fn child(&self, kind: &Kind) -> Option<&Self> {
        self.children().iter().find(|child| &child.kind == kind)
    }

    pub fn child_mut(&mut self, kind: &Kind) -> Option<&mut Self> {
        self.children_mut()?.iter_mut().find(|child| &child.kind == kind)
    }

    /// The box at the end of a path of first children.
    pub fn at(&self, path: &[&Kind]) -> Option<&Self> {
        path.iter().try_fold(self, |parent, kind| parent.child(kind))
    }

    pub fn at_mut(&mut self, path: &[&Kind]) -> Option<&mut Self> {
        path.iter().try_fold(self, |parent, kind| parent.child_mut(kind))
    }

    /// What is in it, of a box that is not opened.
    pub fn data(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Bytes(bytes) => Some(bytes),
            Body::Boxes { .. } => None,
        }
    }

    pub fn data_mut(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.body {
            Body::Bytes(bytes) => Some(bytes),
            Body::Boxes { .. } => None,
        }
    }

    /// Bytes of the box as it is written, header included.
    pub fn size(&self) -> u64 {
        let body = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Boxes { lead, children, tail } => {
                (lead.len() + tail.len()) as u64 + children.iter().map(Self::size).sum::<u64>()
            }
        };
        header_size(body) + body
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let size = self.size();
        out.extend(header(self.kind, size, size > u64::from(u32::MAX)));
        match &self.body {
            Body::Bytes(bytes) => out.extend(bytes),
            Body::Boxes { lead, children, tail } => {
                out.extend(lead);
                children.iter().for_each(|child| child.write(out));
                out.extend(tail);
            }
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

fn header_size(body: u64) -> u64 {
    if body + 8 > u64::from(u32::MAX) { 16 } else { 8 }
}

/// The header of a box of `size` bytes in all, in the 16-byte form or the usual one.
pub fn header(kind: Kind, size: u64, wide: bool) -> Vec<u8> {
    let small = if wide { 1 } else { size as u32 };
    let mut bytes = small.to_be_bytes().to_vec();
    bytes.extend(kind);
    if wide {
        bytes.extend(size.to_be_bytes());
    }
    bytes
}

fn parse(kind: Kind, body: &[u8], depth: usize) -> Result<Mp4Box, String> {
    let as_bytes = || Mp4Box::bytes(&kind, body.to_vec());
    let Some(opening) = opens(kind) else {
        return Ok(as_bytes());
    };
    let opened = match depth.checked_sub(1) {
        Some(depth) => parse_children(kind, body, depth),
        None => Err("its boxes lie too deep in one another".into()),
    };
    match opened {
        Ok(opened) => Ok(opened),
        Err(_) if opening == Opening::May => Ok(as_bytes()),
        Err(reason) => Err(reason),
    }
}

fn parse_children(kind: Kind, body: &[u8], depth: usize) -> Result<Mp4Box, String> {
    // ISO's `meta` has version and flags, QuickTime's has none: it begins with its `hdlr`.
    let lead = if &kind == b"meta" && body.get(4..8) != Some(b"hdlr") {
        4
    } else {
        0
    };
    let (lead, mut rest) = body.split_at_checked(lead).ok_or_else(|| too_short(kind))?;
    let mut children = Vec::new();
    while rest.len() >= 8 && rest.iter().any(|&byte| byte != 0) {
        let header = Header::parse(rest).ok_or_else(|| format!("a box in '{}' has an impossible size", name(kind)))?;
        let (start, end) = (header.header as usize, header.size.map(usize::try_from));
        let child = match end {
            Some(Ok(end)) => rest.get(start..end).map(|child| (child, end)),
            _ => None,
        };
        let (child, end) =
            child.ok_or_else(|| format!("box '{}' is larger than '{}' around it", name(header.kind), name(kind)))?;
        children.push(parse(header.kind, child, depth)?);
        rest = &rest[end..];
    }
    Ok(Mp4Box {
        kind,
        body: Body::Boxes {
            lead: lead.to_vec(),
            children,
            tail: rest.to_vec(),
        },
    })
}

fn too_short(kind: Kind) -> String {
    format!("box '{}' is too short", name(kind))
}

#[cfg(test)]
mod tests {
    // A test may panic: that is how it fails.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(kind: &Kind, body: &[u8]) -> Mp4Box {
        Mp4Box::parse(*kind, body).unwrap()
    }

    #[test]
    fn a_tree_is_written_as_it_was_read() {
        let free = Mp4Box::bytes(b"free", vec![1, 2, 3]);
        let trak = Mp4Box::boxes(b"trak", Vec::new(), vec![free.clone()]);
        let moov = Mp4Box::boxes(b"moov", Vec::new(), vec![trak, free]).to_bytes();
        assert_eq!(parsed(b"moov", &moov[8..]).to_bytes(), moov);
    }

    #[test]
    fn the_zero_that_ends_a_quicktime_list_stays_at_its_end() {
        let mut udta = Mp4Box::bytes(b"name", b"x".to_vec()).to_bytes();
        udta.extend([0; 4]);
        let parsed = parsed(b"udta", &udta);
        assert_eq!(parsed.children().len(), 1);
        assert_eq!(parsed.to_bytes()[8..], udta);
    }

    #[test]
    fn both_kinds_of_meta_are_opened() {
        let hdlr = Mp4Box::bytes(b"hdlr", vec![0; 20]).to_bytes();
        let iso = [&[0; 4], hdlr.as_slice()].concat();
        for body in [&hdlr, &iso] {
            let meta = parsed(b"meta", body);
            assert!(meta.child(b"hdlr").is_some());
            assert_eq!(&meta.to_bytes()[8..], body.as_slice());
        }
    }

    #[test]
    fn user_data_that_are_no_boxes_are_bytes() {
        let udta = parsed(b"udta", b"GoPro wrote something else here");
        assert_eq!(udta.data(), Some(b"GoPro wrote something else here".as_slice()));
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        for size in [0, 1, 7, 17, u32::MAX] {
            let mut body = size.to_be_bytes().to_vec();
            body.extend(b"trak");
            body.extend([0; 8]);
            assert!(Mp4Box::parse(*b"moov", &body).is_err(), "{size}");
        }
        let mut body = 1u32.to_be_bytes().to_vec();
        body.extend(b"trak");
        body.extend(u64::MAX.to_be_bytes());
        assert!(Mp4Box::parse(*b"moov", &body).is_err());
    }

    #[test]
    fn boxes_too_deep_in_one_another_are_refused() {
        let deep = |levels| (0..levels).fold(Vec::new(), |body, _| Mp4Box::bytes(b"trak", body).to_bytes());
        assert!(Mp4Box::parse(*b"moov", &deep(DEPTH - 1)).is_ok());
        assert!(Mp4Box::parse(*b"moov", &deep(DEPTH)).is_err());
        assert!(Mp4Box::parse(*b"moov", &deep(10_000)).is_err());
    }
}
