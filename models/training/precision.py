"""What a bundle loses by computing in cheaper numbers, through the element, for its manifest.

    python -m training.precision --validation VALIDATION --bundle models/blurdm-nano --precisions int8 bf16 --out SCORES

Writes SCORES/losses.json: for each precision the mean PSNR on the validation exposures in fp32, less that in this precision. The provider is the best
that loads; bf16 needs openvino and a CPU that has units for it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .element import check_element, restore_through_element
from .errors import EvaluationError
from .layouts import Pair, check_pictures, find_pairs
from .metrics import psnr

PRECISIONS = ("bf16", "fp16", "int8")


def mean_psnr(pairs: list[Pair], restored: list[Path]) -> float:
    def picture(path):
        return np.asarray(Image.open(path).convert("RGB"))

    return float(np.mean([psnr(picture(file), picture(pair.sharp)) for pair, file in zip(pairs, restored, strict=True)]))


def losses(pairs: list[Pair], bundle: Path, precisions: list[str], out: Path) -> dict[str, float]:
    def restored(precision):
        return restore_through_element(pairs, bundle, 1, out / precision, precision)

    exact = mean_psnr(pairs, restored("fp32"))
    return {precision: exact - mean_psnr(pairs, restored(precision)) for precision in precisions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        pairs = [pair for pair in find_pairs(args.validation, "exposures") if pair.length != 0]
        check_pictures(pairs)
        check_element(args.bundle)
        found = losses(pairs, args.bundle, args.precisions, args.out)
    except EvaluationError as error:
        raise SystemExit(f"error: {error}") from error
    (args.out / "losses.json").write_text(json.dumps(found, indent=1))
    print(", ".join(f"{precision} loses {loss:.3f} dB" for precision, loss in found.items()))


if __name__ == "__main__":
    main()
