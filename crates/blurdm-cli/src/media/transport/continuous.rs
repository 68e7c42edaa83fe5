// SPDX-License-Identifier: MPL-2.0

//! One clock for the demuxer of transport streams, where that of the file has gaps or begins at 0 again.
//!
//! GStreamer 1.22's `tsdemux` takes a clock (PCR) that is more than half a second later than before for another one, and puts what follows half a second behind
//! what was before. What belongs before the gap but is stored behind it loses its time. So is it where the clock begins at 0 again after 26.5 hours. Where it
//! finds one clock only, the times of frames and sound are exact, however fast the clock goes: so it is given one that goes so slowly that no step is wide.
//! It cannot find places in the file by such a clock. A program without one is given one: see [`made_clock`]. The first tables come first as well: see
//! [`late_tables`].

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use gst::prelude::*;

use super::{
    late_tables,
    made_clock::{self, MadeClocks},
    packets::{Packet, Packets},
    stamps::{Bytes, CLOCK_PERIOD, CLOCK_SCALE, PERIOD, within, write_all},
    tables::Tables,
    timeline::Timeline,
};
use crate::{media::log::CAT, sync::lock};

const SECOND: u64 = 27_000_000;

/// A wider step of the clock is a gap for the demuxer.
const GAP: u64 = SECOND / 2;

/// The widest step of the clock that it is given.
const WIDEST: u64 = SECOND / 4;

