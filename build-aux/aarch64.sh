#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Builds the plugin and the command on another machine for 64-bit Arm, so that it runs on JetPack 6 (Ubuntu 22.04) and whatever is newer,
# and checks that they need nothing newer than that has.
#
# Usage: aarch64.sh FOLDER   What it builds with goes to FOLDER, what it builds to Cargo's own.
#
# Exits with 77 where something cannot be fetched.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
triple=aarch64-unknown-linux-gnu
# What JetPack 6 has.
glibc=2.35
gstreamer=1.20.3
glib=2.72.0

fail() {
    echo "aarch64.sh: $*" >&2
    exit 1
}

skip() {
    echo "aarch64.sh: skipped: $*" >&2
    exit 77
}

[ $# -eq 1 ] || fail "usage: aarch64.sh FOLDER"
[ "$(uname -m)" = x86_64 ] || skip "this builds on x86_64 only: on 64-bit Arm run 'cargo build --release'"
mkdir -p "$1"
folder=$(cd "$1" && pwd)
link=$folder/link
venv=$folder/venv
root=$(pwd)

# Not asked of rustup, which is not the only way to install Rust.
[ -d "$(rustc --print target-libdir --target "$triple")" ] || rustup --quiet target add "$triple" >/dev/null ||
    skip "Rust's standard library for $triple is missing and rustup cannot fetch it: see to the network, or install it"
[ -d "$link" ] || "$here/arm64-packages.sh" link "$link"
if [ ! "$venv/made" -nt "$here/cross.txt" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "python3 cannot make a virtual environment: install python3-venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
        --requirement "$here/cross.txt" || skip "pip cannot fetch what cross.txt pins, for the reason above: see to the network or pip's index"
    touch "$venv/made"
fi

export CARGO_ZIGBUILD_ZIG_PATH="$venv/bin/python-zig"
export PKG_CONFIG_ALLOW_CROSS=1
export PKG_CONFIG_SYSROOT_DIR="$link"
export PKG_CONFIG_LIBDIR="$link/usr/lib/aarch64-linux-gnu/pkgconfig:$link/usr/share/pkgconfig"
# What GStreamer itself is linked with need not be here. Folders of this machine have no place in what is built, nor have the
# names of its own functions.
export RUSTFLAGS="-L $link/usr/lib/aarch64-linux-gnu -C link-arg=-Wl,--allow-shlib-undefined \
--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$root=/blurdm ${RUSTFLAGS:-}"
export CARGO_PROFILE_RELEASE_STRIP=symbols
"$venv/bin/cargo-zigbuild" zigbuild --release --locked --package gst-plugin-blurdm --package blurdm-cli --lib --bin blurdm --target "$triple.$glibc"

built=${CARGO_TARGET_DIR:-target}/$triple/release
for file in "$built/libgstblurdm.so" "$built/blurdm"; do
    optional=
    # The linker leaves out of the command what it does not call.
    [ "$file" = "$built/libgstblurdm.so" ] || optional="--optional libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 libglib2.0-0"
    echo "$file needs:"
    # shellcheck disable=SC2086 # $optional is several words, or none
    "$here/needs.py" "$file" "$link"/symbols/*.symbols \
        --at-most libc6="$glibc" libgstreamer1.0-0="$gstreamer" libgstreamer-plugins-base1.0-0="$gstreamer" libglib2.0-0="$glib" $optional ||
        fail "$file would not load on JetPack 6, for the reason above: use nothing that is newer, or raise what is asked for here"
done
