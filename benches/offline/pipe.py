# SPDX-License-Identifier: MPL-2.0

"""What is put between two ffmpeg: raw RGB0 frames in, restored by the bundle's graphs on ONNX Runtime, raw RGB0 frames out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))
from bundle import Bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    bundle = Bundle(given.bundle, "cpu", given.threads)
    while len(data := sys.stdin.buffer.read(4 * width * height)) == 4 * width * height:
        frame = np.frombuffer(data, np.uint8).reshape(height, width, 4)
        sys.stdout.buffer.write(bundle.restore(frame).tobytes())


if __name__ == "__main__":
    main()
