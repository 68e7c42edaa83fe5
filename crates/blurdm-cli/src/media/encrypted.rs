// SPDX-License-Identifier: MPL-2.0

//! Encrypted streams. Demuxers give them media types of their own: those of MP4 by the schemes of ISO/IEC 23001-7, and that of WebM.

const MEDIA_TYPES: [&str; 3] = ["application/x-cenc", "application/x-cbcs", "application/x-webm-enc"];

/// Whether a stream of this media type is encrypted.
pub fn is_encrypted(media: &str) -> bool {
    MEDIA_TYPES.contains(&media)
}

/// Whether a stream is an encrypted video.
pub fn is_video(caps: &gst::CapsRef) -> bool {
    caps.structure(0).is_some_and(|first| {
        let original = first.get::<&str>("original-media-type").unwrap_or_default();
        is_encrypted(first.name()) && original.starts_with("video/")
    })
}
