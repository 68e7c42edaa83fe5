#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# `make demo INPUT=FILE`: restores the user's own file into demo/ and takes stills from its middle.
#
# Usage: restore-own.sh check|run FILE PLUGIN STILLS

set -eu

[ -f "$2" ] || {
    echo "make demo: there is no file '$2': give a video, as in make demo INPUT=drive.mp4" >&2
    exit 1
}
[ "$1" = run ] || exit 0

name=$(basename "$2")
prefix=demo/${name%.*}
mkdir -p demo
if [ "$prefix-restored.mp4" -nt "$2" ] && [ "$prefix-restored.mp4" -nt "$3" ]; then
    echo "Nothing has changed since $prefix-restored.mp4 was made"
else
    echo "Restoring $2"
    pipelines/file.sh "$2" "$prefix-restored.mp4"
fi
. pipelines/env.sh
"$4" "$2" "$prefix-"
echo "Made $prefix-restored.mp4 and the stills $prefix-before.png, $prefix-after.png, $prefix-before-after.png"
