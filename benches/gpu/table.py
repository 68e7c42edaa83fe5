# SPDX-License-Identifier: MPL-2.0
"""The rows of BENCHMARKS.md from the logs of run.sh: what was wanted, what was measured, and what the device could do at best.

    python benches/gpu/table.py gpu-results

What a step did not yield stands as "not run".
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

NOT_RUN = "not run"


@dataclass(frozen=True)
class Speed:
    """One network at one size: frames a second."""

    element: float | None = None
    bare: float | None = None
    pytorch: float | None = None
    bound: float | None = None
    peak: float | None = None  # multiply-adds a second
    macs: float | None = None  # of a frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    print(header(text(results, "pytorch-blurdm-small")))
    print("\n| network | size | element, fps | bare `run_binding`, fps | element / bare | PyTorch, fps | element / PyTorch "
          "| share of the fp16 peak | bound, fps |")
    print("|---|---|---|---|---|---|---|---|---|")
    found = {}
    for name in ("blurdm-nano", "blurdm-small", "mimo-unet"):
        speeds = speeds_of(text(results, f"element-{name}"), text(results, f"pytorch-{name}"))
        for size, speed in speeds.items():
            found[name, size] = speed
            print(row(name, size, speed))
    print("\n| what | wanted | measured |\n|---|---|---|")
    for what, wanted, measured in wishes(found, text(results, "tests")):
        print(f"| {what} | {wanted} | {measured} |")


def text(results: Path, step: str) -> str:
    log = results / f"{step}.log"
    return log.read_text(errors="replace") if log.exists() else ""


def header(log: str) -> str:
    """Device, versions and measured peaks, as pytorch.py has printed them."""
    found = re.search(r"^(.*?), [\d.]+ kMAC per pixel; (peak .*)$", log, re.MULTILINE)
    return f"{found[1]}; {found[2]}." if found else "No device was measured."


def speeds_of(element: str, pytorch: str) -> dict[str, Speed]:
    """By size, from the tables that the element's benchmark and pytorch.py print."""
    elements = {c[0]: (number(c[4]), number(c[3])) for c in cells(element) if len(c) == 7 and number(c[3])}
    peers = {c[1]: (number(c[2]), number(c[6])) for c in cells(pytorch) if len(c) == 7 and number(c[2]) and number(c[6])}
    kilo = re.search(r"([\d.]+) kMAC per pixel; peak ([\d.]+) TFLOP/s", pytorch)
    speeds = {}
    for size in [*elements, *(size for size in peers if size not in elements)]:
        width, height = (int(side) for side in size.split("x"))
        (own, bare), (peer, bound) = elements.get(size, (None, None)), peers.get(size, (None, None))
        macs = float(kilo[1]) * 1e3 * width * height if kilo else None
        speeds[size] = Speed(own, bare, peer, bound, float(kilo[2]) * 1e12 / 2 if kilo else None, macs)
    return speeds


def cells(log: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in log.splitlines() if line.startswith("|")]


def number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def row(name: str, size: str, speed: Speed) -> str:
    share = speed.element * speed.macs / speed.peak if speed.element and speed.macs and speed.peak else None
    figures = [
        shown(speed.element, "{:.1f}"), shown(speed.bare, "{:.1f}"), ratio(speed.element, speed.bare),
        shown(speed.pytorch, "{:.1f}"), ratio(speed.element, speed.pytorch),
        shown(share, "{:.1%}"), shown(speed.bound, "{:.0f}"),
    ]
    return f"| {name} | {size} | " + " | ".join(figures) + " |"


def shown(value: float | None, form: str) -> str:
    return NOT_RUN if value is None else form.format(value)


def ratio(a: float | None, b: float | None) -> str:
    return shown(a / b if a and b else None, "{:.3f}")


def wishes(found: dict[tuple[str, str], Speed], tests: str) -> list[tuple[str, str, str]]:
    """What the GPU was promised to do, and what it did."""
    parity = [float(value) for value in re.findall(r" in fp16 on cuda: ([\d.]+) dB from the CPU's", tests)]
    tensorrt = re.search(r"on tensorrt: ([\d.]+) dB", tests)
    passed = re.search(r"test result: (\w+)\. (\d+) passed; (\d+) failed", tests)

    def fps(name: str, size: str, bound: bool = False) -> str:
        speed = found.get((name, size), Speed())
        return shown(speed.element, "{:.1f}") + (f", bound {speed.bound:.0f}" if bound and speed.bound else "")

    def least(pick) -> str:
        ratios = [pick(speed) for speed in found.values() if speed.element]
        known = [value for value in ratios if value]
        return shown(min(known, default=None), "{:.3f}")

    return [
        ("tests of the GPU", "all", f"{passed[2]} passed, {passed[3]} failed" if passed else NOT_RUN),
        ("frames of CUDA in fp16 beside the CPU's, dB", "45 or more", shown(min(parity, default=None), "{:.1f}")),
        ("MIMO-UNet+ with BlurDM, published size, 1280x720, fps", "30 or more", fps("mimo-unet", "1280x720", bound=True)),
        ("the same, 1920x1080, beside its bound, fps", "near 30", fps("mimo-unet", "1920x1080", bound=True)),
        ("blurdm-small, 1920x1080, fps", "over 200", fps("blurdm-small", "1920x1080", bound=True)),
        ("element beside bare `run_binding`, the least of all rows", "0.95 or more", least(lambda s: s.bare and s.element / s.bare)),
        ("element beside PyTorch (channels last, fp16, torch.compile), the least", "1.0 or more", least(lambda s: s.pytorch and s.element / s.pytorch)),
        ("TensorRT beside the CPU, dB", "45 or more", shown(float(tensorrt[1]) if tensorrt else None, "{:.1f}")),
    ]


if __name__ == "__main__":
    main()
