// SPDX-License-Identifier: MPL-2.0

//! Tags that are added to those that a movie has.
//!
//! They become free-form items of the iTunes list, which most players and `ffprobe` show by name. Where the movie has a list by QuickTime's
//! keys there, they become entries of that.

use crate::boxes::{ByteReader, Mp4Box, name};

const MEAN: &[u8] = b"com.apple.iTunes";

/// The type of a value that is UTF-8 text.
const TEXT: u32 = 1;

/// Adds tags to `moov`, in `udta`/`meta`/`ilst`, each of which is created where it is missing. Existing tags are not changed.
///
/// # Errors
/// The reason, as a part of a sentence: a list that cannot be read. Nothing is added then.
pub fn add(moov: &mut Mp4Box, tags: &[(&str, &str)]) -> Result<(), String> {
    if tags.is_empty() {
        return Ok(());
    }
    let udta = child_or_new(moov, b"udta", || Mp4Box::boxes(b"udta", Vec::new(), Vec::new()))?;
    let meta = child_or_new(udta, b"meta", new_meta)?;
    let handler = meta
        .child(b"hdlr")
        .and_then(Mp4Box::data)
        .and_then(|hdlr| hdlr.get(8..12));
    match handler {
        Some(b"mdta") => add_keys(meta, tags),
        Some(b"mdir") => add_items(meta, tags),
        _ => Err("the movie's meta box holds no tags".into()),
    }
}

fn child_or_new<'a>(
    parent: &'a mut Mp4Box,
    kind: &[u8; 4],
    new: impl FnOnce() -> Mp4Box,
) -> Result<&'a mut Mp4Box, String> {
    let unreadable = format!("a box around '{}' cannot be read", name(*kind));
    let children = parent.children_mut().ok_or(unreadable)?;
    let index = children.iter().position(|child| &child.kind == kind);
    let index = index.unwrap_or_else(|| {
        children.push(new());
        children.len() - 1
    });
    Ok(&mut children[index])
}

fn new_meta() -> Mp4Box {
    let mut hdlr = vec![0; 8];
    hdlr.extend(b"mdirappl");
    hdlr.extend([0; 9]);
    let children = vec![Mp4Box::bytes(b"hdlr", hdlr), Mp4Box::bytes(b"ilst", Vec::new())];
    Mp4Box::boxes(b"meta", vec![0; 4], children)
}

fn add_items(meta: &mut Mp4Box, tags: &[(&str, &str)]) -> Result<(), String> {
    let ilst = child_or_new(meta, b"ilst", || Mp4Box::bytes(b"ilst", Vec::new()))?;
    let items = ilst.data_mut().ok_or("the list of tags cannot be read")?;
    for (name, value) in tags {
        let children = vec![
            Mp4Box::bytes(b"mean", [&[0; 4], MEAN].concat()),
            Mp4Box::bytes(b"name", [&[0; 4], name.as_bytes()].concat()),
            text(value),
        ];
        Mp4Box::boxes(b"----", Vec::new(), children).write(items);
    }
    Ok(())
}

/// Adds QuickTime's tags: a list of keys, and values that refer to a key by its number.
fn add_keys(meta: &mut Mp4Box, tags: &[(&str, &str)]) -> Result<(), String> {
    let keys = child_or_new(meta, b"keys", || Mp4Box::bytes(b"keys", vec![0; 8]))?;
    let list = keys.data_mut().ok_or("the list of keys cannot be read")?;
    let first = count(list).ok_or("the list of keys cannot be read")?;
    let total = first + tags.len() as u32;
    for (name, _) in tags {
        Mp4Box::bytes(b"mdta", name.as_bytes().to_vec()).write(list);
    }
    list[4..8].copy_from_slice(&total.to_be_bytes());
    let ilst = child_or_new(meta, b"ilst", || Mp4Box::bytes(b"ilst", Vec::new()))?;
    let items = ilst.data_mut().ok_or("the list of tags cannot be read")?;
    for (number, (_, value)) in (first + 1..).zip(tags) {
        Mp4Box::boxes(&number.to_be_bytes(), Vec::new(), vec![text(value)]).write(items);
    }
    Ok(())
}

/// Returns the number of keys, if there are as many as the list says.
fn count(keys: &[u8]) -> Option<u32> {
    let mut reader = ByteReader::new(keys);
    reader.version_and_flags()?;
    let count = reader.u32()?;
    for _ in 0..count {
        let size = reader.u32()? as usize;
        reader.bytes(size.checked_sub(4)?)?;
    }
    (reader.rest().is_empty() && count < u32::MAX >> 1).then_some(count)
}

