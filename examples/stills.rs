// SPDX-License-Identifier: MPL-2.0

//! Restores one frame of a video, and saves the original, the result, and a frame that is half of each.
//!
//! ```text
//! cargo run --release --example stills -- drive.mp4 still- 12.5
//! ```

use std::{
    env,
    error::Error,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use gst::prelude::*;

mod common;

use common::{reader::Reader, restorer::Restorer, still};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (clip, prefix, at) = match arguments.as_slice() {
        [clip, prefix] => (clip, prefix, None),
        [clip, prefix, at] => (clip, prefix, Some(at)),
        _ => return common::usage("stills CLIP PREFIX [SECONDS]; the middle of the clip if no time is given"),
    };
    common::exit("stills", run(Path::new(clip), prefix, at.map(OsString::as_os_str)))
}

fn run(clip: &Path, prefix: &OsStr, at: Option<&OsStr>) -> Result<(), Box<dyn Error>> {
    gst::init()?;
    let at = at.map(seconds).transpose()?;
    let reader = Reader::open(clip)?;
    reader.seek(at)?;
    let frame = reader
        .next()?
        .ok_or_else(|| format!("'{}' ends before that time", clip.display()))?;

    let named = |name: &str| {
        let mut path = prefix.to_owned();
        path.push(name);
        PathBuf::from(path)
    };
    let restorer = Restorer::new()?;
    still::save(&frame, &named("before.png"))?;
    still::save(&restorer.restore(&frame)?, &named("after.png"))?;
    restorer.element.set_property_from_str("compare", "split");
    still::save(&restorer.restore(&frame)?, &named("before-after.png"))
}

fn seconds(text: &OsStr) -> Result<gst::ClockTime, Box<dyn Error>> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| gst::ClockTime::try_from_seconds_f64(seconds).ok())
        .ok_or_else(|| format!("'{}' is not a time: give seconds, such as 12.5", text.display()).into())
}
