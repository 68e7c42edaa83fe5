# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=sh
# Sourced by the scripts beside it: what `make` has built in this checkout is used, if it is there. Otherwise GStreamer
# finds what `make install` has installed, and nothing needs to be set.

root=$(cd "$(dirname "$0")/.." && pwd)

case ${CARGO_TARGET_DIR:-target} in
/*) built=$CARGO_TARGET_DIR/release ;;
*) built=$root/${CARGO_TARGET_DIR:-target}/release ;;
esac

if [ -e "$built/libgstblurdm.so" ] && [ -e "$root/Cargo.toml" ]; then
    export GST_PLUGIN_PATH="$built${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
    if [ -z "${ORT_DYLIB_PATH:-}" ] && [ -d "$root/build/runtime" ]; then
        export ORT_DYLIB_PATH="$root/build/runtime"
    fi
    # The user's own registry of plugins stays as it is.
    mkdir -p "$root/build"
    export GST_REGISTRY="${GST_REGISTRY:-$root/build/registry.bin}"
fi

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

usage() {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}

# A value of a property as gst-launch-1.0 reads it, whatever characters are in it.
quoted() {
    printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"
}

# autovideosink does not say so, and may even crash.
need_screen() {
    [ -n "${SINK:-}${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] ||
        fail "there is no display to show the video on: run this in a desktop session, or set SINK, such as SINK=kmssink"
}

command -v gst-launch-1.0 >/dev/null || fail "gst-launch-1.0 is missing: install the package gstreamer1.0-tools"
# Not --exists, which wants the version of GStreamer itself of a plugin.
gst-inspect-1.0 blurdm >/dev/null 2>&1 ||
    fail "GStreamer does not find the element blurdm: run 'make install' or 'make demo' in its source folder first"
