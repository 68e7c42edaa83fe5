#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Shows the CSI camera of a Jetson live and restored, or records it until Ctrl-C.
#
# NOT RUN HERE: this script is written after NVIDIA's documentation and has not yet run on a Jetson.
#
# Usage: jetson-csi.sh [OUT.mp4]
#
# SENSOR picks the camera (default 0), WIDTH, HEIGHT and FPS what it is asked for (default 1280x720 at 30), SCALED_WIDTH and
# SCALED_HEIGHT what the model sees (default 640x360), BLURDM further properties of the element.

set -eu
. "$(dirname "$0")/env.sh"

case $# in
0) show='nv3dsink sync=false' ;;
1)
    [ -d "$(dirname "$1")" ] || fail "there is no folder '$(dirname "$1")' to write into: make it first"
    show="nvv4l2h264enc ! h264parse ! mp4mux ! filesink location=$(quoted "$1")"
    ;;
*) usage ;;
esac
gst-inspect-1.0 nvarguscamerasrc >/dev/null 2>&1 ||
    fail "GStreamer does not find nvarguscamerasrc: this needs a Jetson with the package nvidia-l4t-gstreamer"

# The camera's memory stays on the GPU up to the first nvvidconv, which scales and gives RGBA, the layout that blurdm takes
# without conversion. The queue drops what is too old, so that the picture stays live; what it lets through is restored.
# shellcheck disable=SC2086 # the words of $BLURDM and $show are words of the pipeline
exec gst-launch-1.0 -q -e \
    nvarguscamerasrc sensor-id="${SENSOR:-0}" ! \
    "video/x-raw(memory:NVMM),format=NV12,width=${WIDTH:-1280},height=${HEIGHT:-720},framerate=${FPS:-30}/1" ! \
    nvvidconv ! "video/x-raw,format=RGBA,width=${SCALED_WIDTH:-640},height=${SCALED_HEIGHT:-360}" ! \
    queue leaky=downstream max-size-buffers=1 ! \
    blurdm deadline=process ${BLURDM:-} ! \
    nvvidconv ! "video/x-raw(memory:NVMM),format=NV12" ! $show
