#!/bin/sh
# SPDX-License-Identifier: MPL-2.0
# Makes a Debian package of the built plugin and command. The same two give the same package, byte for byte: its time is that
# of the last commit.
#
# Usage: deb.sh ARCHITECTURE BUILT FOLDER [SYMBOLS]   of libgstblurdm.so and blurdm in BUILT, into FOLDER; SYMBOLS has the
#                                                     symbols files of what they are linked with, which without it are
#                                                     those of this system

set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=gstreamer1.0-blurdm

fail() {
    echo "deb.sh: $*" >&2
    exit 1
}

[ $# -eq 3 ] || [ $# -eq 4 ] || fail "usage: deb.sh ARCHITECTURE BUILT FOLDER [SYMBOLS]"
architecture=$1
built=$2
folder=$3
symbols=${4:-/var/lib/dpkg/info}
case $architecture in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) fail "'$architecture' is unknown: amd64 or arm64" ;;
esac
for file in "$built/libgstblurdm.so" "$built/blurdm"; do
    [ -f "$file" ] || fail "there is no '$file': run 'make deb', which builds it first"
done
multiarch=$machine-linux-gnu
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing: install the package dpkg"

said=$(git log -1 --format='%ct %h %an <%ae>') ||
    fail "git cannot tell the last commit: make the package in a checkout"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-${said%% *}}"
said=${said#* }
maintainer="${DEBFULLNAME:+$DEBFULLNAME <$DEBEMAIL>}"
maintainer=${maintainer:-${said#* }}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
released=$version
# Before a version is released its packages are older than it.
[ -n "$(git tag --points-at HEAD --list "v$version")" ] ||
    version=$version~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S).${said%% *}
for package in libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 libglib2.0-0; do
    # Of libglib2.0-0t64 as well.
    for file in "$symbols/$package"*.symbols; do
        [ -f "$file" ] || fail "$symbols has no symbols file of $package: install that package, by which versions are told"
    done
done
needs() {
    "$here/needs.py" "$built/$1" "$symbols"/libgst*1.0-0*.symbols "$symbols"/libglib2.0-0*.symbols ||
        fail "what $1 needs cannot be told, for the reason above"
}
of_plugin=$(needs libgstblurdm.so)
of_command=$(needs blurdm)
# Of each package the latest that either needs.
depends=$(printf '%s\n' "$of_plugin" "$of_command" | sort -k 1,1 -k 3,3rV | sort -s -u -k 1,1 |
    sed 's/ (>= 0)$//' | paste -sd , | sed 's/,/, /g')
[ -n "$depends" ] || fail "what plugin and command need cannot be told"

umask 022
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM
plugins=$root/usr/lib/$multiarch/gstreamer-1.0
doc=$root/usr/share/doc/$name
mkdir -p "$plugins" "$root/usr/bin" "$doc/docs" "$doc/examples" "$root/usr/share/blurdm/pipelines" "$root/DEBIAN"

cp "$built/libgstblurdm.so" "$plugins/"
cp "$built/blurdm" "$root/usr/bin/"
chmod 644 "$plugins/libgstblurdm.so"
chmod 755 "$root/usr/bin/blurdm"
# Those for Arm are built without names of their own functions; here they are taken out, which is what Debian does.
[ "$architecture" != "$(dpkg --print-architecture)" ] || strip --strip-unneeded "$plugins/libgstblurdm.so" "$root/usr/bin/blurdm"
# What is for another machine cannot tell here what it knows of itself; this machine's own says the same.
if [ "$architecture" = "$(dpkg --print-architecture)" ]; then
    teller=$built/blurdm
else
    teller=${CARGO_TARGET_DIR:-target}/release/blurdm
fi
if "$teller" --version >/dev/null 2>&1; then
    share=$root/usr/share
    mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
    "$teller" completions bash >"$share/bash-completion/completions/blurdm"
    "$teller" completions zsh >"$share/zsh/vendor-completions/_blurdm"
    "$teller" completions fish >"$share/fish/vendor_completions.d/blurdm.fish"
    "$teller" man --into "$share/man/man1"
    gzip -9n "$share/man/man1"/*.1
else
    echo "deb.sh: warning: '$teller' does not run here, so that the package has no manual and no completions" >&2
fi
cp pipelines/*.sh "$root/usr/share/blurdm/pipelines/"
chmod 644 "$root/usr/share/blurdm/pipelines/env.sh" "$root/usr/share/blurdm/pipelines/jetson.sh"
cp README.md BENCHMARKS.md models/blurdm-nano/MODEL_CARD.md "$doc/"
for page in element restore models gpu jetson embedding; do
    cp "docs/$page.md" "$doc/docs/"
done
cp docs/before-after.png "$doc/docs/"
ln -s docs/jetson.md "$doc/jetson.md"
cp pipelines/blurdm-camera.service "$doc/examples/"
{
    echo "$name ($version) unstable; urgency=medium"
    echo
    sed -n "/^## $released/,/^## [^$released]/s/^- /  * /p" CHANGELOG.md
    echo
    echo " -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"
"$here/third_party.py" "$machine-unknown-linux-gnu" >"$root/third-party.txt"
gzip -9n <"$root/third-party.txt" >"$doc/third-party.txt.gz"
rm "$root/third-party.txt"

cat >"$doc/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: blurdm
Comment:
 Plugin and command are linked with Rust crates of others; third-party.txt.gz beside this file has their licences.

Files: *
Copyright: the authors of blurdm
License: MPL-2.0

License: MPL-2.0
 This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0.
 .
 On Debian systems, the full text of the Mozilla Public License 2.0 is in /usr/share/common-licenses/MPL-2.0.
END

# Names that ONNX Runtime has in Debian and Ubuntu, where they have it.
cat >"$root/DEBIAN/control" <<END
Package: $name
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: $depends
Recommends: libonnxruntime1.23 | libonnxruntime1.21 | libonnxruntime, gstreamer1.0-tools, gstreamer1.0-plugins-base, gstreamer1.0-plugins-good
Suggests: gstreamer1.0-plugins-bad, gstreamer1.0-plugins-ugly, gstreamer1.0-libav
Section: video
Priority: optional
Description: GStreamer plugin that takes motion blur out of video
 The element blurdm restores video that is blurred by motion of the camera or
 of what it sees, frame by frame, with a latent diffusion and a network that
 are compiled in. It runs on the CPU or through OpenVINO, CUDA or TensorRT.
 The command blurdm tells which of these work here and why others do not.
 .
 It needs ONNX Runtime 1.17 or later, which is loaded when the element starts:
 the package of it where the distribution has one; else libonnxruntime.so with
 its providers in /usr/local/lib, one from PyPI, or one that ORT_DYLIB_PATH
 names. For a Jetson see jetson.md beside this package's copyright.
END
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

find "$root" -exec touch --no-dereference -d "@$SOURCE_DATE_EPOCH" {} +
mkdir -p "$folder"
package=$folder/${name}_${version}_$architecture.deb
rm -f "$folder/${name}"_*_"$architecture.deb"
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
echo "Made $package, which depends on $depends"
