#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Shows a USB camera on a Jetson live and restored, or records it until Ctrl-C: into one file, or into a folder, in clips of
# a minute each.
#
# NOT RUN ON HARDWARE: this script is written after NVIDIA's documentation and has not yet run on a Jetson.
#
# Usage: jetson-usb.sh [OUT.mp4 | FOLDER]
#
# DEVICE is the camera (default /dev/video0), WIDTH, HEIGHT and FPS what it is asked for (default 640x480 at 30), CAPTURE
# how: "raw" (default), or "mjpeg", which most cameras need for larger frames; `v4l2-ctl --list-formats-ext` tells what it
# has. SCALED_WIDTH and SCALED_HEIGHT are what the model sees (default as from the camera), BLURDM further properties of the
# element. ENCODER names what encodes, such as "x264enc tune=zerolatency key-int-max=30" on an Orin Nano, which has no
# hardware for it; KEEP how many clips stay in a folder (default 60).

set -eu
. "$(dirname "$0")/env.sh"
. "$(dirname "$0")/jetson.sh"

[ $# -le 1 ] || usage
device=${DEVICE:-/dev/video0}
[ -e "$device" ] || fail "there is no camera '$device': plug it in, or set DEVICE to one that 'v4l2-ctl --list-devices' shows"
size=width=${WIDTH:-640},height=${HEIGHT:-480}
need_jetson nvvidconv
case ${CAPTURE:-raw} in
raw)
    # By way of the GPU's memory: nvvidconv has that on one side.
    captured="video/x-raw,format=YUY2,$size,framerate=${FPS:-30}/1 ! nvvidconv ! video/x-raw(memory:NVMM),format=NV12"
    ;;
mjpeg)
    need_jetson nvv4l2decoder
    captured="image/jpeg,$size,framerate=${FPS:-30}/1 ! nvv4l2decoder mjpeg=1"
    ;;
*) fail "CAPTURE is '$CAPTURE': set it to raw or mjpeg" ;;
esac
output=$(output "$@")

# nvvidconv scales and gives RGBA, the layout that blurdm takes without conversion. The queue drops what is too old, so that
# the picture stays live; what it lets through is restored.
# shellcheck disable=SC2086 # the words of $captured, $BLURDM and $output are words of the pipeline
exec gst-launch-1.0 -q -e \
    v4l2src device="$(quoted "$device")" io-mode=mmap ! $captured ! \
    nvvidconv ! "video/x-raw,format=RGBA,width=${SCALED_WIDTH:-${WIDTH:-640}},height=${SCALED_HEIGHT:-${HEIGHT:-480}}" ! \
    queue leaky=downstream max-size-buffers=1 ! \
    blurdm deadline=process ${BLURDM:-} ! \
    $output
