#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Runs short pipelines with the element under Valgrind's Memcheck: frames in the stream and in flight, tiles, a change of size, a second start.
# Says so where there is no Valgrind.
#
# Usage: valgrind.sh FOLDER RUNTIME   FOLDER has the plugin, with line numbers; RUNTIME has ONNX Runtime
#
# valgrind.supp says what is not ours. Exit status 1 if anything else is found: reads or writes of memory that is not the process's, decisions that
# depend on what was never written, memory that is lost.

set -euo pipefail
[ $# -eq 2 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
plugins=$(realpath "$1") runtime=$(realpath "$2")
command -v valgrind >/dev/null || {
    echo 'valgrind.sh: skipped: there is no valgrind in PATH. Install the package valgrind.'
    exit 0
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
export GST_REGISTRY="$work/registry.bin"
export ORT_DYLIB_PATH="${ORT_DYLIB_PATH:-$runtime}"
# Without it GLib takes memory of which Memcheck sees nothing.
export G_SLICE=always-malloc
# Plugins are read by another process otherwise, which Memcheck does not follow.
gst-inspect-1.0 blurdm >/dev/null

failed=0
# check NAME PIPELINE...
check() {
    local name=$1 log=$work/$1.log status=0
    shift
    valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 \
        --suppressions="$here/valgrind.supp" --log-file="$log" gst-launch-1.0 -q "$@" || status=$?
    echo "$name: exit status $status, $(sed -n 's/.*ERROR SUMMARY: //p' "$log")"
    if [ "$status" -ne 0 ]; then
        failed=1
        cat "$log" >&2
    fi
}

deblur=(blurdm execution-provider=cpu threads=1)
source=(videotestsrc pattern=ball)
check in-the-stream "${source[@]}" num-buffers=4 ! video/x-raw,format=RGBx,width=96,height=64 ! "${deblur[@]}" ! fakesink
check in-flight "${source[@]}" num-buffers=8 ! video/x-raw,format=NV12,width=97,height=65 ! "${deblur[@]}" frames-in-flight=2 ! fakesink
check tiles "${source[@]}" num-buffers=2 ! video/x-raw,format=I420,width=320,height=240 ! "${deblur[@]}" tile-size=128 ! fakesink
check two-sizes concat name=joined ! "${deblur[@]}" ! fakesink \
    "${source[@]}" num-buffers=2 ! video/x-raw,format=BGRA,width=64,height=48 ! joined. \
    "${source[@]}" num-buffers=2 ! video/x-raw,format=BGRA,width=80,height=64 ! joined.
exit "$failed"
