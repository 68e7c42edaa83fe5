// SPDX-License-Identifier: MPL-2.0

//! The encoders that are known, and the choice among those that work on this machine.

use std::fmt;

use clap::ValueEnum;
use gst::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    coded_format::{Abilities, CodedFormat},
    colour::{self, Colour},
    encoder_options, watchdog,
};
use crate::error::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    H264,
    H265,
    Av1,
    Vp9,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An encoder element, and the properties that make it encode at a constant quality.
struct Candidate {
    factory: &'static str,
    hardware: bool,
    /// The element that uploads raw frames from system memory, if the encoder needs one.
    upload: Option<&'static str>,
    /// Names and values. `{}` stands for the quality on the scale of the codec.
    properties: &'static [(&'static str, &'static str)],
}

const fn hardware(factory: &'static str, properties: &'static [(&'static str, &'static str)]) -> Candidate {
    Candidate {
        factory,
        hardware: true,
        upload: None,
        properties,
    }
}

const fn software(factory: &'static str, properties: &'static [(&'static str, &'static str)]) -> Candidate {
    Candidate {
        factory,
        hardware: false,
        upload: None,
        properties,
    }
}

const fn jetson(factory: &'static str) -> Candidate {
    Candidate {
        factory,
        hardware: true,
        upload: Some("nvvidconv"),
        properties: &[
            ("ratecontrol-enable", "false"),
            ("quant-i-frames", "{}"),
            ("quant-p-frames", "{}"),
        ],
    }
}

const VA: &[(&str, &str)] = &[("rate-control", "cqp"), ("qpi", "{}"), ("qpp", "{}"), ("b-frames", "0")];
const NV: &[(&str, &str)] = &[("rc-mode", "constqp"), ("qp-const", "{}"), ("bframes", "0")];
const QSV: &[(&str, &str)] = &[
    ("rate-control", "cqp"),
    ("qp-i", "{}"),
    ("qp-p", "{}"),
    ("b-frames", "0"),
];

/// All are set to encode without reordering. It saves little at such a quality, and decoding times then equal presentation times.
const H264: &[Candidate] = &[
    hardware("nvh264enc", NV),
    jetson("nvv4l2h264enc"),
    hardware("vah264enc", VA),
    hardware("qsvh264enc", QSV),
    software(
        "x264enc",
        &[
            ("pass", "qual"),
            ("quantizer", "{}"),
            // Otherwise `bitrate` is the most that it may write, which is 2 Mbit/s where nothing else is set.
            ("vbv-buf-capacity", "0"),
            ("bframes", "0"),
        ],
    ),
    software(
        "openh264enc",
        &[("rate-control", "off"), ("qp-min", "{}"), ("qp-max", "{}")],
    ),
];

const H265: &[Candidate] = &[
    hardware("nvh265enc", NV),
    jetson("nvv4l2h265enc"),
    hardware("vah265enc", VA),
    hardware("qsvh265enc", QSV),
    software("x265enc", &[("option-string", "crf={}:bframes=0:log-level=none")]),
];

const AV1: &[Candidate] = &[
    hardware("vaav1enc", &[("rate-control", "cqp"), ("qp", "{}")]),
    software("svtav1enc", &[("crf", "{}")]),
    software(
        "av1enc",
        &[
            ("end-usage", "q"),
            // The element has no property for the level of this mode. Its default range allows quantizer 0 only, which is lossless.
            ("min-quantizer", "{}"),
            ("max-quantizer", "{}"),
            ("cpu-used", "6"),
            ("row-mt", "true"),
            ("lag-in-frames", "0"),
        ],
    ),
];

const VP9: &[Candidate] = &[software(
    "vp9enc",
    &[
        // VP9 has no mode with one quantizer for all frames.
        ("end-usage", "cq"),
        ("cq-level", "{}"),
        ("min-quantizer", "{}"),
        ("max-quantizer", "{}"),
        ("deadline", "1"),
        ("cpu-used", "4"),
        ("row-mt", "true"),
        ("lag-in-frames", "0"),
    ],
)];

/// The range of `--quality`, from the best to the worst.
pub const QUALITIES: std::ops::RangeInclusive<u32> = 0..=51;

impl Codec {
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Av1 => "AV1",
            Self::Vp9 => "VP9",
        }
    }

    /// Returns the codec of a media type, as in "video/x-h264". `None` for one that is not encoded to.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "video/x-h264" => Some(Self::H264),
            "video/x-h265" => Some(Self::H265),
            "video/x-av1" => Some(Self::Av1),
            "video/x-vp9" => Some(Self::Vp9),
            _ => None,
        }
    }

    fn candidates(self) -> &'static [Candidate] {
        match self {
            Self::H264 => H264,
            Self::H265 => H265,
            Self::Av1 => AV1,
            Self::Vp9 => VP9,
        }
    }

    fn parser(self) -> &'static str {
        match self {
            Self::H264 => "h264parse",
            Self::H265 => "h265parse",
            Self::Av1 => "av1parse",
            Self::Vp9 => "vp9parse",
        }
    }

    /// Converts a quality from 0 to 51 to the scale of the codec.
    fn scaled(self, quality: u32) -> u32 {
        match self {
            Self::H264 | Self::H265 => quality,
            Self::Av1 | Self::Vp9 => (quality * 63).div_ceil(51),
        }
    }

    /// Whether pictures of odd sides can have subsampled chroma. H.264 and H.265 cut their pictures off by whole chroma samples.
    fn odd_subsampled(self) -> bool {
        matches!(self, Self::Av1 | Self::Vp9)
    }

    fn hint(self) -> &'static str {
        match self {
            Self::H264 => "install the package gstreamer1.0-plugins-ugly, which has x264enc",
            Self::H265 => "install the package gstreamer1.0-plugins-bad, which has x265enc, or give another --codec",
            Self::Av1 => "install the package gstreamer1.0-plugins-bad, which has av1enc, or give another --codec",
            Self::Vp9 => "install the package gstreamer1.0-plugins-good, which has vp9enc, or give another --codec",
        }
    }
}