/// Makes `tsdemux` read the times that the transport stream has that `source`, a `filesrc`, gives it from `path`.
pub fn correct(source: &gst::Element, path: &Path) {
    let (Some(changes), Some(pad)) = (changes_of(path), source.static_pad("src")) else {
        return;
    };
    gst::debug!(CAT, obj = source, "the clock is made continuous for its demuxer");
    pad.add_probe(gst::PadProbeType::PULL | gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut()
            && let Some(changed) = changes.apply(buffer)
        {
            *buffer = changed;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Whether a file is a transport stream whose clock is another one for the demuxer, so that this cannot seek.
pub fn are_times_corrected(path: &Path) -> bool {
    changes_of(path).is_some_and(|changes| !changes.clocks.is_empty() || !changes.made.is_empty())
}

/// Whether the first tables of a file are given to the demuxer ahead of what is stored before them.
pub fn are_tables_moved(path: &Path) -> bool {
    changes_of(path).is_some_and(|changes| !changes.start.is_empty())
}

/// Whether a file is a transport stream without any clock. `tsdemux` gives nothing of it a time.
pub fn lacks_clock(path: &Path) -> bool {
    let is_transport_stream = Packets::open(path).is_ok_and(|packets| packets.is_some());
    let mut clocks = Clocks::default();
    is_transport_stream && clocks.read(path, |_, _| {}).is_ok() && clocks.by_stream.is_empty()
}

/// By which a file is known again.
type Identity = (PathBuf, u64, Option<SystemTime>);

/// Returns what is changed of a file. It is read several times: what was found is kept for the last one.
fn changes_of(path: &Path) -> Option<Arc<Changes>> {
    static LAST: Mutex<Option<(Identity, Option<Arc<Changes>>)>> = Mutex::new(None);
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let identity = (path.to_owned(), metadata.len(), metadata.modified().ok());
    let mut last = lock(&LAST);
    if let Some((known, changes)) = &*last
        && *known == identity
    {
        return changes.clone();
    }
    // What cannot be read is told by the demuxer.
    let changes = Changes::of(path).ok().flatten().map(Arc::new);
    *last = Some((identity, changes.clone()));
    changes
}

/// Bytes that replace those of a file.
#[derive(Debug)]
struct Changes {
    /// In the order of the file.
    clocks: Vec<Bytes<6>>,
    times: Vec<Bytes<5>>,
    made: MadeClocks,
    /// What replaces the start of the file, with these changes.
    start: Vec<u8>,
}

impl Changes {
    /// Returns what is to be changed of a file. `None` where that is nothing.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let mut clocks = Clocks::default();
        clocks.read(path, |_, _| {})?;
        let slow: BTreeMap<u16, Slow> = clocks
            .by_stream
            .iter()
            .filter_map(|(&stream, timeline)| Some((stream, Slow::of(timeline, clocks.lead(stream, timeline.first))?)))
            .collect();
        let mut changes = Self {
            clocks: Vec::new(),
            times: Vec::new(),
            made: clocks.made(path)?,
            start: Vec::new(),
        };
        Clocks::default().read(path, |packet, clocks| {
            let stream = packet.stream();
            if let (Some(slow), Some(timeline)) = (slow.get(&stream), clocks.by_stream.get(&stream))
                && let Some(clock) = packet.clock()
            {
                changes.clocks.push(clock.with_ticks(slow.at(timeline.continuous)));
            }
            let clock = clocks.of_stream(stream);
            let shift = clock.filter(|(clock, _)| slow.contains_key(clock));
            if let Some((_, timeline)) = shift.filter(|(_, timeline)| timeline.shift != 0) {
                let shifted = |time: Bytes<5>| time.with_ticks((time.ticks() + timeline.shift) % PERIOD);
                changes.times.extend(packet.times().map(shifted));
            }
        })?;
        let start = late_tables::reordered(path, |start| changes.write_all(start, 0))?;
        changes.start = start.unwrap_or_default();
        let is_changed = !slow.is_empty() || !changes.made.is_empty() || !changes.start.is_empty();
        Ok(Some(changes).filter(|_| is_changed))
    }

    /// Returns a buffer of the file with the changes. `None` where there are none in it.
    fn apply(&self, buffer: &gst::BufferRef) -> Option<gst::Buffer> {
        let (start, length) = (buffer.offset(), buffer.size() as u64);
        let (clocks, times) = (within(&self.clocks, start, length), within(&self.times, start, length));
        let reordered = usize::try_from(start).ok().and_then(|start| self.start.get(start..));
        let reordered = reordered.unwrap_or_default();
        let is_made = self.made.are_within(start, length);
        if clocks.is_empty() && times.is_empty() && reordered.is_empty() && !is_made {
            return None;
        }
        let mut bytes = buffer.map_readable().ok()?.to_vec();
        self.write_all(&mut bytes, start);
        for (byte, &new) in bytes.iter_mut().zip(reordered) {
            *byte = new;
        }
        let mut changed = gst::Buffer::from_mut_slice(bytes);
        let kept = gst::BufferCopyFlags::FLAGS | gst::BufferCopyFlags::TIMESTAMPS;
        buffer.copy_into(changed.make_mut(), kept, ..).ok()?;
        Some(changed)
    }

    /// Changes bytes of the file, of which these begin at `start`.
    fn write_all(&self, bytes: &mut [u8], start: u64) {
        write_all(&self.clocks, bytes, start);
        write_all(&self.times, bytes, start);
        self.made.write_all(bytes, start);
    }
}

/// A clock that goes slowly.
#[derive(Debug)]
struct Slow {
    /// The first time of the clock that it replaces, and its own.
    replaced: u64,
    first: u64,
    /// How many times slower it goes.
    slower: u64,
}

impl Slow {
    /// Returns one for a clock, if it has gaps, begins at 0 again, or begins by `lead` later than what has its times from it.
    fn of(timeline: &Timeline, lead: u64) -> Option<Self> {
        if timeline.widest <= GAP && !timeline.is_periodic && lead == 0 {
            return None;
        }
        // It does not begin at 0 again.
        let (length, room) = (timeline.continuous - timeline.first, CLOCK_PERIOD - timeline.first);
        let slower = timeline.widest.div_ceil(WIDEST).max(length / room + 1).max(1);
        Some(Self {
            replaced: timeline.first,
            first: timeline.first.saturating_sub(lead),
            slower,
        })
    }

    fn at(&self, continuous: u64) -> u64 {
        self.first + (continuous - self.replaced) / self.slower
    }
}

/// The clocks of a file, and which streams have them.
#[derive(Debug, Default)]
struct Clocks {
    by_stream: BTreeMap<u16, Timeline>,
    /// The stream of the clock, by the stream that has its times from it.
    of_streams: BTreeMap<u16, u16>,
    /// The earliest time of each stream among the packets that are stored before any clock.
    early: BTreeMap<u16, u64>,
}

impl Clocks {
    /// Reads a file. `on_packet` is called for each packet, after it was read.
    fn read(&mut self, path: &Path, mut on_packet: impl FnMut(&Packet, &Self)) -> io::Result<()> {
        let Some(mut packets) = Packets::open(path)? else {
            return Ok(());
        };
        let mut tables = Tables::default();
        while let Some(packet) = packets.next()? {
            if packet.is_faulty() {
                continue;
            }
            if let Some(program) = tables.read(&packet) {
                let streams = program.streams.iter();
                self.of_streams.extend(streams.map(|stream| (stream.id, program.clock)));
            }
            if self.by_stream.is_empty()
                && let Some(time) = packet.times().map(|time| time.ticks()).min()
            {
                let earliest = self.early.entry(packet.stream()).or_insert(time);
                *earliest = time.min(*earliest);
            }
            let timeline = self.by_stream.get_mut(&packet.stream());
            let clock = packet.clock().map(|clock| clock.ticks());
            match (timeline, clock) {
                (Some(timeline), clock) => {
                    timeline.note(&packet);
                    if let Some(time) = clock {
                        timeline.go_on(time, packet.announces_discontinuity());
                    }
                }
                (None, Some(first)) => {
                    let mut timeline = Timeline::new(first);
                    timeline.note(&packet);
                    self.by_stream.insert(packet.stream(), timeline);
                }
                (None, None) => {}
            }
            on_packet(&packet, self);
        }
        Ok(())
    }

    /// Returns those of programs that have none.
    fn made(&self, path: &Path) -> io::Result<MadeClocks> {
        let has_clock = |clock: u16| self.by_stream.contains_key(&clock);
        match self.of_streams.values().all(|&clock| has_clock(clock)) {
            true => Ok(MadeClocks::default()),
            false => made_clock::of(path, has_clock),
        }
    }

    /// Returns by how much what is stored before a clock is earlier than its first time. `tsdemux` knows no time before that.
    fn lead(&self, clock: u16, first: u64) -> u64 {
        let early = self
            .early
            .iter()
            .filter(|(stream, _)| self.of_streams.get(stream) == Some(&clock));
        let lead = early.map(|(_, &time)| (first / CLOCK_SCALE + PERIOD - time) % PERIOD);
        let lead = lead.filter(|&lead| lead < PERIOD / 2).max();
        lead.unwrap_or_default() * CLOCK_SCALE
    }

    /// Returns the clock of a stream, and the stream that it is in.
    fn of_stream(&self, stream: u16) -> Option<(u16, &Timeline)> {
        let clock = *self.of_streams.get(&stream)?;
        Some((clock, self.by_stream.get(&clock)?))
    }
}
