#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Compares raw frames that two machines restored from the same input: fails where a byte is further apart than it may be,
where the inputs differ, and where nothing was restored."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("here", type=Path, help="folder with the files `in` and `out` of one machine")
    parser.add_argument("there", type=Path, help="folder with those of the other")
    parser.add_argument("--bytes", type=int, required=True, help="what each file must have")
    parser.add_argument("--at-most", type=int, default=1, help="grey levels that bytes may be apart")
    options = parser.parse_args()

    files = {path: path.read_bytes() for folder in (options.here, options.there) for path in (folder / "in", folder / "out")}
    for path, contents in files.items():
        if len(contents) != options.bytes:
            return failed(f"{path} has {len(contents)} bytes and should have {options.bytes}: not every frame came out")
    here_in, here_out, there_in, there_out = files.values()
    if here_in != there_in:
        return failed("the two machines made different frames to restore: what becomes of them cannot be compared")
    changed = sum(before != after for before, after in zip(here_in, here_out, strict=True))
    if changed == 0 or there_in == there_out:
        return failed("the frames came out as they went in: nothing was restored")

    apart = [abs(a - b) for a, b in zip(here_out, there_out, strict=True)]
    differ = sum(difference > 0 for difference in apart)
    print(
        f"{options.bytes} bytes, {changed} of them changed by the restoration;"
        f" between the machines {differ} differ, by at most {max(apart)} grey levels"
    )
    if max(apart) > options.at_most:
        return failed(f"{sum(a > options.at_most for a in apart)} bytes are more than {options.at_most} grey level apart")
    return 0


def failed(why: str) -> int:
    print(f"same_frames.py: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
