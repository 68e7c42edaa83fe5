#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""`blurdm restore` beside the bare pipeline and beside ffmpeg with a Python script between, in turns, on one clip.

    benches/offline/run.py CLIP --blurdm target/release/blurdm --plugin target/release

Needs gst-launch-1.0, ffmpeg, and a Python with onnxruntime and numpy (--python). Each takes the clip from file to file: decodes, restores, encodes in
H.264 by x264 at the same constant rate factor. Prints frames per second and the ratios of each round's times, median over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CRF = 18


def probe(clip: Path) -> tuple[int, str, tuple[int, int]]:
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
         "-show_entries", "stream=width,height,nb_read_packets,r_frame_rate", "-of", "json", clip],
        capture_output=True, text=True, check=True)
    stream = json.loads(shown.stdout)["streams"][0]
    return int(stream["nb_read_packets"]), stream["r_frame_rate"], (stream["width"], stream["height"])


def timed(command: list[str] | str, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, check=False, shell=isinstance(command, str), env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--blurdm", type=Path, required=True)
    parser.add_argument("--plugin", type=Path, required=True, help="folder of libgstblurdm.so")
    parser.add_argument("--bundle", type=Path, default=HERE.parents[1] / "models/blurdm-nano")
    parser.add_argument("--python", default=sys.executable, help="a Python with onnxruntime and numpy")
    parser.add_argument("--provider", default="auto", help="of the element; ffmpeg's Python has the CPU in fp32")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    frames, rate, (width, height) = probe(given.clip)
    environment = {"GST_PLUGIN_PATH": str(given.plugin.resolve())}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        restore = [str(given.blurdm), "restore", str(given.clip), "-o", str(out / "a.mp4"), "--overwrite", "--quiet", "--software-encoder",
                   "--quality", str(CRF), "--execution-provider", given.provider, "--precision", given.precision]
        bare = ["gst-launch-1.0", "-q", "filesrc", f"location={given.clip}", "!", "decodebin", "!", "queue", "max-size-buffers=3", "!", "blurdm",
                "deadline=process", "adaptive=false", f"execution-provider={given.provider}", f"precision={given.precision}", "!",
                "queue", "max-size-buffers=3", "!", "x264enc", "pass=qual", f"quantizer={CRF}", "vbv-buf-capacity=0", "!", "h264parse", "!",
                "mp4mux", "!", "filesink", f"location={out / 'b.mp4'}"]
        raw = f"-f rawvideo -pix_fmt rgb0 -s {width}x{height} -r {rate}"
        piped = (f"ffmpeg -v error -i {shlex.quote(str(given.clip))} -f rawvideo -pix_fmt rgb0 - | "
                 f"{shlex.quote(given.python)} {HERE / 'pipe.py'} --bundle {shlex.quote(str(given.bundle))} --size {width}x{height} | "
                 f"ffmpeg -v error -y {raw} -i - -pix_fmt yuv420p -c:v libx264 -crf {CRF} {out / 'c.mp4'}")
        ways = {"blurdm restore": restore, "bare pipeline": bare, "ffmpeg and Python": piped}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(given.rounds):
            for name, command in ways.items():
                times[name].append(timed(command, environment))
    for name, seconds in times.items():
        print(f"{name:<18} {frames / statistics.median(seconds):6.2f} fps   {', '.join(f'{s:.1f}' for s in seconds)} s")
    own = times["blurdm restore"]
    for name in list(ways)[1:]:
        ratio = statistics.median(other / mine for other, mine in zip(times[name], own, strict=True))
        print(f"speed of blurdm restore / {name}: {ratio:.3f}")


if __name__ == "__main__":
    main()
