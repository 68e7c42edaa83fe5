#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Restores a video file into an MP4 file and keeps its first sound track: AAC and MP3 as they are, others as AAC.
# With --compare the original stays left of a line in the middle.
#
# Usage: file.sh [--compare] IN OUT.mp4
#
# CRF sets the quality of the H.264 output (default 18, lower is better), BLURDM further properties of the element, such
# as "strength=0.7 execution-provider=cpu".

set -eu
. "$(dirname "$0")/env.sh"

compare=off
if [ "${1:-}" = --compare ]; then
    compare='split'
    shift
fi
[ $# -eq 2 ] || usage
in=$1
out=$2
[ -f "$in" ] || fail "there is no file '$in': give the video to restore"
[ ! "$in" -ef "$out" ] || fail "'$out' is the input itself: give another name, the original is never overwritten"
[ -d "$(dirname "$out")" ] || fail "there is no folder '$(dirname "$out")' to write into: make it first"
command -v gst-discoverer-1.0 >/dev/null ||
    fail "gst-discoverer-1.0 is missing: install the package gstreamer1.0-plugins-base-apps"

# A muxer waits for every pad it has been asked for, so the sound is looked for before the pipeline is written.
streams=$(gst-discoverer-1.0 -v "$in" 2>&1) || true
printf '%s\n' "$streams" | grep -Eq '^ *video( #[0-9]+)?: ' ||
    fail "'$in' has no video that GStreamer can read: $(printf '%s\n' "$streams" | sed -n '3,$p' | tr -s ' \n' '  ')"
case $(printf '%s\n' "$streams" | grep -E '^ *audio( #[0-9]+)?: ' | head -n 1) in
'') kept='' audio='' ;;
*'mpegversion=(int)4'*) kept='audio/mpeg,mpegversion=4' audio='aacparse' ;;
*'mpegversion=(int)1'*'layer=(int)3'*) kept='audio/mpeg,mpegversion=1,layer=3' audio='mpegaudioparse' ;;
*) kept='audio/x-raw' audio='audioconvert ! audioresample ! avenc_aac ! aacparse' ;;
esac
if [ -n "$audio" ]; then
    # No limit: the encoder looks ahead further than a queue lasts.
    audio="file. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! $audio ! mux."
fi

# A run that breaks off leaves no half a film under the final name.
part=$out.part
trap 'rm -f "$part"' EXIT
trap 'exit 130' INT TERM

# decodebin leaves what `caps` names as it is. I420, since hardly any player shows the 4:4:4 that RGB would become.
# shellcheck disable=SC2086 # the words of $audio and $BLURDM are words of the pipeline
gst-launch-1.0 -q \
    filesrc location="$(quoted "$in")" ! decodebin name=file caps="video/x-raw${kept:+;$kept}" \
    file. ! queue ! deinterlace ! videoconvert ! progressreport name=restoring update-freq=5 ! \
    blurdm compare="$compare" ${BLURDM:-} ! \
    videoconvert ! video/x-raw,format=I420 ! x264enc pass=qual quantizer="${CRF:-18}" vbv-buf-capacity=0 ! h264parse ! \
    mp4mux name=mux faststart=true ! filesink location="$(quoted "$part")" \
    $audio
mv "$part" "$out"