fn text(value: &str) -> Mp4Box {
    let mut bytes = TEXT.to_be_bytes().to_vec();
    // No locale.
    bytes.extend([0; 4]);
    bytes.extend(value.as_bytes());
    Mp4Box::bytes(b"data", bytes)
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TAGS: [(&str, &str); 2] = [("blurdm", "modèle"), ("enhanced", "yes")];

    fn boxes(kind: &[u8; 4], children: Vec<Mp4Box>) -> Mp4Box {
        Mp4Box::boxes(kind, Vec::new(), children)
    }

    fn reparsed(moov: &Mp4Box) -> Mp4Box {
        Mp4Box::parse(*b"moov", &moov.to_bytes()[8..]).unwrap()
    }

    fn ilst(moov: &Mp4Box) -> Vec<u8> {
        moov.at(&[b"udta", b"meta", b"ilst"]).unwrap().data().unwrap().to_vec()
    }

    #[test]
    fn a_movie_without_tags_gets_a_list() {
        let mut moov = boxes(b"moov", Vec::new());
        add(&mut moov, &TAGS).unwrap();
        let list = ilst(&reparsed(&moov));
        let has = |text: &[u8]| list.windows(text.len()).any(|window| window == text);
        assert!(has("modèle".as_bytes()) && has(b"enhanced") && has(b"yes") && has(MEAN));
    }

    #[test]
    fn existing_tags_stay_first() {
        let too = Mp4Box::bytes(b"\xa9too", vec![9; 12]);
        let list = Mp4Box::bytes(b"ilst", too.to_bytes());
        let free = Mp4Box::bytes(b"free", vec![0; 5]);
        for lead in [Vec::new(), vec![0; 4]] {
            let mut hdlr = vec![0; 8];
            hdlr.extend(b"mdirappl");
            let children = vec![Mp4Box::bytes(b"hdlr", hdlr), free.clone(), list.clone()];
            let meta = Mp4Box::boxes(b"meta", lead.clone(), children);
            let mut moov = boxes(b"moov", vec![boxes(b"udta", vec![meta, free.clone()])]);
            add(&mut moov, &TAGS).unwrap();
            let moov = reparsed(&moov);
            assert!(ilst(&moov).starts_with(&too.to_bytes()));
            assert!(ilst(&moov).len() > too.to_bytes().len() + 100);
            assert_eq!(moov.at(&[b"udta", b"meta", b"free"]), Some(&free));
            assert_eq!(moov.at(&[b"udta", b"free"]), Some(&free));
            let meta = moov.at(&[b"udta", b"meta"]).unwrap().to_bytes();
            assert_eq!(&meta[8 + lead.len() + 4..][..4], b"hdlr");
        }
    }

    #[test]
    fn a_list_by_keys_gets_new_keys() {
        let mut hdlr = vec![0; 8];
        hdlr.extend(b"mdta");
        let key = Mp4Box::bytes(b"mdta", b"location".to_vec()).to_bytes();
        let keys = [&[0, 0, 0, 0, 0, 0, 0, 1], key.as_slice()].concat();
        let value = boxes(&1u32.to_be_bytes(), vec![text("here")]).to_bytes();
        let children = vec![
            Mp4Box::bytes(b"hdlr", hdlr),
            Mp4Box::bytes(b"keys", keys.clone()),
            Mp4Box::bytes(b"ilst", value.clone()),
        ];
        let meta = Mp4Box::boxes(b"meta", vec![0; 4], children);
        let mut moov = boxes(b"moov", vec![boxes(b"udta", vec![meta])]);
        add(&mut moov, &TAGS).unwrap();
        let moov = reparsed(&moov);
        let new_keys = moov.at(&[b"udta", b"meta", b"keys"]).unwrap().data().unwrap();
        assert_eq!(count(new_keys), Some(3));
        assert_eq!(new_keys[8..keys.len()], keys[8..]);
        let third = boxes(&3u32.to_be_bytes(), vec![text("yes")]).to_bytes();
        assert!(ilst(&moov).starts_with(&value) && ilst(&moov).ends_with(&third));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_changed() {
        let udta = Mp4Box::bytes(b"udta", b"not boxes at all".to_vec());
        let mut moov = boxes(b"moov", vec![udta]);
        let before = moov.clone();
        assert!(add(&mut moov, &TAGS).is_err());
        assert_eq!(moov, before);
    }
}
