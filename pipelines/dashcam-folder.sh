#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Restores every clip of a folder, in the order of their numbers. Clips that are done are skipped, so that a batch can be
# stopped with Ctrl-C and taken up again; a clip that fails does not stop the others, and is named at the end.
#
# Usage: dashcam-folder.sh IN_DIR OUT_DIR
#
# CRF and BLURDM mean what they mean to file.sh, which does the work. GPS tracks are not copied: keep the originals.

set -eu
. "$(dirname "$0")/env.sh"

[ $# -eq 2 ] || usage
[ -d "$1" ] || fail "there is no folder '$1': give the folder that the clips lie in"
mkdir -p "$2" || fail "the folder '$2' cannot be made: give one that can be written to"
[ ! "$1" -ef "$2" ] || fail "'$2' holds the originals: give another folder for the restored clips"
trap 'echo "stopped; run the same line again to go on" >&2; exit 130' INT TERM

clips=()
while IFS= read -r -d '' clip; do clips+=("$clip"); done < <(
    find "$1" -maxdepth 1 -type f \
        \( -iname '*.mp4' -o -iname '*.mov' -o -iname '*.avi' -o -iname '*.ts' -o -iname '*.mkv' \) -print0 | sort -zV
)
[ ${#clips[@]} -gt 0 ] || fail "'$1' holds no clip: looked for .mp4, .mov, .avi, .ts and .mkv"

failed=()
for i in "${!clips[@]}"; do
    clip=${clips[i]}
    name=$(basename "$clip")
    case $name in
    *.[mM][pP]4) out=$2/$name ;;
    *) out=$2/$name.mp4 ;;
    esac
    echo "[$((i + 1))/${#clips[@]}] $name"
    if [ -s "$out" ]; then
        echo "    done before"
    elif ! "$(dirname "$0")/file.sh" "$clip" "$out"; then
        failed+=("$name")
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "${#failed[@]} of ${#clips[@]} clips failed; the reasons are above:" >&2
    printf '    %s\n' "${failed[@]}" >&2
    exit 1
fi
