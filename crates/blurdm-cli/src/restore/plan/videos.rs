// SPDX-License-Identifier: MPL-2.0

//! Which of a file's videos is restored. Recorders put front and rear into one file, phones and cameras thumbnails and previews.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A coded frame of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CodedFrame {
    /// Stream time in nanoseconds.
    pub time: u64,
    /// PTS of the demuxer in nanoseconds. An edit list may begin within the frame: then its stream time is that of the edit.
    pub pts: u64,
    /// In nanoseconds, where the file states it.
    pub duration: Option<u64>,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// The video that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VideoChoice {
    /// The one that is enabled, then the largest, then the longest.
    #[default]
    Main,
    /// By its number in the order of the file, from 1.
    Number(usize),
    /// All of them but thumbnails.
    All,
}

impl FromStr for VideoChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self::Number(number)),
            _ if text == "all" => Ok(Self::All),
            _ => Err("it is neither a number from 1 on nor 'all'"),
        }
    }
}

/// A video of a file. Records of restored files hold it, so the names of the fields must not change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoNumber {
    /// In the order of the file, from 1.
    pub number: usize,
    /// Number of videos.
    pub of: usize,
    /// What the demuxer calls it: the id of the track in MP4 and Matroska, the PID in MPEG-TS.
    pub stream: String,
}

/// What a scan finds of a video.
#[derive(Debug, Clone, Default)]
pub struct Video {
    pub id: String,
    pub caps: Option<gst::Caps>,
    pub enabled: bool,
    /// Whether it is coded as pictures, each on its own: a cover is one too.
    pub is_picture: bool,
    pub frames: Vec<CodedFrame>,
    /// Number of frames without a time, as all are that `matroskademux` of GStreamer 1.22 finds of ProRes, and `tsdemux` without a clock.
    pub untimed: usize,
    /// Running time minus stream time of the first frame, in nanoseconds.
    pub shift: Option<i64>,
    /// The ids of the videos that had begun before, and how many frames they had by then.
    pub after: Vec<(String, usize)>,
}

/// A video with fewer frames than this part of those of another is taken for thumbnails, or for the pictures of chapters.
const FEW: usize = 10;

/// So many frames of a video that has ended may come after the first of the next one.
const DRAINED: usize = 8;

impl Video {
    /// Whether it is moving pictures, and not a cover.
    pub fn is_moving(&self) -> bool {
        self.frames.len() > usize::from(self.is_picture)
    }

    /// Whether another video had ended when this one began.
    pub fn comes_after(&self, other: &Self) -> bool {
        let began = self.after.iter().find(|(id, _)| *id == other.id);
        began.is_some_and(|(_, frames)| other.frames.len() <= frames + DRAINED)
    }

    fn pixels(&self) -> u64 {
        let first = self.caps.as_ref().and_then(|caps| caps.structure(0));
        let side = |name| first.and_then(|first| first.get::<i32>(name).ok());
        let area = side("width").zip(side("height"));
        area.map_or(0, |(width, height)| {
            u64::from(width.unsigned_abs()) * u64::from(height.unsigned_abs())
        })
    }

    fn length(&self) -> u64 {
        let (first, last) = (self.frames.first(), self.frames.last());
        let ends = first.zip(last);
        ends.map_or(0, |(first, last)| last.time.saturating_sub(first.time))
    }
}

/// As in `96x64 video/x-h264, 60 frames`.
impl fmt::Display for Video {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.caps.as_ref().and_then(|caps| caps.structure(0));
        if let Some(first) = first {
            if let (Ok(width), Ok(height)) = (first.get::<i32>("width"), first.get::<i32>("height")) {
                write!(f, "{width}x{height} ")?;
            }
            write!(f, "{}, ", first.name())?;
        }
        write!(f, "{} frames", self.frames.len())
    }
}

/// Returns the indices of the videos to restore among `videos`, which are in the order of the file. None where there is no such video.
pub fn choose(videos: &[Video], choice: VideoChoice) -> Vec<usize> {
    match choice {
        VideoChoice::Number(number) => number
            .checked_sub(1)
            .filter(|&index| index < videos.len())
            .into_iter()
            .collect(),
        VideoChoice::Main => main(videos).into_iter().collect(),
        VideoChoice::All => (0..videos.len())
            .filter(|&index| !has_few_frames(&videos[index], videos))
            .collect(),
    }
}

