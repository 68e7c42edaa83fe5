// SPDX-License-Identifier: MPL-2.0

//! One of the videos of a file: its segments, how it is encoded, and what has become of it.

use std::{path::Path, sync::OnceLock};

use gst_video::VideoInfo;

use super::{
    mux::RestoredVideo,
    options::Options,
    plan::{self, Scan, Segment, Turning, webm},
    report::{self, VideoIdentity, VideoRecord, Witness},
    segments::{
        FinishedSegment, FrameRecord, ReusableElement, RunOptions, SegmentRun, Shape, WorkDir, decoded_info, turned,
    },
};
use crate::{
    error::Error,
    media::{
        coded_format,
        encoder::{Codec, Encoder},
    },
    progress::FileProgress,
};

/// The videos of a file that are to be restored.
#[derive(Debug)]
pub struct PlannedVideos {
    /// At least one, in the order of the file.
    pub videos: Vec<PlannedVideo>,
    /// Sentences about chosen videos that are not among them.
    pub notes: Vec<String>,
}

/// A video that is to be restored.
#[derive(Debug)]
pub struct PlannedVideo {
    pub scan: Scan,
    pub turning: Turning,
    pub encoder: Encoder,
    pub segments: Vec<Segment>,
    /// Stream times of the stills for the report.
    pub stills: Vec<u64>,
    /// What sentences about it begin with where several were chosen.
    prefix: String,
    /// What its first picture is like when it is restored.
    first_picture: OnceLock<Option<VideoInfo>>,
}

/// What is finished of a video.
pub struct FinishedVideo<'a> {
    planned: &'a PlannedVideo,
    segments: Vec<FinishedSegment>,
    pub frames: Vec<FrameRecord>,
}

impl PlannedVideos {
    /// Scans `input` and plans the segments of the chosen videos.
    ///
    /// # Errors
    /// As [`Scan::run`]; [`Error::EmptyRange`] where no video has a frame in the part that is asked for; [`Error::Unsuitable`]; [`Error::NoEncoder`].
    pub fn of(input: &Path, output: &Path, options: &Options) -> Result<Self, Error> {
        let scans = Scan::run(input, options.video)?;
        let has_several = scans.len() > 1;
        let (mut videos, mut notes, mut first_error) = (Vec::new(), Vec::new(), None);
        let mut next_number = 0;
        for scan in scans {
            let prefix = match has_several {
                true => format!("video {}: ", scan.video.number),
                false => String::new(),
            };
            let segments = scan
                .check()
                .and_then(|()| plan::segments(&scan, options.range, next_number));
            let segments = match segments {
                Ok(segments) => segments,
                Err(error @ (Error::EmptyRange { .. } | Error::Unsuitable { .. })) => {
                    notes.push(format!("{prefix}{error}"));
                    first_error.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            next_number += segments.len();
            let stills = match options.report {
                true => report::still_times(&scan, &segments),
                false => Vec::new(),
            };
            videos.push(PlannedVideo {
                encoder: find_encoder(&scan, output, options)?,
                turning: Turning::of(&scan, output, options.settings.compare),
                scan,
                segments,
                stills,
                prefix,
                first_picture: OnceLock::new(),
            });
        }
        match first_error {
            Some(error) if videos.is_empty() => Err(error),
            _ => Ok(Self { videos, notes }),
        }
    }

    /// Returns the main one.
    pub fn main(&self) -> Option<&PlannedVideo> {
        let main = self.videos.iter().find(|video| video.scan.is_main);
        main.or(self.videos.first())
    }

    /// Returns the segments of all of them.
    pub fn segments(&self) -> Vec<Segment> {
        self.videos.iter().flat_map(|video| &video.segments).copied().collect()
    }

    /// Returns a sentence about which ones are restored of the file, if it has several.
    pub fn choice(&self) -> Option<String> {
        let of = self.videos.first().map_or(0, |video| video.scan.video.of);
        let named = |video: &PlannedVideo| format!("video {} ({})", video.scan.video.number, video.scan.description);
        match &self.videos[..] {
            _ if of <= 1 => None,
            [one] => Some(format!(
                "the file has {of} videos; {} is restored, the others are kept where the container allows; --video chooses another, or all",
                named(one)
            )),
            several => {
                let named: Vec<String> = several.iter().map(named).collect();
                Some(format!(
                    "{} of its {of} videos are restored: {}",
                    several.len(),
                    named.join(", ")
                ))
            }
        }
    }
}

impl PlannedVideo {
    pub fn identity(&self) -> VideoIdentity {
        VideoIdentity {
            video: self.scan.video.clone(),
            encoder: self.encoder.clone(),
            turned: self.turned(),
        }
    }

    /// Returns how the pictures are turned before they are restored, if they are, as a value of GStreamer's tag `image-orientation`.
    pub fn turned(&self) -> Option<String> {
        self.turning.is_turned().then(|| self.turning.frames.tag().into())
    }

    /// Returns a sentence about this video.
    pub fn sentence(&self, text: impl std::fmt::Display) -> String {
        format!("{}{text}", self.prefix)
    }

    /// Returns what of the pictures will be different.
    pub fn changes(&self, requested: Option<Codec>) -> Vec<String> {
        let (media, codec) = (self.scan.media_type(), self.encoder.codec);
        let mut changes = Vec::new();
        if requested.or(Codec::from_media_type(media)) != Some(codec) {
            changes.push(self.sentence(format_args!("the video was {media} and becomes {codec}")));
        }
        if let Some(note) = self.turning.note() {
            changes.push(self.sentence(note));
        }
        if let Some(frames) = self.first_picture() {
            let losses = coded_format::losses(frames, self.encoder.coded_format(frames));
            if !losses.is_empty() {
                changes.push(self.sentence(format_args!("lost in {codec}: {}", losses.join(", "))));
            }
        }
        changes
    }

    /// Returns what its first picture is like when it is restored. `None` where it cannot be decoded.
    fn first_picture(&self) -> Option<&VideoInfo> {
        let decoded = || {
            let frames = decoded_info(&self.scan).ok()??;
            turned(&frames, self.turning.frames).ok()
        };
        self.first_picture.get_or_init(decoded).as_ref()
    }

    /// Restores the unfinished ones among `segments`, which are some of its own, in runs of contiguous ones.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::MissingPlugin`] where none of its frames can be decoded; those of [`SegmentRun::restore`] and
    /// [`Witness::check`]. Finished segments are kept.
    pub fn restore(
        &self,
        segments: &[Segment],
        work: &WorkDir,
        element: &ReusableElement,
        options: &Options,
        witness: &Witness,
        progress: &FileProgress,
    ) -> Result<(), Error> {
        let options = RunOptions {
            scan: &self.scan,
            encoder: &self.encoder,
            compare: options.settings.compare,
            first_segment: self.segments.first().map_or(0, |first| first.number),
            report: options.report,
            stills: &self.stills,
            turning: self.turning,
            shape: self.first_picture().map(Shape::of),
        };
        let mut rest = segments;
        while let Some(first) = rest.first() {
            if work.finished(first).is_some() {
                rest = &rest[1..];
                continue;
            }
            let pending = rest.iter().take_while(|segment| work.finished(segment).is_none());
            let run = SegmentRun::new(options, work, &rest[..pending.count()], progress);
            // Fewer than all where a part of the file cannot be decoded. What follows may be decodable again.
            let reached = run.restore(element)?;
            rest = &rest[reached..];
            // What is finished of another file is of no use: its plan is another.
            witness.check()?;
        }
        Ok(())
    }

    /// Returns what is finished in `work`.
    pub fn finished(&self, work: &WorkDir) -> FinishedVideo<'_> {
        let segments = self.segments.iter().filter_map(|segment| work.finished(segment));
        let segments: Vec<FinishedSegment> = segments.collect();
        FinishedVideo {
            planned: self,
            frames: segments.iter().flat_map(|finished| &finished.frames).copied().collect(),
            segments,
        }
    }
}

impl<'a> FinishedVideo<'a> {
    pub fn planned(&self) -> &'a PlannedVideo {
        self.planned
    }

