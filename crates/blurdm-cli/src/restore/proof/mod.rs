// SPDX-License-Identifier: MPL-2.0

//! The proof of an output before it gets its name: GStreamer's demuxers, which have not written it, find in it what was planned. What they do not read
//! of an MP4 is read by Mozilla's parser.

mod early;
mod headers;
mod hidden;
mod labels;
mod metadata;
mod mp4_boxes;
mod packets;
mod program_streams;
mod programs;
mod shown_as;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hidden::HiddenTrack;
pub use labels::UNDETERMINED;
use packets::{Packets, Streams};
use programs::Unread;

use crate::{
    error::Error,
    media::{
        encrypted,
        orientation::{self, Orientation},
        styled_text,
    },
    restore::plan::{Part, VideoNumber},
};

/// By how much times may differ where the container counts in other units than the original. Matroska counts milliseconds.
const ROUNDING: u64 = 1_000_000;

/// What an output must have.
#[derive(Debug)]
pub struct Expected<'a> {
    pub original: &'a Path,
    /// The restored videos.
    pub videos: &'a [ExpectedVideo<'a>],
    /// The part of the original that is kept.
    pub part: Option<Part>,
    /// Whether its other streams are those of the original in the same container, and not muxed anew.
    pub same_container: bool,
    /// Whether all times in the container are those of the original.
    pub same_times: bool,
    /// The running time in the original at which its other streams begin in the output, in nanoseconds. What is before it is known to be left out.
    pub start: i64,
    /// What is told already.
    pub told: &'a [String],
    /// Whether it is told that the original cannot be read to its end.
    pub is_damage_told: bool,
}

/// What an output lacks of the other streams.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// What the container cannot hold, and packets that are not presented there.
    pub told: Vec<String>,
    /// Packets that should be there.
    pub gaps: Vec<String>,
}

/// A restored video.
#[derive(Debug)]
pub struct ExpectedVideo<'a> {
    pub video: &'a VideoNumber,
    /// Videos of the finished segments, in their order.
    pub segments: &'a [PathBuf],
    /// Stream times of the frames in the original, in nanoseconds; with `same_times` those of its container.
    pub times: &'a [u64],
    /// Its orientation, where that of the original is known.
    pub orientation: Option<Orientation>,
}

impl ExpectedVideo<'_> {
    fn planned(&self) -> Result<Packets, Error> {
        Ok(Packets {
            times: self.times.to_vec(),
            ..packets::joined(self.segments)?
        })
    }
}

