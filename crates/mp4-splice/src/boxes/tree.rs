// SPDX-License-Identifier: MPL-2.0

//! The tree of boxes that describes a movie.
//!
//! Only the boxes on the path to the sample tables and to the tags are parsed into children. All others are opaque bytes, which are
//! written as they were read.

use super::header::{FourCc, Header, name};

/// How deep boxes may be nested. The sample tables are at depth 5.
const MAX_DEPTH: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mp4Box {
    pub kind: FourCc,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Opaque content.
    Bytes(Vec<u8>),
    Boxes {
        /// Version and flags, where the box has them before its children.
        lead: Vec<u8>,
        children: Vec<Mp4Box>,
        /// Bytes after the children: QuickTime ends some lists with a 32-bit zero.
        tail: Vec<u8>,
    },
}

/// Returns how a box of this type is parsed; `None` for one that is opaque.
fn parsing(kind: FourCc) -> Option<Parsing> {
    match &kind {
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"dinf" => Some(Parsing::Required),
        b"udta" | b"meta" => Some(Parsing::Optional),
        _ => None,
    }
}

#[derive(PartialEq, Eq)]
enum Parsing {
    /// A content that is no list of boxes is an error.
    Required,
    /// A content that is no list of boxes is opaque.
    Optional,
}

impl Mp4Box {
    pub fn bytes(kind: &FourCc, bytes: Vec<u8>) -> Self {
        Self {
            kind: *kind,
            body: Body::Bytes(bytes),
        }
    }

    pub fn boxes(kind: &FourCc, lead: Vec<u8>, children: Vec<Self>) -> Self {
        Self {
            kind: *kind,
            body: Body::Boxes {
                lead,
                children,
                tail: Vec::new(),
            },
        }
    }

    /// Parses the body of a box of this type.
    ///
    /// # Errors
    /// The reason, as a part of a sentence: a size that does not fit, or boxes that are nested too deep.
    pub fn parse(kind: FourCc, body: &[u8]) -> Result<Self, String> {
        parse(kind, body, MAX_DEPTH)
    }

    /// Returns the children; none for an opaque box.
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

    pub fn child(&self, kind: &FourCc) -> Option<&Self> {
        self.children().iter().find(|child| &child.kind == kind)
    }

    pub fn child_mut(&mut self, kind: &FourCc) -> Option<&mut Self> {
        self.children_mut()?.iter_mut().find(|child| &child.kind == kind)
    }

    /// Follows a path of types, by the first child of each.
    pub fn at(&self, path: &[&FourCc]) -> Option<&Self> {
        path.iter().try_fold(self, |parent, kind| parent.child(kind))
    }

    pub fn at_mut(&mut self, path: &[&FourCc]) -> Option<&mut Self> {
        path.iter().try_fold(self, |parent, kind| parent.child_mut(kind))
    }

    /// Returns the content of an opaque box.
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

    /// Returns the number of bytes that the box has when it is written, header included.
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
        out.extend(Header::to_bytes(self.kind, size, size > u64::from(u32::MAX)));
        match &self.body {
            Body::Bytes(bytes) => out.extend(bytes),
            Body::Boxes { lead, children, tail } => {
                out.extend(lead);
                children.iter().for_each(|child| child.write(out));
                out.extend(tail);
            }
        }
    }

    /// Returns a box with version, flags, a count and entries of 32-bit numbers, which is what most tables are.
    pub fn table<const N: usize>(kind: &FourCc, version: u8, entries: impl ExactSizeIterator<Item = [u32; N]>) -> Self {
        let mut bytes = vec![version, 0, 0, 0];
        bytes.extend((entries.len() as u32).to_be_bytes());
        bytes.extend(entries.flatten().flat_map(u32::to_be_bytes));
        Self::bytes(kind, bytes)
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

fn parse(kind: FourCc, body: &[u8], depth: usize) -> Result<Mp4Box, String> {
    let as_bytes = || Mp4Box::bytes(&kind, body.to_vec());
    let Some(parsing) = parsing(kind) else {
        return Ok(as_bytes());
    };
    let parsed = match depth.checked_sub(1) {
        Some(depth) => parse_children(kind, body, depth),
        None => Err("its boxes are nested too deep".into()),
    };
    match parsed {
        Ok(parsed) => Ok(parsed),
        Err(_) if parsing == Parsing::Optional => Ok(as_bytes()),
        Err(reason) => Err(reason),
    }
}

fn parse_children(kind: FourCc, body: &[u8], depth: usize) -> Result<Mp4Box, String> {
    // The `meta` box of ISO/IEC 14496-12 has version and flags. QuickTime's has none and begins with `hdlr`.
    let lead = if &kind == b"meta" && body.get(4..8) != Some(b"hdlr") {
        4
    } else {
        0
    };
    let (lead, mut rest) = body.split_at_checked(lead).ok_or_else(|| too_short(kind))?;
    let mut children = Vec::new();
    while rest.len() >= 8 && rest.iter().any(|&byte| byte != 0) {
        let header = Header::parse(rest).ok_or_else(|| format!("a box in '{}' has an impossible size", name(kind)))?;
        let (start, end) = (header.length as usize, header.size.map(usize::try_from));
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

fn too_short(kind: FourCc) -> String {
    format!("box '{}' is too short", name(kind))
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(kind: &FourCc, body: &[u8]) -> Mp4Box {
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
    fn both_kinds_of_meta_are_parsed() {
        let hdlr = Mp4Box::bytes(b"hdlr", vec![0; 20]).to_bytes();
        let iso = [&[0; 4], hdlr.as_slice()].concat();
        for body in [&hdlr, &iso] {
            let meta = parsed(b"meta", body);
            assert!(meta.child(b"hdlr").is_some());
            assert_eq!(&meta.to_bytes()[8..], body.as_slice());
        }
    }

    #[test]
    fn user_data_that_is_no_list_of_boxes_is_opaque() {
        let udta = parsed(b"udta", b"GoPro wrote something else here");
        assert_eq!(udta.data(), Some(b"GoPro wrote something else here".as_slice()));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
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
    fn boxes_that_are_nested_too_deep_are_refused() {
        let deep = |levels| (0..levels).fold(Vec::new(), |body, _| Mp4Box::bytes(b"trak", body).to_bytes());
        assert!(Mp4Box::parse(*b"moov", &deep(MAX_DEPTH - 1)).is_ok());
        assert!(Mp4Box::parse(*b"moov", &deep(MAX_DEPTH)).is_err());
        assert!(Mp4Box::parse(*b"moov", &deep(10_000)).is_err());
    }
}
