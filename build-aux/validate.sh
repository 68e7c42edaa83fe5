#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Runs the scenarios of GStreamer's own test tool, gst-validate-1.0 of gst-devtools, on pipelines with the element. Says so where there is no such
# tool.
#
# Usage: validate.sh FOLDER RUNTIME [SCENARIO...]   FOLDER has the plugin, RUNTIME has ONNX Runtime
#
# The tool is the one that GST_VALIDATE names, or the one in PATH. It must be of the version of the installed GStreamer.
# Exit status 1 if a scenario fails, or if an issue is reported for the element or its pads.

set -euo pipefail
[ $# -ge 2 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
plugins=$(realpath "$1") runtime=$(realpath "$2")
shift 2

tool=gst-validate-1.0
if [ -x "${GST_VALIDATE:-}" ]; then
    tool=$GST_VALIDATE
fi
# The tool has a variable of the same name.
unset GST_VALIDATE
command -v "$tool" >/dev/null || {
    echo 'validate.sh: skipped: there is no gst-validate-1.0 in PATH. Build gst-devtools of the version that gst-inspect-1.0 --version prints, and set' \
        'GST_VALIDATE to its gst-validate-1.0.'
    exit 0
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
export GST_REGISTRY="$work/registry.bin"
export ORT_DYLIB_PATH="${ORT_DYLIB_PATH:-$runtime}"
export G_DEBUG="${G_DEBUG:-fatal_criticals}"
# The tool writes the graph of a pipeline with an issue there.
export GST_DEBUG_DUMP_DOT_DIR="$work"

clip=$work/clip.mp4
test=(videotestsrc num-buffers=750 pattern=ball ! 'video/x-raw,format=I420,width=96,height=64,framerate=25/1')
# Without B-frames there is no edit list, by which the segment of qtdemux is off after an accurate seek.
gst-launch-1.0 -q "${test[@]}" ! x264enc bframes=0 key-int-max=25 ! h264parse ! mp4mux ! filesink location="$clip"

file=(filesrc location="$clip" ! qtdemux ! h264parse ! avdec_h264 ! videoconvert)
changing=(videotestsrc pattern=ball ! videoscale ! videorate ! capsfilter name=caps 'caps=video/x-raw,width=96,height=64,framerate=25/1')
if [ $# -eq 0 ]; then
    set -- seek_forward seek_backward seek_with_stop simple_seeks scrub_forward_seeking scrub_backward_seeking reverse_playback fast_forward \
        fast_backward pause_resume play_15s change_state_intensive change_size_and_rate
fi

failed=0
for scenario in "$@"; do
    named=$scenario
    case $scenario in
    # The pads of a demuxer are linked once, and not again after NULL.
    change_state_intensive) source=("${test[@]}") ;;
    change_size_and_rate)
        source=("${changing[@]}")
        named=$here/validate/$scenario.scenario
        ;;
    *) source=("${file[@]}") ;;
    esac
    for in_flight in 1 2; do
        log=$work/$scenario-$in_flight.log
        status=0
        deblur=(blurdm name=deblur execution-provider=cpu threads=1 frames-in-flight="$in_flight")
        timeout 300 "$tool" --set-scenario "$named" "${source[@]}" ! "${deblur[@]}" ! fakevideosink sync=true >"$log" 2>&1 || status=$?
        issues=$(sed -n 's/^Issues found: //p' "$log")
        echo "$scenario, frames-in-flight=$in_flight: exit status $status, ${issues:-no} issues"
        sed -n -E 's/^ +((issue|warning|critical|Details) : |Detected on )/    \1/p' "$log" | cut -c -200
        if [ "$status" -ne 0 ] || grep -q 'Detected on.*<.*deblur' "$log"; then
            failed=1
            echo "validate.sh: $scenario failed with frames-in-flight=$in_flight" >&2
            grep -v -E '^ {15}' "$log" | tail -n 40 >&2
        fi
    done
done
exit "$failed"
