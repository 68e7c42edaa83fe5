"""Scores on real blur, by data set: the validation clips of real.py, through the element with its defaults.

    python -m training.evaluate --set real --images ../shared/data --out SCORES [--bundle BUNDLE] [--exposures LONG] [--property reduction=2]

Beside them stand, with --exposures, made exposures by their length (`training.validation --long`). Writes SCORES/real.md, SCORES/real.json (every picture)
and the restored PNGs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .element import check_element, restore_through_element
from .errors import EvaluationError
from .layouts import Pair, check_pictures, find_pairs, read_picture
from .lpips import Lpips
from .metrics import interval, psnr, ssim, temporal_error
from .real import VALIDATION_CLIPS, picture, real_pairs


@dataclass(frozen=True)
class Kind:
    """Pairs that are averaged together."""

    name: str
    pairs: list[Pair]


def real_kinds(data: Path, out: Path) -> list[Kind]:
    """The validation pairs by data set, as PNGs in `out`: the element's pipeline reads no WebP."""
    kinds: dict[str, list[Pair]] = {}
    for pair in real_pairs(data, VALIDATION_CLIPS):
        sides = [out / f"{pair.name}_{side}.png" for side in ("blurred", "sharp")]
        for path, source in zip(sides, (pair.blurred, pair.sharp), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                Image.fromarray(picture(source)).save(path, compress_level=1)
        scene = f"{pair.dataset}-{pair.clip}" if pair.consecutive else ""
        kinds.setdefault(f"{pair.dataset} {pair.clip}", []).append(Pair(pair.name, *sides, scene))
    return [Kind(name, pairs) for name, pairs in kinds.items()]


def exposure_kinds(folder: Path) -> list[Kind]:
    """Made exposures by length, sharp ones first."""
    pairs = find_pairs(folder, "exposures")
    check_pictures(pairs)
    return [Kind(f"made, {length} px" if length else "made, sharp", [p for p in pairs if p.length == length]) for length in sorted({p.length for p in pairs})]


def check_reduction(properties: dict[str, str], pairs: list[Pair]) -> None:
    """Raises EvaluationError where a reduction leaves less than 16 px of a frame's side, before anything is restored."""
    try:
        reduction = int(properties.get("reduction", "1"))
    except ValueError:
        raise EvaluationError(f"reduction={properties['reduction']} is not a number") from None
    for pair in pairs:
        with Image.open(pair.blurred) as image:
            if reduction > 1 and min(image.size) // reduction < 16:
                raise EvaluationError(f"{pair.blurred} is {image.width}x{image.height}: reduction={reduction} leaves less than 16 px of a side")


def score(kinds: list[Kind], bundle: Path | None, properties: dict[str, str], out: Path, lpips: Lpips | None) -> dict[str, list[dict[str, float]]]:
    """{kind: scores of each pair}. blurred: those of the input; temporal errors of frames that follow one of the same scene."""
    check_element(bundle)
    pairs = [pair for kind in kinds for pair in kind.pairs]
    check_reduction(properties, pairs)
    restored = dict(zip((pair.name for pair in pairs), restore_through_element(pairs, bundle, None, out / "restored", None, properties), strict=True))
    rows: dict[str, list[dict[str, float]]] = {}
    for kind in kinds:
        before = None
        for pair in kind.pairs:
            truth, blurred, picture = (read_picture(path) for path in (pair.sharp, pair.blurred, restored[pair.name]))
            row = {"psnr": psnr(picture, truth), "blurred_psnr": psnr(blurred, truth), "ssim": ssim(picture, truth), "blurred_ssim": ssim(blurred, truth)}
            if lpips:
                row |= {"lpips": lpips.distance(picture, truth), "blurred_lpips": lpips.distance(blurred, truth)}
            if before and before[0] == pair.scene != "":
                row["temporal_error"] = temporal_error(picture, before[1], truth, before[3])
                row["blurred_temporal_error"] = temporal_error(blurred, before[2], truth, before[3])
            before = (pair.scene, picture, blurred, truth)
            rows.setdefault(kind.name, []).append({"name": pair.name} | row)
            print(f"scored {pair.name}", file=sys.stderr, flush=True)
    return rows


COLUMNS = (("ssim", "SSIM", ".4f"), ("lpips", "LPIPS", ".4f"), ("temporal_error", "temporal error", ".2f"))


def table(scores: dict[str, list[dict[str, float]]]) -> str:
    """A row per kind: blurred PSNR, gain with its interval, and blurred to restored of the other figures."""
    columns = [column for column in COLUMNS if any(column[0] in row for rows in scores.values() for row in rows)]
    lines = ["| pictures | number | blurred, dB | gain, dB (95 %) | " + " | ".join(f"{name}, blurred to restored" for _, name, _ in columns) + " |",
             "|---|---|---|---|" + "---|" * len(columns)]
    for kind, rows in scores.items():
        blurred = np.mean([row["blurred_psnr"] for row in rows])
        gains = [row["psnr"] - row["blurred_psnr"] for row in rows]
        low, high = interval(gains)
        gain = f"{np.mean(gains):+.2f} ({low:+.2f} to {high:+.2f})"
        if kind == "made, sharp":
            gain = f"{np.mean([row['psnr'] for row in rows]):.1f} to itself, lowest {min(row['psnr'] for row in rows):.1f}"
        cells = [kind, str(len(rows)), f"{blurred:.2f}", gain]
        for metric, _, form in columns:
            values = [(row[f"blurred_{metric}"], row[metric]) for row in rows if metric in row]
            cells.append(" to ".join(f"{mean:{form}}" for mean in np.mean(values, 0)) if values else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def evaluate_real(data: Path, exposures: Path | None, bundle: Path | None, properties: dict[str, str], out: Path, weights: Path | None) -> str:
    """Scores everything, writes the files and returns the table. Raises EvaluationError."""
    kinds = real_kinds(data, out / "pairs") + (exposure_kinds(exposures) if exposures else [])
    scores = score(kinds, bundle, properties, out, Lpips.load(weights) if weights else None)
    (out / "real.json").write_text(json.dumps(scores, indent=1))
    (out / "real.md").write_text(table(scores) + "\n")
    return table(scores)
