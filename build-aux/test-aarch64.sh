#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Restores ten frames with the plugin for 64-bit Arm, its own GStreamer and ONNX Runtime under QEMU, and with this machine's,
# and compares: every byte must be within one grey level, since sums are added up in another order and nothing else differs.
#
# Usage: test-aarch64.sh FOLDER PLUGIN RUNTIME   FOLDER is that of aarch64.sh, PLUGIN and RUNTIME are this machine's
#
# Exits with 77 where something cannot be fetched.

set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "test-aarch64.sh: $*" >&2
    exit 1
}

[ $# -eq 3 ] || fail "usage: test-aarch64.sh FOLDER PLUGIN RUNTIME"
for needed in "$2" "$3"; do
    [ -e "$needed" ] || fail "'$needed' is missing: run 'make test-aarch64', which makes it first"
done
"$here/aarch64.sh" "$1"
folder=$(cd "$1" && pwd)
root=$folder/run
[ -d "$root" ] || "$here/arm64-packages.sh" run "$root"
[ "$folder/runtime" -nt "$here/runtime-aarch64.txt" ] || "$here/fetch.sh" runtime "$folder/runtime" aarch64 || {
    echo "test-aarch64.sh: skipped: the aarch64 ONNX Runtime cannot be fetched, for the reason above" >&2
    exit 77
}
runtime=$(cd "$3" && pwd)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
for machine in here there; do
    mkdir -p "$scratch/$machine/plugin"
done
# Alone in a folder: no other plugin nor runtime that was built beside it is taken for it.
cp "$2" "$scratch/here/plugin/"
cp "${CARGO_TARGET_DIR:-target}/aarch64-unknown-linux-gnu/release/libgstblurdm.so" "$scratch/there/plugin/"

# Plugins are looked at within the process, since the kernel does not start another machine's program to do it. Of the
# cores that QEMU has, this is next to Orin's.
arm() {
    program=$1
    shift
    GST_REGISTRY="$scratch/there/registry" GST_REGISTRY_FORK=no GST_PLUGIN_PATH="$scratch/there/plugin" \
        GST_PLUGIN_SYSTEM_PATH="$root/usr/lib/aarch64-linux-gnu/gstreamer-1.0" ORT_DYLIB_PATH="$folder/runtime" \
        QEMU_CPU=cortex-a76 "$root/qemu-aarch64-static" -L "$root" "$root/usr/bin/$program" "$@"
}

native() {
    program=$1
    shift
    GST_REGISTRY="$scratch/here/registry" GST_PLUGIN_PATH="$scratch/here/plugin" ORT_DYLIB_PATH="$runtime" "$program" "$@"
}

# restore RUN FOLDER: ten moving frames, and what becomes of them. Without -f a crash would wait for a debugger.
restore() {
    "$1" gst-launch-1.0 -q -f videotestsrc num-buffers=10 pattern=zone-plate kx2=20 ky2=20 kt=1 ! \
        video/x-raw,format=RGBx,width=160,height=96,framerate=30/1 ! tee name=frames \
        frames. ! queue ! filesink location="$2/in" \
        frames. ! queue ! blurdm execution-provider=cpu precision=fp32 adaptive=false threads=1 ! filesink location="$2/out"
}

arm gst-inspect-1.0 blurdm >"$scratch/there/inspect" ||
    fail "the plugin for aarch64 does not load under QEMU: GST_DEBUG=GST_PLUGIN_LOADING:5 tells why"
grep -E '^ *(Filename|Version) ' "$scratch/there/inspect"
restore native "$scratch/here" || fail "this machine's plugin cannot restore: the reason is above"
restore arm "$scratch/there" || fail "the plugin for aarch64 loads and cannot restore: the reason is above"
"$here/same_frames.py" "$scratch/here" "$scratch/there" --bytes $((160 * 96 * 4 * 10))
