"""Makes training patches once, since making them costs as much as training on them.

    python -m training.patches --data ../shared/data --photos PHOTOS --out PATCHES --count 20000

Writes PATCHES/blurred.npy and sharp.npy (uint8 [count, size, size, 3]), length.npy (float32 [count], px), motion.npy (float32
[count, 71], see pack_motion), error.npy (float32 [count], mean squared difference of the sides in grey levels) and patches.json.
Interrupted, it goes on where it was: patch i is drawn from seed (seed, i) alone. Training may begin on a growing store: patches not made yet have no length.
"""

from __future__ import annotations

import argparse
import json
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from .exposure import Camera, Exposure, Motion
from .realistic import Look, RealisticMaker
from .realistic import random_length as realistic_length
from .scenes import Conditions
from .shutter import Shutter
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


PATH_POINTS = 33
MOTION_NUMBERS = 2 * PATH_POINTS + 5
FIELDS = ("blurred", "sharp", "length", "motion", "error")


def pack_motion(motion: Motion) -> np.ndarray:
    """The background's motion as MOTION_NUMBERS numbers: the path at PATH_POINTS instants, turn, zoom, centre and slope."""
    instants = np.linspace(0, len(motion.offsets) - 1, PATH_POINTS)
    path = [np.interp(instants, np.arange(len(motion.offsets)), motion.offsets[:, axis]) for axis in (0, 1)]
    return np.concatenate([np.stack(path, 1).ravel(), [motion.turn, motion.zoom, *motion.centre, motion.slope]]).astype(np.float32)


def unpack_motion(numbers: np.ndarray) -> Motion:
    turn, zoom, x, y, slope = (float(v) for v in numbers[2 * PATH_POINTS :])
    return Motion(numbers[: 2 * PATH_POINTS].reshape(PATH_POINTS, 2), turn, zoom, (x, y), slope)


def open_store(folder: Path, mode: str = "r") -> tuple[np.ndarray, ...]:
    """Memory maps (blurred, sharp, length, motion, error) of a finished or growing store."""
    return tuple(np.load(folder / f"{name}.npy", mmap_mode=mode) for name in FIELDS)


def create_store(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"blurred": (count, size, size, 3), "sharp": (count, size, size, 3), "motion": (count, MOTION_NUMBERS), "error": (count,), "length": (count,)}
    for name, shape in shapes.items():
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8 if len(shape) == 4 else np.float32, shape)
        if name == "length":
            array[:] = np.nan  # not made yet
        array.flush()


def _conditions(rng: np.random.Generator) -> tuple[Conditions, Camera]:
    """Daylight as the validation exposures have it, or something harder."""
    conditions = Conditions.random(rng) if rng.random() < 0.6 else Conditions()
    return conditions, Camera.harsh(rng) if conditions.light < 1 else Camera.random(rng)


_maker: RealisticMaker | None = None


def _start(data: Path, photos: Path) -> None:
    global _maker
    torch.set_num_threads(1)
    _maker = RealisticMaker(training_sources(data, photos), GROUP_WEIGHTS)


def _plain(size: int, rng: np.random.Generator) -> Exposure:
    conditions, camera = _conditions(rng)
    return _maker.expose((size, size), random_length(rng), rng, camera, conditions)


def _realistic(size: int, rng: np.random.Generator) -> Exposure:
    conditions, camera = _conditions(rng)
    return _maker.expose_as((size, size), realistic_length(rng), rng, camera, conditions, Shutter.random(rng), Look.random(rng))


KINDS = {"plain": _plain, "realistic": _realistic}


def _make(job: tuple[Path, int, int, int, str]) -> int:
    folder, seed, first, size, kind = job
    blurred, sharp, length, motion, error = open_store(folder, "r+")
    for i in range(first, min(first + CHUNK, len(length))):
        if not np.isnan(length[i]):
            continue
        rng = np.random.default_rng([seed, i])
        example = KINDS[kind](size, rng)
        blurred[i], sharp[i], motion[i] = example.blurred, example.sharp, pack_motion(example.motion)
        error[i] = np.mean((example.blurred.astype(np.float32) - example.sharp) ** 2)
        length[i] = example.length
    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=sorted(KINDS), default="plain", help="plain: paths of up to 24 px and an open shutter; realistic: see realistic.py")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    training_sources(args.data, args.photos)
    if not (args.out / "length.npy").is_file():
        create_store(args.out, args.count, args.size)
    (args.out / "patches.json").write_text(json.dumps({"seed": args.seed, "count": args.count, "size": args.size, "weights": GROUP_WEIGHTS, "kind": args.kind}))
    jobs = [(args.out, args.seed, first, args.size, args.kind) for first in range(0, args.count, CHUNK)]
    with get_context("spawn").Pool(args.workers, _start, (args.data, args.photos)) as pool:
        for done, _ in enumerate(pool.imap_unordered(_make, jobs), 1):
            print(f"patches {min(done * CHUNK, args.count)}/{args.count}", flush=True)


if __name__ == "__main__":
    main()
