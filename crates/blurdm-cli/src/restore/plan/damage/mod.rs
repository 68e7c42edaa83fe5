// SPDX-License-Identifier: MPL-2.0

//! Damage that demuxers pass over in silence: they end where a file ends early, and go on behind bytes that they do not understand. It is found in the
//! structure of the file, and not in the times of its frames, which may vary in a recording that is whole.

mod asf;
mod bytes;
mod chunks;
mod clusters;
mod flash;
mod fragments;
mod joined;
mod kind;
mod ogg;
mod program;
mod transport;
mod walk;

use std::path::Path;

use kind::Damage;
use mp4_splice::{Error, Movie};

pub use clusters::is_matroska;
pub use program::{ProgramStream, streams as program_streams};

/// Those of containers that are known by their first bytes.
const READERS: [fn(&Path) -> Option<Damage>; 6] = [
    transport::damage,
    ogg::damage,
    program::damage,
    asf::damage,
    flash::damage,
    chunks::damage,
];

/// Returns a sentence about what a file lacks, if that can be seen.
pub fn of(path: &Path) -> Option<String> {
    let damage = match Movie::open(path) {
        Err(error @ Error::Truncated { .. }) => return Some(error.to_string()),
        Err(Error::Fragmented { .. }) => fragments::damage(path),
        Ok(_) => None,
        Err(_) if is_matroska(path) => clusters::damage(path),
        // Each finds nothing in a file of another kind.
        Err(_) => READERS.iter().find_map(|damage| damage(path)),
    };
    let damage = damage.map(|damage| damage.to_string());
    let damage = damage.or_else(|| joined::damage(path));
    // What cannot be read here cannot be demuxed either, and that is an error of its own.
    damage.map(|damage| format!("'{}' {damage}", path.display()))
}
