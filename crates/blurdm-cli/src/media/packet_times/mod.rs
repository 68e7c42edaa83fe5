// SPDX-License-Identifier: MPL-2.0

//! Times of packets of sound that come without, as matroskademux's of a laced block but for the first. Muxers drop what has no time. For some codecs
//! `parsebin` uses parsers, which give times; for these it uses none.

mod aac;
mod opus;
mod vorbis;

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use vorbis::Vorbis;

use crate::sync::lock;

/// Gives each packet of sound that has no time the end of the one before it, and one without a duration that of its codec. `codec_delay` in nanoseconds is
/// what a demuxer subtracts from times, and not from the first.
pub fn complete(pad: &gst::Pad, caps: &gst::CapsRef, codec_delay: u64) {
    let is_sound = caps
        .structure(0)
        .is_some_and(|first| first.name().starts_with("audio/"));
    if !is_sound {
        return;
    }
    let times = Times::new(Durations::of(caps), codec_delay);
    let times = Arc::new(Mutex::new(times));
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            lock(&times).complete(buffer);
        }
        gst::PadProbeReturn::Ok
    });
}

/// How long the packets of a codec last.
#[derive(Debug)]
enum Durations {
    Opus,
    Vorbis(Vorbis),
    /// Of as many bytes per second.
    Bytes(u64),
    /// All last as long as this, as far as the header says it.
    Equal(Option<u64>),
}

impl Durations {
    fn of(caps: &gst::CapsRef) -> Self {
        let known = caps.structure(0).and_then(|first| match first.name().as_str() {
            "audio/x-opus" => Some(Self::Opus),
            "audio/x-vorbis" => {
                let headers = first.get::<gst::ArrayRef>("streamheader").ok()?;
                let header = |number: usize| {
                    let header: gst::Buffer = headers.as_slice().get(number)?.get().ok()?;
                    Some(header.map_readable().ok()?.to_vec())
                };
                Vorbis::of(&header(0)?, &header(2)?).map(Self::Vorbis)
            }
            "audio/x-raw" => Some(Self::Bytes(bytes_per_second(first)?)),
            "audio/mpeg" => {
                let config: gst::Buffer = first.get("codec_data").ok()?;
                Some(Self::Equal(aac::duration(&config.map_readable().ok()?)))
            }
            _ => None,
        });
        known.unwrap_or(Self::Equal(None))
    }

    fn next(&mut self, packet: &[u8]) -> Option<u64> {
        match self {
            Self::Opus => opus::duration(packet),
            Self::Vorbis(vorbis) => vorbis.duration(packet),
            Self::Bytes(per_second) => (packet.len() as u64)
                .checked_mul(1_000_000_000)?
                .checked_div(*per_second),
            Self::Equal(duration) => *duration,
        }
    }
}

#[derive(Debug)]
struct Times {
    durations: Durations,
    codec_delay: u64,
    /// The last time that was stated.
    stated: Option<u64>,
    /// Number of packets since then, with that of this time.
    since: u64,
    /// Where it can be found only by counting.
    interval: Option<u64>,
    /// The end of the last packet.
    end: Option<u64>,
}

impl Times {
    fn new(durations: Durations, codec_delay: u64) -> Self {
        Self {
            durations,
            codec_delay,
            stated: None,
            since: 0,
            interval: None,
            end: None,
        }
    }

    fn complete(&mut self, packet: &mut gst::Buffer) {
        if packet.flags().contains(gst::BufferFlags::HEADER) {
            return;
        }
        let stated = packet.pts().or(packet.dts()).map(gst::ClockTime::nseconds);
        let known = packet.duration().map(gst::ClockTime::nseconds);
        let of_codec = packet.map_readable().ok().and_then(|data| self.durations.next(&data));
        if let Some(stated) = stated {
            self.count(stated);
        }
        self.since += 1;
        let Some(time) = stated.or(self.end) else { return };
        if stated.is_none() {
            packet.make_mut().set_pts(gst::ClockTime::from_nseconds(time));
        }
        if known.is_none()
            && let Some(of_codec) = of_codec
        {
            // The muxer for MP4 gives the last packet of a stream none where it is not stated, and players leave that packet out.
            let of_codec = gst::ClockTime::from_nseconds(of_codec);
            packet.make_mut().set_duration(of_codec);
        }
        let mut duration = known.or(of_codec).or(self.interval);
        if time == 0 {
            // A time before 0 is stated as 0.
            duration = duration.map(|duration| duration.saturating_sub(self.codec_delay));
        }
        self.end = duration.and_then(|duration| time.checked_add(duration));
    }

    /// Counts how long packets last, from one stated time to the next.
    fn count(&mut self, stated: u64) {
        if let Some(before) = self.stated.replace(stated)
            && stated > before
        {
            self.interval = Some((stated - before) / self.since.max(1));
        }
        self.since = 0;
    }
}

fn bytes_per_second(sound: &gst::StructureRef) -> Option<u64> {
    // The last number of a format is the width of its samples, as in S16LE and S24_32LE.
    let format: &str = sound.get("format").ok()?;
    let numbers = format.split(|letter: char| !letter.is_ascii_digit());
    let bits: u64 = numbers.filter_map(|number| number.parse().ok()).next_back()?;
    let of = |name| {
        sound
            .get::<i32>(name)
            .ok()
            .and_then(|number| u64::try_from(number).ok())
    };
    let samples = of("rate")?.checked_mul(of("channels")?)?;
    samples.checked_mul(bits / 8).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;

    fn completed(durations: Durations, stated: &[Option<u64>]) -> Vec<Option<u64>> {
        let mut times = Times::new(durations, 0);
        let complete = |time: &Option<u64>| {
            let mut packet = gst::Buffer::from_slice([0x78; 96]);
            let time = time.map(|time| gst::ClockTime::from_mseconds(time));
            packet.make_mut().set_pts(time);
            times.complete(&mut packet);
            packet.pts().map(|time| time.nseconds() / MILLISECOND)
        };
        stated.iter().map(complete).collect()
    }

    #[test]
    fn a_packet_without_a_time_begins_where_the_one_before_it_ends() {
        gst::init().ok();
        let laced = [Some(5), None, None, Some(66), None];
        let whole = [5, 25, 45, 66, 86].map(Some);
        assert_eq!(completed(Durations::Opus, &laced), whole);
        assert_eq!(completed(Durations::Bytes(96 * 50), &laced), whole);
        let counted = completed(Durations::Equal(None), &laced);
        assert_eq!(counted, [Some(5), None, None, Some(66), Some(86)]);
    }

    #[test]
    fn a_packet_without_a_duration_gets_that_of_its_codec() {
        gst::init().ok();
        for (durations, expected) in [(Durations::Opus, Some(20)), (Durations::Equal(None), None)] {
            let mut packet = gst::Buffer::from_slice([0x78; 96]);
            packet.make_mut().set_pts(gst::ClockTime::ZERO);
            Times::new(durations, 0).complete(&mut packet);
            assert_eq!(packet.duration().map(gst::ClockTime::mseconds), expected);
        }
    }
}
