// SPDX-License-Identifier: MPL-2.0

//! What H.264 and H.265 say about colour, and writing it.

use super::{
    avc,
    hdr::{ContentLight, Hdr, MasteringDisplay},
    hevc,
    tags::Tags,
    vui::Vui,
};
use crate::media::bitstream::{AccessUnit, Coding, nal};

/// Types of messages of supplemental enhancement information (ITU-T H.264, section D.1; ITU-T H.265, section D.2.1).
const MASTERING_DISPLAY: usize = 137;
const CONTENT_LIGHT: usize = 144;

/// Returns the tags of the first sequence parameter set. `None` where there is none.
pub fn tags(unit: &AccessUnit) -> Option<Tags> {
    let payload = unit.sequence_parameter_set()?;
    Some(read(unit.coding(), &payload).map(|vui| vui.tags).unwrap_or_default())
}

/// Returns what is said of HDR10.
pub fn hdr(unit: &AccessUnit) -> Hdr {
    let messages = unit.messages().into_iter();
    messages
        .map(|(kind, payload)| of_message(kind, &payload))
        .fold(Hdr::default(), Hdr::or)
}

fn of_message(kind: usize, payload: &[u8]) -> Hdr {
    let mut hdr = Hdr::default();
    match kind {
        MASTERING_DISPLAY => hdr.mastering = payload.first_chunk().map(MasteringDisplay::from_mdcv),
        CONTENT_LIGHT => {
            hdr.light = payload.first_chunk().map(|&[a, b, c, d]| ContentLight {
                maximum: u16::from_be_bytes([a, b]),
                average: u16::from_be_bytes([c, d]),
            });
        }
        _ => {}
    }
    hdr
}

/// Returns an access unit with start codes whose parameter sets have these tags. `None` where it has none.
pub fn with_tags(coding: Coding, data: &[u8], tags: Tags) -> Option<Vec<u8>> {
    let flags = match coding {
        Coding::H264 => avc::VUI_FLAGS,
        Coding::H265 => hevc::VUI_FLAGS,
    };
    nal::with_parameter_sets(data, |unit| {
        let is_one = coding.kind(unit) == Some(coding.sequence_parameter_set());
        is_one.then(|| {
            let (head, payload) = coding.split(unit)?;
            let payload = nal::without_emulation_prevention(payload);
            Some((head, read(coding, &payload)?.written(&payload, tags, flags)))
        })?
    })
}

fn read(coding: Coding, parameter_set: &[u8]) -> Option<Vui> {
    match coding {
        Coding::H264 => avc::read_sps(parameter_set),
        Coding::H265 => hevc::read_sps(parameter_set),
    }
}
