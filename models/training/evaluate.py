"""Scores a bundle on the validation exposures, through the element: PNG files in, gst-launch, PNG files out.

    python -m training.evaluate --validation VALIDATION --bundle models/blurdm-nano --out SCORES [--config CONFIG --run RUN]

Needs gst-launch-1.0 with the plugin (GST_PLUGIN_PATH) and ONNX Runtime (ORT_DYLIB_PATH) as any user has them. Writes
SCORES/scores.json, SCORES/scores.md and the restored PNGs. PSNR: uint8 RGB, mean over pictures, no border crop. SSIM: 11x11
Gaussian, sigma 1.5, per channel.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.filters import unsharp_mask
from skimage.metrics import structural_similarity
from skimage.restoration import wiener

from .card import write_card
from .config import ConfigError, load_config
from .macs import per_pixel

STEPS = (1, 2, 5)
UNSHARP_GRID = [(radius, amount) for radius in (1, 2, 4) for amount in (0.3, 0.7, 1.2)]
WIENER_GRID = [(sigma, balance) for sigma in (0.8, 1.5, 2.5) for balance in (0.03, 0.1, 0.5)]
"""The baselines take the best setting of these, chosen on the validation pictures themselves: in their favour."""

BOOTSTRAP = 2000


class EvaluationError(Exception):
    """Something that must be there is not; the message names it."""


@dataclass(frozen=True)
class Pair:
    """A validation exposure: where its sides lie and how long the camera's path was, in px (0: already sharp)."""

    name: str
    length: int
    blurred: Path
    sharp: Path


def find_pairs(folder: Path) -> list[Pair]:
    """Every pair of the folder, in order. A side that is missing is an error, not a row less."""
    blurred = sorted(folder.glob("*_blurred.png"))
    if not blurred:
        raise EvaluationError(f"{folder} holds no *_blurred.png (python -m training.validation makes them)")
    pairs = []
    for path in blurred:
        name = path.name.removesuffix("_blurred.png")
        sharp = folder / f"{name}_sharp.png"
        if not sharp.is_file():
            raise EvaluationError(f"{sharp} is missing, and {path.name} needs it")
        pairs.append(Pair(name, int(name.rsplit("-", 1)[1]), path, sharp))
    return pairs


def restore_through_element(pairs: list[Pair], bundle: Path | None, steps: int, out: Path, options: str = "") -> list[Path]:
    """Runs every blurred picture through `pngdec ! blurdm ! pngenc` in one pipeline; returns the restored files in order."""
    shutil.rmtree(out, ignore_errors=True)
    numbered = out / "in"
    numbered.mkdir(parents=True)
    for index, pair in enumerate(pairs):
        shutil.copyfile(pair.blurred, numbered / f"{index:05d}.png")
    model = ["model=" + str(bundle.resolve())] if bundle else []
    command = ["gst-launch-1.0", "-q", "multifilesrc", f"location={numbered}/%05d.png", "caps=image/png,framerate=(fraction)25/1", "!", "pngdec",
               "!", "videoconvert", "!", "video/x-raw,format=RGBx", "!", "blurdm", f"steps={steps}", *model, *options.split(),
               "!", "videoconvert", "!", "pngenc", "!", "multifilesink", f"location={out}/%05d.png"]
    run = subprocess.run(command, capture_output=True, text=True)
    files = [out / f"{index:05d}.png" for index in range(len(pairs))]
    missing = [f for f in files if not f.is_file()]
    if run.returncode or missing:
        raise EvaluationError(f"the pipeline restored {len(files) - len(missing)} of {len(files)} pictures:\n{run.stderr}")
    shutil.rmtree(numbered)
    return files


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB; pictures that are equal count as 70 dB, so that a mean exists."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(min(10 * np.log10(255**2 / error), 70.0)) if error else 70.0


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    return float(structural_similarity(a, b, win_size=11, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=2, data_range=255))