/// Compares a file with what it must have. Returns what it lacks of the other streams.
///
/// # Errors
/// [`Error::Unproven`]; [`Error::Interrupted`].
pub fn prove(expected: &Expected, file: &Path, output: &Path) -> Result<Lacking, Error> {
    let unproven = |reason: String| Error::Unproven {
        path: output.to_owned(),
        reason,
    };
    let mut written = packets::read(file, None, i64::MIN)?;
    if let Some(reason) = &written.error {
        return Err(unproven(format!("it cannot be read: {reason}")));
    }
    let restored: Vec<&str> = expected
        .videos
        .iter()
        .map(|video| video.video.stream.as_str())
        .collect();
    let part = expected.part.map(|part| (part, &restored[..]));
    let mut original = packets::read(expected.original, part, expected.start)?;
    let labels = lost_labels(&original, &written, &restored);
    let hidden = HiddenTrack::all(expected.original, &original);
    let unread = Unread::all(expected.original, &original);
    let unread_of_program_stream = program_streams::Unread::all(expected.original, &original);
    for expected_video in expected.videos {
        let (planned, id) = (expected_video.planned()?, &expected_video.video.stream);
        let of_several = |reason| match expected.videos.len() {
            1 => unproven(reason),
            _ => unproven(format!("of video {}, {reason}", expected_video.video.number)),
        };
        let found = match expected.same_container {
            true => written
                .by_id
                .get(id)
                .ok_or_else(|| format!("it lacks the restored video {id}"))
                .and_then(|video| {
                    check_video(video, &planned)?;
                    Ok(id.clone())
                }),
            false => find(&planned, &written, expected.same_times),
        };
        let found = found.and_then(|id| {
            check_orientation(expected_video.orientation, file, &id)?;
            Ok(id)
        });
        // What is left of both are the other streams.
        written.by_id.remove(&found.map_err(of_several)?);
        original.by_id.remove(id);
    }
    if expected.same_container {
        check_same(&original, &written).map_err(unproven)?;
        hidden::check_same(&hidden, &restored, expected.original, file).map_err(unproven)?;
        return Ok(Lacking::default());
    }
    let mut told = labels;
    told.extend(hidden.iter().map(HiddenTrack::to_string));
    told.extend(early::lost(expected.original, expected.part));
    // What is before a part is not kept anyway.
    let (before_tables, unread): (Vec<_>, Vec<_>) =
        unread.into_iter().partition(|unread| unread.is_gap() && part.is_none());
    let before_tables: Vec<String> = before_tables.iter().map(Unread::to_string).collect();
    told.extend(unread.iter().map(Unread::to_string));
    told.extend(unread_of_program_stream.iter().map(ToString::to_string));
    told.extend(metadata::lost(expected.original, file, &told));
    if let Some(reason) = &original.error {
        // What could be read of a damaged file is told by its gaps.
        let gaps = match expected.is_damage_told {
            true => Vec::new(),
            false => vec![format!("the original cannot be read to its end: {reason}")],
        };
        let gaps = [before_tables, gaps].concat();
        return Ok(Lacking { told, gaps });
    }
    let missing = missing(&original, &written, expected.told).map_err(unproven)?;
    if expected.same_times {
        check_times(&original, &written).map_err(unproven)?;
    }
    told.extend(missing.told);
    let gaps = [before_tables, missing.gaps].concat();
    Ok(Lacking { told, gaps })
}

/// Finds the video that has the planned frames. Returns its id.
fn find(planned: &Packets, written: &Streams, same_times: bool) -> Result<String, String> {
    let check = |video: &Packets| {
        // Stream times begin where a demuxer has found the first packet.
        let times = if same_times { &video.stored } else { &video.times };
        let video = Packets {
            times: times.clone(),
            ..video.clone()
        };
        check_video(&video, planned)
    };
    let mut first_error = None;
    for (id, video) in written.by_id.iter().filter(|(_, packets)| packets.is_video) {
        match check(video) {
            Ok(()) => return Ok(id.clone()),
            Err(error) => first_error.get_or_insert(error),
        };
    }
    Err(first_error.unwrap_or_else(|| "it has no video".into()))
}

/// Checks that streams that are copied have the times of the original.
fn check_times(original: &Streams, written: &Streams) -> Result<(), String> {
    for (id, before) in &original.by_id {
        let mut copies = written
            .by_id
            .values()
            .filter(|after| after.is_copy_of(before))
            .peekable();
        let Some(first) = copies.peek().copied() else { continue };
        let is_at_its_times = |after: &Packets| {
            let mut pairs = after.stored.iter().zip(&before.stored);
            pairs.all(|(after, before)| after.abs_diff(*before) <= ROUNDING)
        };
        if !copies.any(is_at_its_times) {
            let start = |packets: &Packets| packets.stored.first().map_or(0.0, |&time| time as f64 / 1e9);
            return Err(format!(
                "stream {id} ({}) has other times than in the original: it begins at {:.3} s, and not at {:.3} s",
                before.coding,
                start(first),
                start(before)
            ));
        }
    }
    Ok(())
}

/// Checks that players turn the restored video as planned.
fn check_orientation(planned: Option<Orientation>, file: &Path, id: &str) -> Result<(), String> {
    let Some(planned) = planned else { return Ok(()) };
    match orientation::read(file, id, None) {
        Some(found) if found == planned => Ok(()),
        Some(found) => Err(format!("its pictures are {found}, and not {planned}")),
        None => Err(format!("its pictures are not {planned}")),
    }
}

