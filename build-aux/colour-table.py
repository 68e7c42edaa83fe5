#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Prints the colour matrix of docs/colour.md: what `blurdm restore --strength 0` leaves of the values of pictures.

FFmpeg makes a clip of every codec, format, range and matrix. The command restores it to the same codec, or to the one that replaces it.
FFmpeg decodes both, and their values are compared without a conversion. Needs `ffmpeg`, `ffprobe` and `blurdm` in the PATH:

    build-aux/colour-table.py >table.md
    build-aux/colour-table.py --only h264 --quality 4 --blurdm target/release/blurdm
"""

import argparse
import array
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

EIGHT = ["yuv420p", "yuv422p", "yuv444p"]
TEN = ["yuv420p10le", "yuv422p10le", "yuv444p10le"]
TWELVE = ["yuv420p12le", "yuv422p12le", "yuv444p12le"]

# Of each codec: the options of FFmpeg's encoder, the container, and the formats.
CODECS = {
    "h264": (["libx264", "-qp", "0"], "mp4", EIGHT + TEN),
    "hevc": (["libx265", "-x265-params", "log-level=none:qp=4"], "mp4", EIGHT + TEN + TWELVE),
    "av1": (["libaom-av1", "-cpu-used", "8", "-crf", "4", "-b:v", "0"], "mp4", EIGHT + TEN),
    "vp9": (["libvpx-vp9", "-crf", "4", "-b:v", "0"], "mkv", EIGHT + TEN),
    "mjpeg": (["mjpeg", "-q:v", "2"], "mkv", ["yuvj420p", "yuvj422p", "yuvj444p"]),
    "prores": (["prores_ks"], "mov", ["yuv422p10le", "yuv444p10le"]),
}
# Names of matrix, transfer and primaries.
MATRICES = {
    "BT.601": ("bt470bg", "smpte170m", "bt470bg"),
    "BT.709": ("bt709", "bt709", "bt709"),
    "BT.2020": ("bt2020nc", "smpte2084", "bt2020"),
}
RANGES = {"tv": "limited", "pc": "full"}
WIDTH, HEIGHT, FRAMES = 96, 64, 4
TAGS = ["color_range", "color_space", "color_transfer", "color_primaries"]


def ffmpeg(*arguments):
    return subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, capture_output=True).stdout


def make(path, codec, pixels, color_range, names):
    encoder = CODECS[codec][0]
    space, transfer, primaries = names
    tags = ["-color_range", color_range, "-colorspace", space, "-color_trc", transfer, "-color_primaries", primaries]
    source = f"testsrc2=s={WIDTH}x{HEIGHT}:d={FRAMES / 25}:r=25,format=gbrp"
    scale = f"scale=in_range=full:out_range={RANGES[color_range]},format={pixels}"
    ffmpeg("-f", "lavfi", "-i", source, "-vf", scale, "-c:v", *encoder, *tags, path)


def probe(path):
    fields = "stream=pix_fmt," + ",".join(TAGS)
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", fields, "-of", "json", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"][0]


def plain(pixels):
    """The names of FFmpeg's formats say the range of some."""
    return pixels.replace("yuvj", "yuv")


def values(path, pixels, convert_in=None):
    scale = ["-vf", f"scale=in_range={convert_in}:out_range={convert_in}"] if convert_in else []
    data = ffmpeg("-i", path, *scale, "-f", "rawvideo", "-pix_fmt", pixels, "-")
    return array.array("H", data) if pixels.endswith("le") else data


def luma_of(planes):
    """The first plane of each frame."""
    frame = len(planes) // FRAMES
    return [value for number in range(FRAMES) for value in planes[number * frame :][: WIDTH * HEIGHT]]


def psnr(a, b, bits):
    if len(a) != len(b):
        return "other size"
    squares = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    if squares == 0:
        return "equal"
    return f"{10 * math.log10(((1 << bits) - 1) ** 2 * len(a) / squares):.1f}"


def bits_of(pixels):
    return next((bits for bits in (10, 12) if pixels.endswith(f"{bits}le")), 8)


def compare(before, after):
    """Returns the PSNR of all values or, where formats differ, of luma alone, with the tags that differ."""
    old, new = probe(before), probe(after)
    bits = bits_of(old["pix_fmt"])
    if plain(old["pix_fmt"]) == plain(new["pix_fmt"]):
        cell = psnr(values(before, old["pix_fmt"]), values(after, new["pix_fmt"]), bits)
    else:
        in_range = RANGES.get(old.get("color_range"), "limited")
        both = values(before, old["pix_fmt"]), values(after, old["pix_fmt"], in_range)
        luma = psnr(*(luma_of(planes) for planes in both), bits)
        cell = f"{luma} luma ({plain(new['pix_fmt'])})"
    changed = [tag.removeprefix("color_") for tag in TAGS if old.get(tag) is not None and old.get(tag) != new.get(tag)]
    return cell + (f" [{', '.join(changed)}]" if changed else "")


def cell(arguments, folder, codec, pixels, color_range, names):
    ending = CODECS[codec][1]
    before, after = folder / f"in.{ending}", folder / f"out.{ending}"
    try:
        make(before, codec, pixels, color_range, names)
    except subprocess.CalledProcessError:
        return "-"
    command = [arguments.blurdm, "restore", before, "-o", after, "--strength", "0", "--overwrite", "--quiet"]
    command += ["--quality", str(arguments.quality), "--software-encoder", "--execution-provider", "cpu"]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        return "**failed**"
    return compare(before, after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CODECS, help="one codec")
    parser.add_argument("--quality", type=int, default=2)
    parser.add_argument("--blurdm", default="blurdm", help="the command")
    arguments = parser.parse_args()
    columns = [(color_range, name) for color_range in RANGES for name in MATRICES]
    print("| codec | format | " + " | ".join(f"{RANGES[r]}, {name}" for r, name in columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for codec in [arguments.only] if arguments.only else CODECS:
            for pixels in CODECS[codec][2]:
                row = [
                    cell(arguments, Path(folder), codec, pixels, color_range, MATRICES[name])
                    for color_range, name in columns
                    if not (pixels.startswith("yuvj") and color_range == "tv")
                ]
                row = ["-"] * (len(columns) - len(row)) + row
                print(f"| {codec} | {plain(pixels)} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
