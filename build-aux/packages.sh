#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Sees to the system packages: says nothing if everything is there, installs what is missing with apt-get if it may, and
# otherwise prints the line to run and stops.

set -eu

# What is needed, and the Debian package that has it. What GStreamer was built from does not matter.
needed='
command cc                               gcc libc6-dev
command pkg-config                       pkg-config
command gst-launch-1.0                   gstreamer1.0-tools
command gst-discoverer-1.0               gstreamer1.0-plugins-base-apps
module  gstreamer-check-1.0              libgstreamer1.0-dev
module  gstreamer-video-1.0              libgstreamer-plugins-base1.0-dev
module  gstreamer-app-1.0                libgstreamer-plugins-base1.0-dev
element videoconvert                     gstreamer1.0-plugins-base
element qtdemux                          gstreamer1.0-plugins-good
element h264parse                        gstreamer1.0-plugins-bad
element x264enc                          gstreamer1.0-plugins-ugly
element avdec_h264                       gstreamer1.0-libav
element ximagesink                       gstreamer1.0-x
pip     pip                              python3-pip
'

is_there() {
    case $1 in
    command) command -v "$2" ;;
    module) pkg-config --atleast-version=1.20 "$2" ;;
    element) gst-inspect-1.0 "$2" ;;
    pip) python3 -m pip --version ;;
    *) false ;;
    esac >/dev/null 2>&1
}

command -v cargo >/dev/null || {
    echo "packages.sh: cargo is missing: install Rust 1.92 or later (rustup.rs), then run make again" >&2
    exit 1
}
command -v python3 >/dev/null || {
    echo "packages.sh: python3 is missing: install Python 3, then run make again" >&2
    exit 1
}

missing=$(echo "$needed" | while read -r kind name package; do
    [ -z "$kind" ] || is_there "$kind" "$name" || echo "$package"
done | sort -u | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "packages.sh: this system lacks what Debian calls: $missing" >&2
    echo "packages.sh: install its counterparts (GStreamer 1.20 or later), then run make again" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    root=''
elif sudo -n true 2>/dev/null; then
    root=sudo
else
    echo "packages.sh: packages are missing, and only root can install them. Run this, then make again:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y $missing" >&2
    exit 1
fi

echo "Installing $missing"
# shellcheck disable=SC2086 # several packages, and no command in front of apt-get for root
install() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1
}
mkdir -p build
log=build/apt.log
# The lists may be absent, or older than the packages on the server.
install || { $root apt-get update -qq && install; } || {
    tail -n 5 "$log" >&2
    echo "packages.sh: apt-get cannot install them; the reason is above and in $log" >&2
    exit 1
}