/// Returns what the original says about itself and its streams, and the output does not. The orientation of the `restored` videos is known.
fn lost_labels(original: &Streams, written: &Streams, restored: &[&str]) -> Vec<String> {
    let labels = |streams: &Streams, known: &[&str]| -> BTreeSet<String> {
        let is_told = |id: &str, label: &str| !known.contains(&id) || !labels::is_orientation(label);
        let all = streams.by_id.iter().flat_map(|(id, packets)| {
            let told = packets.labels.iter().filter(|label| is_told(id, label));
            told.cloned().collect::<Vec<_>>()
        });
        all.collect()
    };
    let (before, after) = (labels(original, restored), labels(written, &[]));
    before.difference(&after).cloned().collect()
}

/// Compares the frames of the restored video with the planned ones. Containers may begin elsewhere: distances count.
fn check_video(video: &Packets, planned: &Packets) -> Result<(), String> {
    let (found, same_coding) = (&video.times, video.coding == planned.coding);
    if same_coding && (video.count, &video.hash) != (planned.count, &planned.hash) {
        return Err("its video is not that of the restored segments".into());
    }
    let planned = &planned.times;
    if found.len() != planned.len() {
        return Err(format!(
            "its video has {} frames, and not {}",
            found.len(),
            planned.len()
        ));
    }
    let starts = found.first().copied().zip(planned.first().copied());
    let (start, planned_start) = starts.unwrap_or((0, 0));
    let wrong = found.iter().zip(planned).position(|(found, planned)| {
        let (found, planned) = (found.saturating_sub(start), planned.saturating_sub(planned_start));
        found.abs_diff(planned) > ROUNDING
    });
    wrong.map_or(Ok(()), |frame| {
        Err(format!(
            "frame {frame} of its video is at {:.6} s, and not at {:.6} s",
            found[frame] as f64 / 1e9,
            planned[frame] as f64 / 1e9
        ))
    })
}

/// Checks that all other streams have the same packets at the same times.
fn check_same(original: &Streams, written: &Streams) -> Result<(), String> {
    for (id, before) in &original.by_id {
        let Some(after) = written.by_id.get(id) else {
            return Err(format!("it lacks stream {id} ({})", before.coding));
        };
        if after.count != before.count || !after.is_copy_of(before) {
            return Err(format!("stream {id} ({}) is not that of the original", before.coding));
        }
        if after.times != before.times {
            return Err(format!(
                "stream {id} ({}) has other times than in the original",
                before.coding
            ));
        }
    }
    Ok(())
}

/// Finds for each other stream one that has its packets, in the order of both files. Returns what is missing. A stream that the container cannot hold at
/// all is `told` by the muxer.
fn missing(original: &Streams, written: &Streams, told: &[String]) -> Result<Lacking, String> {
    let mut left: Vec<&Packets> = written.by_id.values().collect();
    let mut lacking = Lacking::default();
    for (id, before) in &original.by_id {
        if let Some(same) = left.iter().position(|after| after.is_copy_of(before)) {
            left.remove(same);
            continue;
        }
        let media = before.media();
        let after = left.iter().position(|after| is_same_media(after.media(), media));
        let after = after.map(|position| left.remove(position));
        if after.is_none() && told.contains(&description(media)) {
            continue;
        }
        let found = after.map_or(0, |after| after.count);
        if found < before.count {
            let lost = before.count - found;
            let packets = format!("{lost} of {} packets of stream {id} ({})", before.count, before.coding);
            if lost <= before.outside {
                lacking.told.push(packets);
            } else if before.untimed > 0 {
                let untimed = before.untimed;
                lacking.gaps.push(format!(
                    "{packets} are missing in the output; the file does not say the times of {untimed}"
                ));
            } else {
                lacking.gaps.push(format!("{packets} are missing in the output"));
            }
        } else if after.is_some_and(|after| after.coding == before.coding) && !media.starts_with("text/") {
            return Err(format!("stream {id} ({}) is not that of the original", before.coding));
        }
    }
    Ok(lacking)
}

