#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Shows a webcam live, the original left of a line in the middle.
#
# Usage: webcam.sh [DEVICE]
#
# DEVICE is /dev/video0 if not given. CAPS sets what the camera is asked for (default 640x480), SINK what shows it, such as
# "waylandsink" or "fakesink", BLURDM further properties of the element.

set -eu
. "$(dirname "$0")/env.sh"

[ $# -le 1 ] || usage
need_screen

# The queue drops what is too old, so that the picture stays live with a model slower than the camera; what it lets through is restored.
# shellcheck disable=SC2086 # the words of $BLURDM and $SINK are words of the pipeline
exec gst-launch-1.0 -q \
    v4l2src device="$(quoted "${1:-/dev/video0}")" ! "${CAPS:-video/x-raw,width=640,height=480}" ! \
    queue leaky=downstream max-size-buffers=1 ! videoconvert ! \
    blurdm compare=split deadline=process ${BLURDM:-} ! \
    videoconvert ! ${SINK:-autovideosink} sync=false
