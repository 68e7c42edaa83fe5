"""Writes the validation exposures: PNG pairs from sources never trained on, at known path lengths.

    python -m training.validation --data ../shared/data --photos PHOTOS --out VALIDATION

For every source and length L: SOURCE-L_blurred.png and SOURCE-L_sharp.png, 640x360; L = 0 is an already sharp frame. motions.json holds
the camera's motion of each (see patches.pack_motion).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .patches import pack_motion
from .scenes import SceneMaker
from .sources import validation_sources

LENGTHS = (0, 4, 7, 10, 13, 16)
"""Path lengths in px; 0 asks whether a sharp frame is left alone."""

SIZE = (360, 640)


def write(data: Path, photos: Path, out: Path, seed: int = 2026, size: tuple[int, int] = SIZE) -> int:
    """Returns how many pairs lie in `out`; existing ones are kept."""
    out.mkdir(parents=True, exist_ok=True)
    ledger = out / "motions.json"
    motions = json.loads(ledger.read_text()) if ledger.is_file() else {}
    count = 0
    for index, source in enumerate(validation_sources(data, photos)):
        scene = SceneMaker([source], {})
        for length in LENGTHS:
            name = f"{source.group}_{source.path.stem if source.group != 'plasma' else source.path.parts[-4]}-{length:02d}"
            count += 1
            if name in motions:
                continue
            example = scene.expose(size, float(length), np.random.default_rng([seed, index, length]))
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
    args = parser.parse_args()
    print(f"{write(args.data, args.photos, args.out, args.seed)} pairs in {args.out}")


if __name__ == "__main__":
    main()
