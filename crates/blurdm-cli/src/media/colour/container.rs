// SPDX-License-Identifier: MPL-2.0

//! What a container says about colour. That of MP4 is read here: GStreamer's `qtdemux` reads the range wrong up to version 1.22.

use std::path::Path;

use mp4_splice::{Error, Movie};

use super::{
    hdr::{ContentLight, MasteringDisplay},
    tags::Tags,
};

/// What a container says.
#[derive(Debug, Default)]
pub struct Stated {
    pub tags: Tags,
    pub mastering: Option<MasteringDisplay>,
    pub light: Option<ContentLight>,
}

/// Reads the container at `path`, whose demuxed video has these caps, and this id: in MP4 that of its track.
pub fn read(path: &Path, id: &str, caps: &gst::Caps) -> Stated {
    match Movie::open(path) {
        Ok(movie) => of_movie(&movie, id).unwrap_or_default(),
        Err(Error::NotMp4 { .. }) => of_caps(caps),
        // A fragmented or damaged one.
        Err(_) => {
            let mut stated = of_caps(caps);
            stated.tags.full_range = None;
            stated
        }
    }
}

fn of_movie(movie: &Movie, id: &str) -> Option<Stated> {
    let video = movie.video_with_id(id.parse().ok()?).ok()?;
    let colour = movie.tracks().get(video.index())?.entries.first()?.colour();
    let tags = colour.codes.map(|codes| {
        let codes_in_a_byte = codes.map(|code| u8::try_from(code).unwrap_or(2));
        Tags::new(colour.full_range, codes_in_a_byte)
    });
    Some(Stated {
        tags: tags.unwrap_or_default(),
        mastering: colour.mastering.map(|bytes| MasteringDisplay::from_mdcv(&bytes)),
        light: colour.light.map(|[maximum, average]| ContentLight { maximum, average }),
    })
}

fn of_caps(caps: &gst::Caps) -> Stated {
    let mut stated = Stated {
        tags: Tags::from_caps(caps),
        ..Stated::default()
    };
    if let Some(first) = caps.structure(0) {
        let text = |name: &str| first.get::<&str>(name).ok();
        stated.mastering = text("mastering-display-info").and_then(|text| text.parse().ok());
        stated.light = text("content-light-level").and_then(|text| text.parse().ok());
    }
    stated
}