/// Returns the index of the video that is restored unasked. `None` where there is none.
pub fn main(videos: &[Video]) -> Option<usize> {
    let rank = |video: &Video| {
        let few = has_few_frames(video, videos);
        (video.enabled, !few, video.pixels(), video.length())
    };
    // The first of equal ones.
    (0..videos.len()).rev().max_by_key(|&index| rank(&videos[index]))
}

/// Returns a sentence about the videos that are not chosen and come before or after a chosen one: parts of one recording, which was joined of several.
pub fn left_out(videos: &[Video], chosen: &[usize]) -> Option<String> {
    let follows = |a: &Video, b: &Video| a.comes_after(b) || b.comes_after(a);
    let is_left_out = |&index: &usize| {
        !chosen.contains(&index) && chosen.iter().any(|&other| follows(&videos[index], &videos[other]))
    };
    let left_out: Vec<String> = (0..videos.len())
        .filter(is_left_out)
        .map(|index| format!("video {} ({})", index + 1, videos[index]))
        .collect();
    (!left_out.is_empty()).then(|| {
        format!(
            "a part of the recording is in another stream, and not restored: {}; --video all restores it, beside the other part, and splitting the file before gives two files",
            left_out.join(", ")
        )
    })
}

/// Returns a sentence about the frames of the chosen videos that have no time, and so no place among the others.
pub fn without_times(videos: &[Video], chosen: &[usize]) -> Option<String> {
    let sentence = |&index: &usize| {
        let (number, video) = (index + 1, videos.get(index)?);
        let of = format!("{} frames of video {number}", video.frames.len() + video.untimed);
        (video.untimed > 0).then(|| {
            format!(
                "{} of {of} have no time: they are missing, or at one that the decoder has guessed",
                video.untimed
            )
        })
    };
    let sentences: Vec<String> = chosen.iter().filter_map(sentence).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// Whether a video is taken for thumbnails beside the others.
fn has_few_frames(video: &Video, videos: &[Video]) -> bool {
    let most = videos.iter().map(|video| video.frames.len()).max();
    video.frames.len() < most.unwrap_or(0) / FEW
}

#[cfg(test)]
mod tests {
    // A test fails by a panic.
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn video(enabled: bool, width: i32, frames: u64) -> Video {
        gst::init().unwrap();
        let caps = gst::Caps::builder("video/x-h264")
            .field("width", width)
            .field("height", width / 2);
        Video {
            caps: Some(caps.build()),
            enabled,
            frames: (0..frames)
                .map(|time| CodedFrame {
                    time,
                    pts: time,
                    duration: None,
                    sync: true,
                })
                .collect(),
            ..Video::default()
        }
    }

    fn main_of<const N: usize>(videos: [Video; N]) -> usize {
        main(&videos).unwrap()
    }

    #[test]
    fn the_main_video_is_enabled_and_large_and_long_and_the_first_of_equal_ones() {
        assert_eq!(main_of([video(false, 200, 60), video(true, 100, 60)]), 1);
        assert_eq!(main_of([video(true, 100, 60), video(true, 200, 60)]), 1);
        assert_eq!(main_of([video(true, 100, 50), video(true, 100, 60)]), 1);
        assert_eq!(main_of([video(true, 100, 60), video(true, 100, 60)]), 0);
        assert_eq!(main_of([video(false, 100, 60), video(false, 200, 60)]), 1);
    }

    #[test]
    fn thumbnails_and_the_pictures_of_chapters_are_not_the_main_video_however_large() {
        assert_eq!(main_of([video(true, 4000, 3), video(true, 100, 60)]), 1);
        assert_eq!(main_of([video(true, 100, 6000), video(true, 1920, 20)]), 0);
        assert_eq!(main_of([video(true, 100, 3)]), 0);
    }

    #[test]
    fn a_number_that_no_video_has_chooses_none() {
        let videos = [video(true, 100, 60), video(true, 200, 60)];
        let number = |number| choose(&videos, VideoChoice::Number(number));
        assert_eq!(
            [number(0), number(1), number(2), number(3)],
            [vec![], vec![0], vec![1], vec![]]
        );
    }

    #[test]
    fn all_are_those_that_are_no_thumbnails_enabled_or_not() {
        let videos = [video(true, 100, 60), video(true, 4000, 5), video(false, 200, 30)];
        assert_eq!(choose(&videos, VideoChoice::All), [0, 2]);
        assert_eq!(choose(&videos[..1], VideoChoice::All), [0]);
    }
}
