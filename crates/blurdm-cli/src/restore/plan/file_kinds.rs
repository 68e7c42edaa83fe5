// SPDX-License-Identifier: MPL-2.0

//! What the name of a file says of what is in it, and its first bytes where several kinds of files have one name.

use std::{ffi::OsStr, fs, io::Read, path::Path};

use mp4_splice::Movie;

/// Extensions of video files.
const VIDEO_EXTENSIONS: [&str; 38] = [
    "3g2", "3gp", "3gpp", "asf", "avi", "divx", "dv", "f4v", "flv", "insv", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4v",
    "mk3d", "mkv", "mod", "mov", "mp4", "mp4v", "mpe", "mpeg", "mpg", "mts", "mxf", "ogv", "qt", "rm", "rmvb", "tod",
    "trp", "ts", "vob", "webm", "wmv", "y4m",
];

/// Extensions of further files that are searched for in folders. No output of such a name is written.
const SEARCHED_EXTENSIONS: [&str; 6] = ["264", "265", "h264", "h265", "hevc", "ogg"];

/// Extensions of other files that hold video. Those in folders are not searched for, but an output of such a name is a file.
const OTHER_VIDEO_EXTENSIONS: [&str; 5] = ["mka", "mkv3d", "mpv", "nut", "ogm"];

/// Extensions of files that may be something else, as sound, a tracker's music, or `go.mod`, and what those with video have among their first bytes: the
/// headers of Theora, VP8 and Dirac in Ogg, a pack of MPEG-PS, and the media type of RealVideo.
const AMBIGUOUS: [(&str, &[&[u8]]); 3] = [
    ("ogg", &[b"\x80theora", b"OVP80", b"BBCD"]),
    ("mod", &[&[0, 0, 1, 0xba]]),
    ("rm", &[b"video/x-pn-realvideo"]),
];

/// So many bytes of them are looked at.
const LOOKED_AT: u64 = 1 << 16;

/// Extensions of pictures, of which numbered ones are a clip.
const PICTURE_EXTENSIONS: [&str; 11] = [
    "bmp", "jpe", "jpeg", "jpg", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp",
];

/// Extensions of pictures that programs write as the frames of a clip, and that are not read.
const UNREAD_EXTENSIONS: [&str; 8] = ["avif", "cin", "dpx", "exr", "hdr", "jp2", "jxl", "tga"];

/// Extensions of files that are not written. A folder is not named so by intention.
const OTHER_EXTENSIONS: [&str; 29] = [
    "264", "265", "aac", "ac3", "apng", "avif", "bmp", "flac", "gif", "h264", "h265", "hevc", "jpeg", "jpg", "m3u8",
    "m4a", "m4b", "mks", "mp3", "mpd", "oga", "ogg", "opus", "png", "tif", "tiff", "wav", "webp", "wma",
];

/// Returns the extensions of the files that are searched for in folders.
pub fn searched_extensions() -> String {
    [&VIDEO_EXTENSIONS[..], &SEARCHED_EXTENSIONS].concat().join(", ")
}

/// Returns the extensions of pictures that are read.
pub fn picture_extensions() -> String {
    PICTURE_EXTENSIONS.join(", ")
}

fn is_video(path: &Path) -> bool {
    has_extension(path, &VIDEO_EXTENSIONS)
}

/// Whether a file of a folder is restored.
pub fn is_searched(path: &Path) -> bool {
    (is_video(path) || has_extension(path, &SEARCHED_EXTENSIONS)) && !is_something_else(path)
}

/// Whether a file has the extension of a video and no video. One that cannot be read is none of these: that is told when it is restored.
fn is_something_else(path: &Path) -> bool {
    // Sound recorders of phones write this extension, and the index at either end.
    if has_extension(path, &["3gpp"]) {
        return Movie::open(path).is_ok_and(|movie| movie.tracks().iter().all(|track| &track.handler != b"vide"));
    }
    let Some((_, marks)) = AMBIGUOUS
        .iter()
        .find(|(extension, _)| has_extension(path, &[extension]))
    else {
        return false;
    };
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut bytes));
    let has = |mark: &&[u8]| bytes.windows(mark.len()).any(|window| window == *mark);
    read.is_ok() && !marks.iter().any(has)
}

/// Whether an output of this name is a video.
pub fn names_video(path: &Path) -> bool {
    is_video(path) || has_extension(path, &OTHER_VIDEO_EXTENSIONS)
}

/// Whether a name is that of a file of another kind, which is not written.
pub fn names_other(path: &Path) -> bool {
    has_extension(path, &OTHER_EXTENSIONS) || is_picture(path) || is_unread_picture(path)
}

pub fn is_picture(path: &Path) -> bool {
    has_extension(path, &PICTURE_EXTENSIONS)
}

/// Whether pictures of this name are known, but not read.
pub fn is_unread_picture(path: &Path) -> bool {
    has_extension(path, &UNREAD_EXTENSIONS)
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| known.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}
