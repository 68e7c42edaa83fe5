// SPDX-License-Identifier: MPL-2.0

//! How players show a video: both eyes in one picture, edges that are hidden, spherical video. Muxers write little of it.

use mp4_splice::boxes::FourCc;

use super::mp4_boxes::boxes;
use crate::media::matroska::{
    ebml::children,
    stereo_mode::STEREO_MODE,
    tracks::{PROJECTION, PROJECTION_TYPE, VIDEO},
};

/// What Matroska has of it, where it is not 0 (RFC 9559, 5.1.4.1.28). No number of one means another.
const OF_MATROSKA: [(u32, &str); 5] = [
    (STEREO_MODE, "StereoMode"),
    (0x54aa, "PixelCropBottom"),
    (0x54bb, "PixelCropTop"),
    (0x54cc, "PixelCropLeft"),
    (0x54dd, "PixelCropRight"),
];

/// The same arrangement of both eyes in MP4 and in Matroska: of `st3d` (Spherical Video V2 RFC) its mode, and of `svmi` (ISO/IEC 23000-11) its type, and whether
/// the left one is first.
const SAME: [(&str, &str); 7] = [
    ("st3d 1", "StereoMode 3"),
    ("st3d 2", "StereoMode 1"),
    ("st3d 4", "StereoMode 11"),
    ("svmi 0 1", "StereoMode 1"),
    ("svmi 0 0", "StereoMode 11"),
    ("svmi 2 1", "StereoMode 13"),
    ("svmi 2 0", "StereoMode 14"),
];

/// Bytes of a visual sample entry between its header and its boxes (ISO/IEC 14496-12, section 12.1.3).
const FIXED: usize = 78;

/// Returns what a track of Matroska says, as in "StereoMode 1".
pub fn of_matroska(entry: &[u8]) -> impl Iterator<Item = String> {
    let videos = children(entry).filter(|element| element.id == VIDEO);
    videos.flat_map(|video| {
        let own = OF_MATROSKA
            .into_iter()
            .map(move |(id, name)| (name, number(video.body, id)));
        let projection = children(video.body).find(|element| element.id == PROJECTION);
        let projection = projection.and_then(|projection| number(projection.body, PROJECTION_TYPE));
        let all = own.chain([("ProjectionType", projection)]);
        all.filter_map(|(name, number)| Some(format!("{name} {}", number.filter(|&number| number > 0)?)))
    })
}

/// Returns what a track of MP4 says, as in "st3d 2".
pub fn of_mp4(trak: &[u8]) -> Vec<String> {
    let path: [&FourCc; 3] = [b"mdia", b"minf", b"stbl"];
    let table = path.into_iter().try_fold(trak, child);
    let Some(table) = table else { return Vec::new() };
    let entries = child(table, b"stsd").and_then(|stsd| stsd.get(8..));
    let entry = entries.and_then(|entries| boxes(entries).next());
    let settings = entry.and_then(|(_, entry)| entry.get(FIXED..)).unwrap_or_default();
    let of_entry = boxes(settings).filter_map(|(kind, body)| match &kind {
        b"st3d" => Some(format!("st3d {}", body.get(4).filter(|&&mode| mode > 0)?)),
        b"sv3d" => Some("sv3d".into()),
        b"vexu" => Some("vexu".into()),
        b"hfov" => Some("hfov".into()),
        _ => None,
    });
    let of_table = child(table, b"svmi").and_then(|svmi| match svmi.get(4..6) {
        Some(&[kind, flags]) => Some(format!("svmi {kind} {}", flags & 1)),
        _ => None,
    });
    of_entry.chain(of_table).collect()
}

/// Whether two files say the same by these.
pub fn is_same(original: &str, written: &str) -> bool {
    original == written || SAME.contains(&(original, written))
}

fn number(parent: &[u8], id: u32) -> Option<u64> {
    children(parent).find(|element| element.id == id)?.number()
}

fn child<'a>(parent: &'a [u8], kind: &FourCc) -> Option<&'a [u8]> {
    boxes(parent).find(|(found, _)| found == kind).map(|(_, body)| body)
}
