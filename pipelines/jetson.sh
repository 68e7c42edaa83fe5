# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=sh
# Sourced by jetson-csi.sh and jetson-usb.sh after env.sh: what becomes of the restored frames.

need_jetson() {
    for element in "$@"; do
        gst-inspect-1.0 "$element" >/dev/null 2>&1 ||
            fail "GStreamer does not find $element: this needs a Jetson with the package nvidia-l4t-gstreamer"
    done
}

# encoded: from the restored RGBA to H.264.
encoded() {
    case ${ENCODER:-} in
    # What is not complete up to the next IDR frame is lost with the power.
    '') echo 'nvvidconv ! video/x-raw(memory:NVMM),format=NV12 ! nvv4l2h264enc idrinterval=30 ! h264parse' ;;
    nv*) echo "nvvidconv ! video/x-raw(memory:NVMM),format=NV12 ! $ENCODER ! h264parse" ;;
    *) echo "videoconvert ! video/x-raw,format=I420 ! $ENCODER ! h264parse" ;;
    esac
}

# clips FOLDER: a minute each, in Matroska, which can be read without its end. Their numbers go round, so that the oldest of
# KEEP is overwritten, and go on after the newest that is there.
clips() {
    keep=${KEEP:-60}
    newest=$(find "$1" -maxdepth 1 -name 'blurdm-*.mkv' -printf '%T@ %f\n' | sort -n | tail -n 1 | sed 's/.*blurdm-0*\([0-9][0-9]*\)\.mkv$/\1/')
    echo "splitmuxsink muxer-factory=matroskamux max-size-time=60000000000" \
        "max-files=$keep start-index=$(((${newest:--1} + 1) % keep)) location=$(quoted "$1/blurdm-%06d.mkv")"
}

# output [OUT]: shows the frames, or records them into a file, or into a folder.
output() {
    if [ $# -eq 0 ]; then
        echo 'nvvidconv ! video/x-raw(memory:NVMM),format=NV12 ! nv3dsink sync=false'
    elif [ -d "$1" ]; then
        [ -w "$1" ] || fail "the folder '$1' cannot be written to: give another one, or make it writable"
        echo "$(encoded) ! $(clips "$1")"
    else
        [ -d "$(dirname "$1")" ] || fail "there is no folder '$(dirname "$1")' to write into: make it first"
        echo "$(encoded) ! mp4mux ! filesink location=$(quoted "$1")"
    fi
}
