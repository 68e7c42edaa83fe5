#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Shows the video of an RTSP camera live and restored, or records it until Ctrl-C.
#
# Usage: rtsp.sh URL [OUT.mp4]
#
# LATENCY is the jitter buffer in milliseconds (default 200), SINK what shows the video, such as "waylandsink" or
# "fakesink", BLURDM further properties of the element.

set -eu
. "$(dirname "$0")/env.sh"

case $# in
1)
    need_screen
    show="${SINK:-autovideosink} sync=false"
    ;;
2)
    [ -d "$(dirname "$2")" ] || fail "there is no folder '$(dirname "$2")' to write into: make it first"
    show="video/x-raw,format=I420 ! x264enc tune=zerolatency pass=qual quantizer=20 vbv-buf-capacity=0 ! h264parse ! mp4mux ! filesink location=$(quoted "$2")"
    ;;
*) usage ;;
esac

# -e: Ctrl-C ends the recording properly. The caps take the video and leave the sound. The queue drops what is too old, so
# that the picture stays live with a model slower than the camera; what it lets through is restored.
# shellcheck disable=SC2086 # the words of $BLURDM and $show are words of the pipeline
exec gst-launch-1.0 -q -e \
    rtspsrc name=camera location="$(quoted "$1")" latency="${LATENCY:-200}" \
    camera. ! application/x-rtp,media=video ! decodebin ! \
    queue leaky=downstream max-size-buffers=1 ! videoconvert ! \
    blurdm deadline=process ${BLURDM:-} ! \
    videoconvert ! $show