def _read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def unsharp(picture: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    return (unsharp_mask(picture, radius=setting[0], amount=setting[1], channel_axis=2) * 255).round().astype(np.uint8)


def wiener_gaussian(picture: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    """Wiener filter for an isotropic Gaussian blur: what can be done without knowing the motion."""
    sigma, balance = setting
    axis = np.arange(-7, 8)
    kernel = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    channels = [wiener(np.pad(picture[..., c] / 255.0, 16, mode="reflect"), kernel, balance)[16:-16, 16:-16] for c in range(3)]
    return (np.stack(channels, -1).clip(0, 1) * 255).round().astype(np.uint8)


def best_setting(restore, grid: list, pairs: list[Pair]) -> tuple:
    """The setting with the highest mean PSNR on every third blurred pair."""
    some = [(_read(p.blurred), _read(p.sharp)) for p in [p for p in pairs if p.length][::3]]
    return max(grid, key=lambda setting: np.mean([psnr(restore(b, setting), s) for b, s in some]))


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over pictures."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (BOOTSTRAP, len(values))).mean(1)
    return tuple(np.percentile(means, (2.5, 97.5)))


def evaluate(validation: Path, bundle: Path | None, out: Path) -> dict:
    """{method: {length: {"psnr": [...], "ssim": [...]}}} over every validation exposure."""
    pairs = find_pairs(validation)
    scores: dict = defaultdict(lambda: defaultdict(lambda: {"psnr": [], "ssim": []}))

    def score(method: str, pair: Pair, picture: np.ndarray, truth: np.ndarray) -> None:
        scores[method][pair.length]["psnr"].append(psnr(picture, truth))
        scores[method][pair.length]["ssim"].append(ssim(picture, truth))

    restored = {steps: restore_through_element(pairs, bundle, steps, out / f"steps{steps}") for steps in STEPS}
    settings = {"unsharp": best_setting(unsharp, UNSHARP_GRID, pairs), "wiener": best_setting(wiener_gaussian, WIENER_GRID, pairs)}
    for index, pair in enumerate(pairs):
        blurred, truth = _read(pair.blurred), _read(pair.sharp)
        score("identity", pair, blurred, truth)
        score("unsharp", pair, unsharp(blurred, settings["unsharp"]), truth)
        score("wiener", pair, wiener_gaussian(blurred, settings["wiener"]), truth)
        for steps in STEPS:
            score(f"blurdm, {steps} step{'s' * (steps > 1)}", pair, _read(restored[steps][index]), truth)
    return {"settings": settings, "methods": scores}


def _blurred_values(rows: dict, metric: str) -> list[float]:
    return [v for length, row in sorted(rows.items()) if length for v in row[metric]]


def table(result: dict) -> str:
    """The scores as Markdown: PSNR (gain) per length, the mean of 4 to 16 px with its interval, SSIM, and PSNR of sharp frames."""
    methods = result["methods"]
    lengths = sorted(length for length in methods["identity"] if length)
    identity = _blurred_values(methods["identity"], "psnr")
    lines = ["| method | " + " | ".join(f"{n} px" for n in lengths) + " | mean PSNR | gain, dB (95 %) | mean SSIM | sharp frames, dB |",
             "|---|" + "---|" * (len(lengths) + 4)]
    for method, rows in methods.items():
        values = _blurred_values(rows, "psnr")
        gains = np.subtract(values, identity)
        low, high = interval(list(gains))
        cells = [f"{np.mean(rows[n]['psnr']):.2f}" for n in lengths]
        sharp = f"{np.mean(rows[0]['psnr']):.1f} (lowest {min(rows[0]['psnr']):.1f})" if 0 in rows else ""
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {np.mean(values):.2f} | {gains.mean():+.2f} ({low:+.2f} to {high:+.2f}) | "
                     f"{np.mean(_blurred_values(rows, 'ssim')):.4f} | {'identical' if method == 'identity' else sharp} |")
    counts = ", ".join(f"{len(methods['identity'][n]['psnr'])} of {n} px" for n in lengths)
    lines += ["", f"Pictures: {counts}; {len(methods['identity'].get(0, {'psnr': []})['psnr'])} sharp. "
              f"Unsharp: radius, amount {result['settings']['unsharp']}; Wiener: Gaussian sigma, balance {result['settings']['wiener']}; both the best of nine, "
              "chosen on these pictures."]
    return "\n".join(lines)


def summary(result: dict) -> dict[str, float]:
    """What goes into the manifest."""
    methods = result["methods"]
    identity = np.mean(_blurred_values(methods["identity"], "psnr"))
    one = methods["blurdm, 1 step"]
    scores = {"blurred_psnr": identity, "sharp_frames_psnr": np.mean(one[0]["psnr"])}
    for steps in STEPS:
        rows = methods[f"blurdm, {steps} step{'s' * (steps > 1)}"]
        scores[f"gain_{steps}"] = np.mean(_blurred_values(rows, "psnr")) - identity
    return {k: round(float(v), 3) for k, v in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, help="bundle folder; without it the one built into the plugin")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="with --run: write the bundle's model card too")
    parser.add_argument("--run", type=Path, help="folder that training.train wrote")
    args = parser.parse_args()
    if (args.config is None) != (args.run is None) or (args.run and not args.bundle):
        parser.error("a model card needs --config, --run and --bundle")
    try:
        config = load_config(args.config) if args.config else None
        result = evaluate(args.validation, args.bundle, args.out)
    except (EvaluationError, ConfigError) as error:
        raise SystemExit(f"error: {error}") from error
    (args.out / "scores.json").write_text(json.dumps(summary(result), indent=1))
    (args.out / "scores.md").write_text(table(result) + "\n")
    if config:
        write_card(config, per_pixel(config), args.run, args.out, args.bundle)
    print(table(result))


if __name__ == "__main__":
    main()
