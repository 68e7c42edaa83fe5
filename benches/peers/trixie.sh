#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
#
# Makes a small Debian trixie with GStreamer's onnxinference in a folder: trixie.sh [FOLDER], default build/peers/trixie.
# Needs root (chroot) and debootstrap. MIRROR names another Debian mirror.
set -eu

root=${1:-build/peers/trixie}
mirror=${MIRROR:-http://deb.debian.org/debian}
packages='gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-bad python3-gi python3-numpy gir1.2-gstreamer-1.0
    gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0'

fail() {
    echo "trixie.sh: $1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail 'the chroot cannot be made: this user is not root. Run it with sudo.'
command -v debootstrap >/dev/null || fail 'debootstrap is missing. Install it: apt-get install debootstrap.'

# A stamp of our own: a folder that debootstrap left half done looks like a finished one.
if [ ! -e "$root/.bootstrapped" ]; then
    mkdir -p "$root"
    debootstrap --variant=minbase trixie "$root" "$mirror" ||
        fail "debootstrap could not make $root (its reason is above). Remove the folder and run this again."
    touch "$root/.bootstrapped"
fi

# Nothing in the chroot may start a service.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get update -q
# shellcheck disable=SC2086 # The list is meant to be split.
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages

chroot "$root" gst-inspect-1.0 onnxinference >/dev/null ||
    fail "gstreamer1.0-plugins-bad in $root has no onnxinference. Look at: chroot $root gst-inspect-1.0 --print-all."
chroot "$root" dpkg-query --show gstreamer1.0-plugins-bad 'libonnxruntime1*'
echo "onnxinference is in $root"
