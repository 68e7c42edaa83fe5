# SPDX-License-Identifier: MPL-2.0

"""What all peers share: their options, and frames per second after a warm-up. No package is needed: the chroot runs this too."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import BinaryIO


def options(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("frames", type=Path, help="raw RGBx frames")
    parser.add_argument("--size", default="1280x720", type=size, help="WIDTHxHEIGHT of the frames")
    parser.add_argument("--warm-up", type=int, default=4, help="first frames, which do not count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path, help="write the restored frames here, raw RGB")
    return parser


def size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no size. Write it as 1280x720.")
    return int(width), int(height)


def frame_count(path: Path, frame_bytes: int) -> int:
    if not path.is_file():
        raise SystemExit(f"{path} is missing. Give a file of raw RGBx frames; run.py makes one.")
    count, rest = divmod(path.stat().st_size, frame_bytes)
    if rest or not count:
        raise SystemExit(f"{path} holds no whole number of frames of {frame_bytes} bytes. Give --size as the frames have it.")
    return count


class Stopwatch:
    """Takes the time of every restored frame. The clock starts at the last frame of the warm-up."""

    def __init__(self, warm_up: int, save: Path | None) -> None:
        self.warm_up = warm_up
        self.times: list[float] = []
        self.file: BinaryIO | None = save.open("wb") if save else None

    def frame(self) -> None:
        self.times.append(time.perf_counter())

    def save(self, rgb: bytes) -> None:
        if self.file:
            self.file.write(rgb)

    def report(self, expected: int, runtime: str) -> None:
        """Prints one line of JSON, the last of a peer's output. `runtime` is the library that did the work, with its version."""
        if self.file:
            self.file.close()
        found = len(self.times)
        if found != expected:
            raise SystemExit(f"{found} frames came out, {expected} went in: the peer lost some. Its messages above say why.")
        counted = self.times[max(self.warm_up, 1) - 1 :]
        if len(counted) < 2:
            raise SystemExit(f"{found} frames are too few for a warm-up of {self.warm_up}. Give more frames or a smaller --warm-up.")
        print(json.dumps({"fps": (len(counted) - 1) / (counted[-1] - counted[0]), "runtime": runtime}))