    /// Returns provider and precision of the element, if it has restored a segment.
    pub fn provider(&self) -> Option<&str> {
        let providers = self.segments.iter().map(|finished| finished.provider.as_str());
        providers.into_iter().find(|provider| !provider.is_empty())
    }

    /// Returns what replaces the original.
    pub fn restored(&self, work: &WorkDir) -> RestoredVideo<'_> {
        let videos = self.segments.iter().map(|finished| work.video(&finished.segment));
        RestoredVideo {
            scan: &self.planned.scan,
            turning: self.planned.turning,
            segments: videos.collect(),
            frames: &self.frames,
        }
    }

    pub fn record(&self) -> VideoRecord {
        VideoRecord {
            identity: self.planned.identity(),
            frames: self.frames.len(),
            passed: self.frames.iter().filter(|frame| !frame.restored).count(),
        }
    }

    /// Returns a sentence about each part that could not be decoded. `reason`: why nothing could.
    pub fn gaps(&self, reason: Option<&Error>) -> Vec<String> {
        if self.frames.is_empty() {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let text = format!("none of its frames can be decoded, and it is kept as it is{reason}");
            return vec![self.planned.sentence(text)];
        }
        let mut gaps = Vec::new();
        for segment in &self.planned.segments {
            let (from, total) = (segment.from as f64 / 1e9, segment.frames);
            let finished = self.segments.iter().find(|finished| finished.segment == *segment);
            let frames = finished.map_or(&[][..], |finished| &finished.frames);
            let damaged = frames.iter().filter(|frame| frame.damaged).count();
            if damaged > 0 {
                gaps.push(format!("{damaged} of {total} frames from {from:.3} s on are damaged"));
            }
            if frames.len() < total {
                let missing = total - frames.len();
                let reason = finished.and_then(|finished| finished.damage.as_ref());
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                gaps.push(format!(
                    "{missing} of {total} frames from {from:.3} s on cannot be decoded{reason}"
                ));
            }
        }
        gaps.iter().map(|gap| self.planned.sentence(gap)).collect()
    }
}

/// Returns the encoder for the requested codec, or for that of the original. H.264, which plays everywhere, replaces one that cannot be encoded.
fn find_encoder(scan: &Scan, output: &Path, options: &Options) -> Result<Encoder, Error> {
    let odd = scan.has_odd_side();
    let find = |codec| Encoder::find(codec, options.quality, options.hardware_encoder, odd);
    if webm::is_webm(output) {
        return find(webm::codec(
            output,
            options.codec,
            Codec::from_media_type(scan.media_type()),
        )?);
    }
    match (options.codec, Codec::from_media_type(scan.media_type())) {
        (Some(codec), _) => find(codec),
        (None, Some(codec)) => find(codec).or_else(|_| find(Codec::H264)),
        (None, None) => find(Codec::H264),
    }
}
