// SPDX-License-Identifier: MPL-2.0

//! The start of a transport stream whose first tables come behind frames or sound, as `mpegtsmux` writes it where sound begins before the pictures.
//!
//! `tsdemux` drops what it has no table for. So it is given the first tables ahead of what is stored before them. Nothing else changes its place or its order.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{packets::Packets, tables::Tables};

/// Where tables come later than this, what is before them is not kept.
const LATEST: u64 = 16 << 20;

/// Returns the bytes that the demuxer is given for the start of a file, in which `change` changes what is to be. `None` where they have their places in the file.
pub fn reordered(path: &Path, change: impl FnOnce(&mut [u8])) -> io::Result<Option<Vec<u8>>> {
    let Some(mut packets) = Packets::open(path)? else {
        return Ok(None);
    };
    let (mut tables, mut seen, mut units) = (Tables::default(), BTreeSet::new(), BTreeSet::new());
    let (mut moved, mut is_late, mut has_programs) = (Vec::new(), false, false);
    while let Some(packet) = packets.next()?
        && packet.position() < LATEST
        && packets.unreadable.is_empty()
    {
        if packet.is_faulty() || !packet.begins_unit() {
            continue;
        }
        let start = packets.start_of(&packet);
        let program = tables.read(&packet);
        if packet.is_table_of_programs() && !std::mem::replace(&mut has_programs, true) {
            moved.push(start);
        }
        let Some(program) = program.filter(|program| seen.insert(program.number)) else {
            units.insert(packet.stream());
            continue;
        };
        moved.push(start);
        is_late |= program.streams.iter().any(|stream| units.contains(&stream.id));
        if seen.len() >= tables.programs() {
            break;
        }
    }
    let Some(last) = moved.last().filter(|_| is_late) else {
        return Ok(None);
    };
    let size = packets.size();
    let mut start = Vec::new();
    File::open(path)?.take(last + size as u64).read_to_end(&mut start)?;
    change(&mut start);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (index, packet) in start.chunks(size).enumerate() {
        match moved.contains(&((index * size) as u64)) {
            true => first.extend(packet),
            false => rest.extend(packet),
        }
    }
    Ok(Some([first, rest].concat()))
}
