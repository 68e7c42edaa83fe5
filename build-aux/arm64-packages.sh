#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Unpacks arm64 packages of this Debian or Ubuntu into a folder, as a root to link against or to run in. Neither dpkg nor
# apt of this system knows of it, and it takes no root.
#
# Usage: arm64-packages.sh link FOLDER   GStreamer to link with; FOLDER/symbols tells since when there is which symbol
# Usage: arm64-packages.sh run FOLDER    GStreamer to run, and FOLDER/qemu-aarch64-static to run it with, as on a Cortex-A76
#
# Exits with 77 where they cannot be had.

set -eu

skip() {
    echo "arm64-packages.sh: skipped: $*" >&2
    exit 77
}

[ $# -eq 2 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
for tool in apt-get dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || skip "$tool is missing: this needs a Debian or Ubuntu to take arm64 packages from"
done
mkdir -p "$(dirname "$2")"
target=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
# Beside the folder, so that the last step is a rename and half a root is never taken for a whole one.
scratch=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial" "$scratch/kept"

# An apt of its own: this system's sources and keys, but nothing installed and arm64 first.
: >"$scratch/status"
cat >"$scratch/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "$scratch";
Dir::State::Lists "$scratch/lists";
Dir::State::status "$scratch/status";
Dir::Cache "$scratch/cache";
END
export APT_CONFIG="$scratch/apt.conf"

quietly() {
    "$@" >"$scratch/log" 2>&1 || {
        grep -E '^[EW]:' "$scratch/log" | head -n 3 >&2
        skip "'$1 $2' cannot get arm64 packages, for the reason above: see to the network, or add a source of arm64 packages to apt's"
    }
}
cd "$scratch/cache/archives"
quietly apt-get update

case $1 in
link)
    # Debian 13 and Ubuntu 24.04 call it so.
    glib=libglib2.0-0t64
    apt-cache show "$glib" >/dev/null 2>&1 || glib=libglib2.0-0
    # By name, since with all that they depend on they are five times as many. Those from libblkid-dev on only because
    # pkg-config wants to see what GStreamer and GLib need for themselves.
    quietly apt-get download \
        libgstreamer1.0-0 libgstreamer1.0-dev libgstreamer-plugins-base1.0-0 libgstreamer-plugins-base1.0-dev "$glib" libglib2.0-dev \
        libblkid-dev libbz2-dev libcap-dev libdw-dev libelf-dev libffi-dev liblzma-dev libmount-dev liborc-0.4-dev libpcre2-dev \
        libselinux1-dev libsepol-dev libunwind-dev zlib1g-dev
    mkdir "$scratch/kept/symbols"
    for package in libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 $glib; do
        dpkg-deb -I "$package"_*.deb symbols >"$scratch/kept/symbols/$package.symbols"
    done
    ;;
run)
    quietly apt-get install --yes --download-only gstreamer1.0-tools gstreamer1.0-plugins-base libstdc++6
    quietly apt-get download "qemu-user-static:$(dpkg --print-architecture)"
    dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -x -O ./usr/bin/qemu-aarch64-static >"$scratch/kept/qemu-aarch64-static"
    chmod +x "$scratch/kept/qemu-aarch64-static"
    rm qemu-user-static_*.deb
    # QEMU shows a program these instead of the host's, by which ONNX Runtime takes an x86 processor for an Arm and crashes.
    mkdir -p "$scratch/kept/proc" "$scratch/kept/sys/devices/system/cpu"
    for list in possible present; do
        echo 0 >"$scratch/kept/sys/devices/system/cpu/$list"
    done
    cat >"$scratch/kept/proc/cpuinfo" <<END
processor       : 0
BogoMIPS        : 62.50
Features        : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer : 0x41
CPU architecture: 8
CPU variant     : 0x4
CPU part        : 0xd0b
CPU revision    : 1

END
    ;;
*)
    echo "arm64-packages.sh: '$1' is unknown: link or run" >&2
    exit 2
    ;;
esac
for package in *.deb; do
    dpkg-deb -x "$package" "$scratch/kept"
done
rm -rf "$target"
mv "$scratch/kept" "$target"
touch "$target"
