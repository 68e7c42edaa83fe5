# SPDX-License-Identifier: MPL-2.0
"""What share of the machine's matrix-multiply peak a network reaches.

    python benches/peak.py --macs-per-pixel 24500 --size 1280x720 --milliseconds 55 --numbers bf16

The peak is the best of many square products in PyTorch, in the numbers and with the threads that the network ran with: no network gets all
of it, since it also moves memory. Run it in the minute in which the milliseconds were measured.
"""

from __future__ import annotations

import argparse
import time

import torch

SIDES = (1024, 2048, 4096)
SECONDS = 3.0
NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def peak(kind: torch.dtype) -> float:
    """Multiply-adds a second of the fastest product."""
    best = 0.0
    for side in SIDES:
        a, b = (torch.randn(side, side).to(kind) for _ in range(2))
        a @ b
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            started = time.perf_counter()
            a @ b
            best = max(best, side**3 / (time.perf_counter() - started))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--macs-per-pixel", type=float, required=True)
    parser.add_argument("--size", required=True, metavar="WIDTHxHEIGHT")
    parser.add_argument("--milliseconds", type=float, required=True, help="what a frame takes")
    parser.add_argument("--numbers", choices=NUMBERS, default="fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    torch.set_num_threads(args.threads)
    most = peak(NUMBERS[args.numbers])
    reached = args.macs_per_pixel * width * height / (args.milliseconds / 1e3)
    print(f"peak {most / 1e9:.0f} GMAC/s in {args.numbers} on {args.threads} threads; reached {reached / 1e9:.0f}: {reached / most:.0%}")


if __name__ == "__main__":
    main()
