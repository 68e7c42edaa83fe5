#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# Runs the merged graph in GStreamer's onnxinference, in the Debian trixie that trixie.sh made:
#     onnxinference.sh ROOT MERGED FRAMES [--save FILE] [options of pipeline.py]
# The element leaves the frame as it is and attaches the restored one as a tensor. It takes one thread per core.
set -eu

fail() {
    echo "onnxinference.sh: $1" >&2
    exit 1
}

[ $# -ge 3 ] || fail 'too few arguments. Call it as onnxinference.sh ROOT MERGED FRAMES [options].'
root=$1 merged=$2 frames=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

[ "$(id -u)" = 0 ] || fail 'the chroot cannot be entered: this user is not root. Run it with sudo.'
[ -e "$root/.bootstrapped" ] || fail "$root is no Debian trixie. Make it: trixie.sh $root."

# Folders are mounted for this process only, so that nothing stays behind.
mkdir -p "$root/peers/code" "$root/peers/model" "$root/peers/frames" "$root/peers/out"
export PEERS_ROOT="$root" PEERS_CODE="$here"
PEERS_MODEL=$(cd "$(dirname "$merged")" && pwd)
PEERS_FRAMES=$(cd "$(dirname "$frames")" && pwd)
PEERS_MERGED=/peers/model/$(basename "$merged")
PEERS_INPUT=/peers/frames/$(basename "$frames")
export PEERS_MODEL PEERS_FRAMES PEERS_MERGED PEERS_INPUT

# What is saved goes through a folder of the chroot.
save=
for argument; do
    shift
    if [ "$save" = next ]; then
        save=$argument
        argument=/peers/out/restored.rgb
    fi
    [ "$argument" != --save ] || save=next
    set -- "$@" "$argument"
done
[ "$save" != next ] || fail '--save has no file. Give one.'

# shellcheck disable=SC2016 # The inner shell expands it.
unshare --mount sh -euc '
    mount --bind "$PEERS_CODE" "$PEERS_ROOT/peers/code"
    mount --bind "$PEERS_MODEL" "$PEERS_ROOT/peers/model"
    mount --bind "$PEERS_FRAMES" "$PEERS_ROOT/peers/frames"
    mount --bind /proc "$PEERS_ROOT/proc"
    mount --bind /sys "$PEERS_ROOT/sys"
    version=$(chroot "$PEERS_ROOT" dpkg-query --show --showformat="\${Version}" "libonnxruntime1*")
    exec chroot "$PEERS_ROOT" env PYTHONDONTWRITEBYTECODE=1 python3 /peers/code/pipeline.py "$PEERS_INPUT" \
        --format rgba --tensor --runtime "ONNX Runtime $version (Debian)" \
        --elements "onnxinference model-file=$PEERS_MERGED input-image-format=chw input-tensor-scale=255 optimization-level=enable-all" "$@"
' sh "$@"

[ -z "$save" ] || mv "$root/peers/out/restored.rgb" "$save"