/// An encoder that works on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    pub codec: Codec,
    /// Name of the element factory.
    pub factory: String,
    pub quality: u32,
}

impl Encoder {
    /// Returns the first encoder that works, and that takes frames of odd sides if `odd`. Those of the hardware come first, unless `hardware` is
    /// `false`.
    ///
    /// # Errors
    /// [`Error::NoEncoder`], with the package that has one.
    pub fn find(codec: Codec, quality: u32, hardware: bool, odd: bool) -> Result<Self, Error> {
        let scaled = codec.scaled(quality);
        let takes_odd =
            |candidate: &Candidate| codec.odd_subsampled() || accepts(candidate.factory, gst_video::VideoFormat::Y444);
        let usable = |candidate: &&Candidate| {
            (hardware || !candidate.hardware) && (!odd || takes_odd(candidate)) && candidate.opens(scaled)
        };
        let found = codec.candidates().iter().find(usable).ok_or(Error::NoEncoder {
            codec: codec.name(),
            hint: codec.hint(),
        })?;
        Ok(Self {
            codec,
            factory: found.factory.into(),
            quality,
        })
    }

    /// Creates the elements from raw frames in system memory to the parsed stream, in their order. If `stream` is given, frames are in its format, and the
    /// stream has its colour.
    ///
    /// # Errors
    /// One of them is missing.
    pub fn elements(
        &self,
        stream: Option<(gst_video::VideoFormat, Colour)>,
    ) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
        let candidate = self.codec.candidates().iter().find(|c| c.factory == self.factory);
        let candidate =
            candidate.ok_or_else(|| gst::glib::bool_error!("{} encodes no {}", self.factory, self.codec))?;
        let encoder = candidate.create(self.codec.scaled(self.quality))?;
        let upload = candidate.upload.map(|name| gst::ElementFactory::make(name).build());
        let parser = gst::ElementFactory::make(self.codec.parser()).build()?;
        let mut start_codes = None;
        if let Some((format, colour)) = stream {
            encoder_options::add(&encoder, format, &colour);
            if let Some(pad) = encoder.static_pad("src") {
                colour::write_into_frames(&pad, colour);
            }
            if let Some(pad) = parser.static_pad("src") {
                colour::state_in_caps(&pad, colour);
            }
            if self.codec == Codec::H264 {
                // So that the parameter sets are among the frames.
                let caps = gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream");
                start_codes = Some(
                    gst::ElementFactory::make("capsfilter")
                        .property("caps", caps.build())
                        .build(),
                );
            }
        }
        let chain = upload.into_iter().chain([Ok(encoder)]).chain(start_codes);
        chain.chain([Ok(parser)]).collect()
    }

    /// Returns the format that frames like these are converted to before they are encoded.
    pub fn coded_format(&self, frames: &gst_video::VideoInfo) -> CodedFormat {
        let abilities = Abilities {
            accepts: &|format| accepts(&self.factory, format),
            odd_subsampled: self.codec.odd_subsampled(),
            rgb: self.codec != Codec::Vp9,
        };
        CodedFormat::choose(frames, &abilities)
    }
}

fn accepts(factory: &str, format: gst_video::VideoFormat) -> bool {
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", format.to_str())
        .build();
    gst::ElementFactory::find(factory).is_some_and(|factory| factory.can_sink_any_caps(&caps))
}

impl Candidate {
    /// Creates the element, set to a constant quality on the scale of the codec.
    fn create(&self, quality: u32) -> Result<gst::Element, gst::glib::BoolError> {
        let encoder = gst::ElementFactory::make(self.factory).build()?;
        for (name, value) in self.properties {
            // Properties differ between versions of an element. Those that a version lacks are left out.
            if let Some(property) = encoder.find_property(name) {
                let value = value.replace("{}", &quality.to_string());
                let value = gst::glib::Value::deserialize_with_pspec(&value, &property)?;
                encoder.set_property_from_value(name, &value);
            }
        }
        Ok(encoder)
    }

    /// Whether the encoder can be opened. An element may be installed although its hardware is absent.
    fn opens(&self, quality: u32) -> bool {
        let has_upload = self.upload.is_none_or(|name| gst::ElementFactory::find(name).is_some());
        let Ok(encoder) = self.create(quality) else {
            return false;
        };
        let _wait = watchdog::wait();
        let opened = has_upload && encoder.set_state(gst::State::Ready).is_ok();
        encoder.set_state(gst::State::Null).ok();
        opened
    }
}
