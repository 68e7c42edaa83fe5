#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Shows the CSI camera of a Jetson live and restored, or records it until Ctrl-C: into one file, or into a folder, in clips
# of a minute each.
#
# NOT RUN ON HARDWARE: this script is written after NVIDIA's documentation and has not yet run on a Jetson.
#
# Usage: jetson-csi.sh [OUT.mp4 | FOLDER]
#
# SENSOR picks the camera (default 0), WIDTH, HEIGHT and FPS what it is asked for (default 1280x720 at 30), SCALED_WIDTH and
# SCALED_HEIGHT what the model sees (default 640x360), BLURDM further properties of the element. ENCODER names what
# encodes, such as "x264enc tune=zerolatency key-int-max=30" on an Orin Nano, which has no hardware for it; KEEP how many
# clips stay in a folder (default 60).

set -eu
. "$(dirname "$0")/env.sh"
. "$(dirname "$0")/jetson.sh"

[ $# -le 1 ] || usage
need_jetson nvarguscamerasrc nvvidconv
output=$(output "$@")

# The camera's memory stays on the GPU up to the first nvvidconv, which scales and gives RGBA, the layout that blurdm takes
# without conversion. The queue drops what is too old, so that the picture stays live; what it lets through is restored.
# shellcheck disable=SC2086 # the words of $BLURDM and $output are words of the pipeline
exec gst-launch-1.0 -q -e \
    nvarguscamerasrc sensor-id="${SENSOR:-0}" ! \
    "video/x-raw(memory:NVMM),format=NV12,width=${WIDTH:-1280},height=${HEIGHT:-720},framerate=${FPS:-30}/1" ! \
    nvvidconv ! "video/x-raw,format=RGBA,width=${SCALED_WIDTH:-640},height=${SCALED_HEIGHT:-360}" ! \
    queue leaky=downstream max-size-buffers=1 ! \
    blurdm deadline=process ${BLURDM:-} ! \
    $output
