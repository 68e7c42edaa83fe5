"""Makes training patches once, since making them costs as much as training on them.

    python -m training.patches --data ../shared/data --photos PHOTOS --out PATCHES --count 3600

Writes PATCHES/blurred.npy and sharp.npy (uint8 [count, size, size, 3]), length.npy (float32 [count], px) and patches.json.
Interrupted, it goes on where it was: patch i is drawn from seed (seed, i) alone.
"""

from __future__ import annotations

import argparse
import json
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from .scenes import SceneMaker
from .sources import training_sources

GROUP_WEIGHTS = {"carnd": 1.2, "road": 0.8, "lomiri": 2.0}
CHUNK = 50


def random_length(rng: np.random.Generator) -> float:
    """Path lengths in px: one in eight pictures is sharp and must stay so; most are of 4 to 16 px."""
    kind = rng.random()
    if kind < 0.125:
        return 0.0
    if kind < 0.225:
        return float(rng.uniform(0.5, 4))
    if kind < 0.925:
        return float(rng.uniform(4, 16))
    return float(rng.uniform(16, 24))


def open_store(folder: Path, mode: str = "r") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(blurred, sharp, length) memory maps of a finished or growing store."""
    return tuple(np.load(folder / f"{name}.npy", mmap_mode=mode) for name in ("blurred", "sharp", "length"))


def _create(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape, dtype in (("blurred", (count, size, size, 3), np.uint8), ("sharp", (count, size, size, 3), np.uint8), ("length", (count,), np.float32)):
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, shape)
        if name == "length":
            array[:] = np.nan  # not made yet
        array.flush()


_maker: SceneMaker | None = None


def _start(data: Path, photos: Path) -> None:
    global _maker
    torch.set_num_threads(1)
    _maker = SceneMaker(training_sources(data, photos), GROUP_WEIGHTS)


def _make(job: tuple[Path, int, int, int]) -> int:
    folder, seed, first, size = job
    blurred, sharp, length = open_store(folder, "r+")
    for i in range(first, min(first + CHUNK, len(length))):
        if not np.isnan(length[i]):
            continue
        rng = np.random.default_rng([seed, i])
        example = _maker.expose((size, size), random_length(rng), rng)
        blurred[i], sharp[i] = example.blurred, example.sharp
        length[i] = example.length
    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3600)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    training_sources(args.data, args.photos)
    if not (args.out / "length.npy").is_file():
        _create(args.out, args.count, args.size)
    (args.out / "patches.json").write_text(json.dumps({"seed": args.seed, "count": args.count, "size": args.size, "weights": GROUP_WEIGHTS}))
    jobs = [(args.out, args.seed, first, args.size) for first in range(0, args.count, CHUNK)]
    with get_context("spawn").Pool(args.workers, _start, (args.data, args.photos)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_make, jobs), 1):
            print(f"patches {min(done * CHUNK, args.count)}/{args.count}", flush=True)


if __name__ == "__main__":
    main()