/// Whether the media type of a stream that is `written` may be that of one `before`: M2TS states E-AC-3 where there is AC-3, and of subtitles with styles the
/// text may be kept.
fn is_same_media(written: &str, before: &str) -> bool {
    let is_ac3 = |media: &str| ["audio/x-ac3", "audio/x-eac3"].contains(&media);
    let is_text = written.starts_with("text/") && styled_text::is_styled(before);
    written == before || is_text || (is_ac3(written) && is_ac3(before))
}

/// Returns a description of a stream of this media type.
pub fn description(media: &str) -> String {
    match encrypted::is_encrypted(media) {
        true => format!("a stream that is encrypted ({media})"),
        false => format!("a stream of {media}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(times: &[u64]) -> Packets {
        Packets {
            is_video: true,
            times: times.to_vec(),
            count: times.len(),
            ..Packets::default()
        }
    }

    fn streams<const N: usize>(packets: [(&str, usize, u8); N]) -> Streams {
        let packets = packets.map(|(id, count, hash)| {
            let packets = Packets {
                coding: "audio/mpeg raw".into(),
                count,
                hash: vec![hash],
                ..Packets::default()
            };
            (id.to_owned(), packets)
        });
        Streams {
            by_id: packets.into(),
            error: None,
        }
    }

    #[test]
    fn a_frame_too_few_and_a_frame_at_another_time_are_found() {
        let planned = video(&[100, 40_000_100, 80_000_100]);
        assert!(check_video(&video(&[0, 40_000_000, 80_400_000]), &planned).is_ok());
        assert!(check_video(&video(&[0, 40_000_000]), &planned).is_err());
        assert!(check_video(&video(&[0, 40_000_000, 90_000_000]), &planned).is_err());
        let other = Packets {
            hash: vec![1],
            ..video(&[0, 40_000_000, 80_000_000])
        };
        assert!(check_video(&other, &planned).is_err());
    }

    #[test]
    fn another_stream_that_is_changed_or_gone_is_found() {
        let original = streams([("002", 7, 2)]);
        assert!(check_same(&original, &streams([("001", 9, 5), ("002", 7, 2)])).is_ok());
        assert!(check_same(&original, &streams([("001", 9, 5), ("002", 7, 3)])).is_err());
        assert!(check_same(&original, &streams([("001", 9, 5)])).is_err());
    }

    #[test]
    fn a_copied_stream_at_other_times_is_found() {
        let at = |times: [u64; 2]| {
            let mut streams = streams([("001", 2, 1)]);
            for packets in streams.by_id.values_mut() {
                packets.stored = times.to_vec();
            }
            streams
        };
        let original = at([23_000_000, 46_000_000]);
        assert!(check_times(&original, &at([23_400_000, 46_400_000])).is_ok());
        assert!(check_times(&original, &at([46_000_000, 69_000_000])).is_err());
    }

    #[test]
    fn packets_that_are_missing_are_gaps_unless_the_reason_is_known_and_changed_ones_are_an_error() {
        let original = streams([("002", 7, 2)]);
        let lost = "2 of 7 packets of stream 002 (audio/mpeg raw)";
        let found = missing(&original, &streams([("001", 5, 4)]), &[]).unwrap_or_default();
        assert_eq!(found.gaps, [format!("{lost} are missing in the output")]);
        let mut early = streams([("002", 7, 2)]);
        for packets in early.by_id.values_mut() {
            packets.outside = 2;
        }
        let found = missing(&early, &streams([("001", 5, 4)]), &[]).unwrap_or_default();
        assert_eq!((&found.told[..], found.gaps.len()), (&[lost.to_owned()][..], 0));
        let none = streams([]);
        let found = missing(&original, &none, &[]).unwrap_or_default();
        assert_eq!(found.gaps.len(), 1);
        assert_eq!(
            missing(&original, &none, &[description("audio/mpeg")]),
            Ok(Lacking::default())
        );
        assert_eq!(
            missing(&original, &streams([("009", 7, 2)]), &[]),
            Ok(Lacking::default())
        );
        assert!(missing(&original, &streams([("009", 7, 3)]), &[]).is_err());
    }
}
