"""Writes the validation exposures: PNG pairs from sources never trained on, at known path lengths.

    python -m training.validation --data ../shared/data --photos PHOTOS --out VALIDATION

For every source and length L: SOURCE-L_blurred.png and SOURCE-L_sharp.png, 640x360; L = 0 is an already sharp frame. motions.json holds
the camera's motion of each (see patches.pack_motion).

    python -m training.validation --data ../shared/data --photos PHOTOS --out LONG --long

writes exposures of up to 64 px at 1280x720 instead, of some of the sources, with what realistic.py adds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .exposure import Camera, Exposure
from .patches import pack_motion
from .realistic import RealisticMaker
from .scenes import SceneMaker
from .sources import Source, validation_sources

LENGTHS = (0, 4, 7, 10, 13, 16)
"""Path lengths in px; 0 asks whether a sharp frame is left alone."""

SIZE = (360, 640)

LONG_LENGTHS = (0, 4, 8, 16, 24, 32, 48, 64)
LONG_SIZE = (720, 1280)
LONG_SOURCES = {"carnd": 1, "road": 1, "lomiri": 2, "plasma": 2}
"""How many of each group."""


def write(data: Path, photos: Path, out: Path, seed: int = 2026, size: tuple[int, int] = SIZE) -> int:
    """Returns how many pairs lie in `out`; existing ones are kept."""
    return _write(validation_sources(data, photos), LENGTHS, out, lambda source, length, rng: SceneMaker([source], {}).expose(size, length, rng), seed)


def write_long(data: Path, photos: Path, out: Path, seed: int = 2026, size: tuple[int, int] = LONG_SIZE, lengths: tuple[int, ...] = LONG_LENGTHS) -> int:
    """As `write`, of long exposures."""
    def expose(source, length, rng):
        return RealisticMaker([source], {}).expose_as(size, length, rng, Camera.random(rng))
    return _write(_some(validation_sources(data, photos)), lengths, out, expose, seed)


def _some(sources: list[Source]) -> list[Source]:
    by_group = {group: [s for s in sources if s.group == group] for group in LONG_SOURCES}
    return [source for group, count in LONG_SOURCES.items() for source in by_group[group][:count]]


def _write(sources: list[Source], lengths: tuple[int, ...], out: Path, expose: Callable[[Source, float, np.random.Generator], Exposure], seed: int) -> int:
    out.mkdir(parents=True, exist_ok=True)
    ledger = out / "motions.json"
    motions = json.loads(ledger.read_text()) if ledger.is_file() else {}
    count = 0
    for index, source in enumerate(sources):
        for length in lengths:
            name = f"{source.group}_{source.path.stem if source.group != 'plasma' else source.path.parts[-4]}-{length:02d}"
            count += 1
            if name in motions:
                continue
            example = expose(source, float(length), np.random.default_rng([seed, index, length]))
            Image.fromarray(example.blurred).save(out / f"{name}_blurred.png")
            Image.fromarray(example.sharp).save(out / f"{name}_sharp.png")
            motions[name] = pack_motion(example.motion).tolist()
            ledger.write_text(json.dumps(motions))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--long", action="store_true", help="exposures of up to 64 px at 1280x720")
    args = parser.parse_args()
    print(f"{(write_long if args.long else write)(args.data, args.photos, args.out, args.seed)} pairs in {args.out}")


if __name__ == "__main__":
    main()
