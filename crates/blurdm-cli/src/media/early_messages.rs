// SPDX-License-Identifier: MPL-2.0

//! Messages of H.264 and H.265 that come before the first sequence parameter set, as FFmpeg writes them into MPEG-TS. GStreamer 1.22's parsers drop all that
//! comes before it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use gst::prelude::*;

use super::{
    bitstream::{Coding, nal},
    demuxer,
};
use crate::sync::lock;

/// A longer unit is a picture, and not kept until its end is found.
const MAX_UNIT: usize = 1 << 20;

/// More messages than these are not kept.
const MAX_MESSAGES: usize = 64;

/// The messages that parsers drop, by the name of the parser.
#[derive(Debug, Clone, Default)]
pub struct EarlyMessages(Arc<Mutex<HashMap<String, Search>>>);

impl EarlyMessages {
    /// Reads what comes to the parsers that will be in a pipeline.
    pub fn watch(&self, pipeline: &gst::Pipeline) {
        let all = self.0.clone();
        pipeline.connect_deep_element_added(move |_, _, element| {
            let coding = match element.factory().map(|factory| factory.name()).as_deref() {
                Some("h264parse") => Coding::H264,
                Some("h265parse") => Coding::H265,
                _ => return,
            };
            let Some(pad) = element.static_pad("sink") else { return };
            let (all, name) = (all.clone(), element.name().to_string());
            lock(&all).insert(name.clone(), Search::new(coding));
            pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
                let Some(buffer) = info.buffer() else {
                    return gst::PadProbeReturn::Ok;
                };
                let is_searched = has_start_codes(pad)
                    && buffer.map_readable().is_ok_and(|data| {
                        let mut all = lock(&all);
                        all.get_mut(&name).is_some_and(|search| search.push(&data))
                    });
                match is_searched {
                    true => gst::PadProbeReturn::Ok,
                    false => gst::PadProbeReturn::Remove,
                }
            });
        });
    }

    /// Returns the name of the parser that a stream of `parsebin` comes from.
    pub fn parser(&self, pad: &gst::Pad) -> Option<String> {
        let all = lock(&self.0);
        let names = demuxer::elements_before(pad)
            .into_iter()
            .map(|element| element.name().to_string());
        names.into_iter().find(|name| all.contains_key(name))
    }

    /// Returns the messages that a parser has dropped of the first frame.
    pub fn of(&self, parser: &str) -> Vec<Vec<u8>> {
        let all = lock(&self.0);
        let search = all.get(parser).filter(|search| search.has_parameters);
        search.map(|search| search.messages.clone()).unwrap_or_default()
    }
}

/// Whether the units of a stream are in start codes. A pad without this field has them too: units in sizes need a record, and that has a format.
fn has_start_codes(pad: &gst::Pad) -> bool {
    let caps = pad.current_caps();
    let first = caps.as_ref().and_then(|caps| caps.structure(0));
    first.is_none_or(|first| {
        first
            .get::<&str>("stream-format")
            .map_or(!first.has_field("codec_data"), |format| format == "byte-stream")
    })
}

/// The search for the first sequence parameter set.
#[derive(Debug)]
struct Search {
    coding: Coding,
    /// What has come since the last start code.
    data: Vec<u8>,
    messages: Vec<Vec<u8>>,
    has_parameters: bool,
}

impl Search {
    fn new(coding: Coding) -> Self {
        Self {
            coding,
            data: Vec::new(),
            messages: Vec::new(),
            has_parameters: false,
        }
    }

    /// Reads on. Returns whether the search goes on.
    fn push(&mut self, data: &[u8]) -> bool {
        let mut all = std::mem::take(&mut self.data);
        all.extend(data);
        let mut units = nal::after_start_codes(&all);
        let Some(last) = units.pop() else {
            self.keep(&all);
            return true;
        };
        for unit in units {
            self.unit(unit);
        }
        // Of the last one, only the type is certain.
        if self.coding.kind(last) == Some(self.coding.sequence_parameter_set()) {
            self.unit(last);
        }
        self.keep(&all[all.len() - last.len() - 3..]);
        if self.has_parameters {
            self.data = Vec::new();
        }
        !self.has_parameters
    }

    /// Keeps what the next data may complete.
    fn keep(&mut self, data: &[u8]) {
        self.data = match data.len() {
            ..MAX_UNIT => data.to_vec(),
            // A start code may go on in the next data.
            length => [&data[..4], &data[length - 2..]].concat(),
        };
    }

    fn unit(&mut self, unit: &[u8]) {
        if self.has_parameters {
            return;
        }
        let Some(kind) = self.coding.kind(unit) else { return };
        if kind == self.coding.sequence_parameter_set() {
            self.has_parameters = true;
        } else if kind == self.coding.sei() {
            // Zeros may follow a unit.
            let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if self.messages.len() < MAX_MESSAGES {
                self.messages.push(unit[..end].to_vec());
            }
        } else if self.coding.ends_messages(kind) {
            // They are those of a frame that cannot be decoded.
            self.messages.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = &[6, 47, 3, 1, 2, 3, 0x80];

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units
            .iter()
            .flat_map(|unit| [&[0, 0, 0, 1][..], unit].concat())
            .collect()
    }

    #[test]
    fn messages_of_the_frame_with_the_first_parameters_are_found_however_the_data_is_split() {
        let data = stream(&[
            &[6, 9, 1, 1, 0x80],
            &[1, 1, 1],
            &[9, 0xf0],
            MESSAGE,
            &[7, 1, 1],
            MESSAGE,
            &[5, 1],
        ]);
        for size in 1..data.len() {
            let mut search = Search::new(Coding::H264);
            let goes_on = data.chunks(size).all(|part| search.push(part));
            assert!(!goes_on && search.has_parameters, "{size}");
            assert_eq!(search.messages, [MESSAGE], "{size}");
        }
    }

    #[test]
    fn a_long_picture_is_not_kept() {
        let mut search = Search::new(Coding::H264);
        let picture = [&[0, 0, 1, 1][..], &[0xff; MAX_UNIT]].concat();
        assert!(search.push(&picture) && search.data.len() < 16);
        assert!(search.push(&stream(&[MESSAGE])));
        assert!(!search.push(&stream(&[&[7, 1, 1]])));
        assert_eq!(search.messages, [MESSAGE]);
    }
}
