"""The scores as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .baselines import Settings
from .layouts import Pair
from .metrics import HIGHEST_PSNR, interval
from .paper import BACKBONES, TEST_SETS, Figures
from .scoring import Scores

PREFIX = "blurdm, "


@dataclass(frozen=True)
class Result:
    """An evaluation: methods are {method: scores of each pair, in order}."""

    layout: str
    pairs: list[Pair]
    settings: Settings
    methods: dict[str, list[Scores]]

    def values(self, method: str, metric: str, length: int | None = None) -> list[float]:
        """Of every picture that has the metric and is blurred; of the exposures of one length where it is given."""

        def wanted(pair):
            return pair.length == length if length is not None else pair.length != 0

        return [scores[metric] for pair, scores in zip(self.pairs, self.methods[method], strict=True) if wanted(pair) and metric in scores]

    def sharp_values(self, method: str) -> list[float]:
        return [scores["sharp_psnr"] for scores in self.methods[method] if "sharp_psnr" in scores]

    def has(self, metric: str) -> bool:
        return any(metric in scores for scores in self.methods["identity"])


def method_name(steps: int) -> str:
    return f"{PREFIX}{steps} step{'s' * (steps > 1)}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(rows: list[list[str]]) -> list[str]:
    return [_row(rows[0]), "|" + "---|" * len(rows[0]), *(_row(cells) for cells in rows[1:])]


COLUMNS = (
    ("ssim", "SSIM", ".4f"),
    ("ssim_volume", "SSIM of GoPro tables", ".4f"),
    ("lpips_squashed", "LPIPS, 256x256", ".4f"),
    ("lpips", "LPIPS, whole", ".4f"),
    ("temporal_error", "temporal error", ".2f"),
)
"""(metric, name, format) of the means that stand between the gain and the sharp frames, where they were measured."""


def _mean_cells(result: Result, method: str) -> list[str]:
    return [f"{np.mean(result.values(method, metric)):{form}}" for metric, _, form in COLUMNS if result.has(metric)]


def _sharp_cell(result: Result, method: str) -> str:
    values = result.sharp_values(method)
    if not values or min(values) == HIGHEST_PSNR:
        return "identical" if values else ""
    return f"{np.mean(values):.1f} (lowest {min(values):.1f})"


def methods_table(result: Result) -> str:
    """A row per method: PSNR by length where exposures have one, its mean, the gain over the blurred input with its interval, the means of COLUMNS, PSNR of
    sharp frames."""
    lengths = sorted({pair.length for pair in result.pairs if pair.length})
    columns = [name for metric, name, _ in COLUMNS if result.has(metric)]
    rows = [["method", *(f"{n} px" for n in lengths), "mean PSNR", "gain, dB (95 %)", *(f"mean {name}" for name in columns), "sharp frames, dB"]]
    identity = result.values("identity", "psnr")
    for method in result.methods:
        values = result.values(method, "psnr")
        gains = np.subtract(values, identity)
        low, high = interval(gains)
        rows.append([method, *(f"{np.mean(result.values(method, 'psnr', n)):.2f}" for n in lengths), f"{np.mean(values):.2f}",
                     f"{gains.mean():+.2f} ({low:+.2f} to {high:+.2f})", *_mean_cells(result, method), _sharp_cell(result, method)])
    return "\n".join([*_markdown(rows), "", _notes(result, lengths)])


def _notes(result: Result, lengths: list[int]) -> str:
    if lengths:
        counts = ", ".join(f"{sum(pair.length == n for pair in result.pairs)} of {n} px" for n in lengths)
        notes = [f"Pictures: {counts}; {sum(pair.length == 0 for pair in result.pairs)} sharp."]
    else:
        notes = [f"Pictures: {len(result.pairs)}."]
    notes.append(f"Unsharp: radius, amount {result.settings['unsharp']}; Wiener: Gaussian sigma, balance {result.settings['wiener']}; both the best of nine, "
                 "chosen on these pictures.")
    if not result.has("lpips"):
        notes.append("LPIPS was not measured: its weights were not there.")
    if result.has("converged"):
        notes.append(_convergence(result))
    return " ".join(notes)


def _convergence(result: Result) -> str:
    lost = [f"{method}: {pair.name}" for method, every in result.methods.items()
            for pair, scores in zip(result.pairs, every, strict=True) if not scores["converged"]]
    if not lost:
        return "Every picture could be aligned."
    return f"Alignments that did not converge, whose pictures count unaligned: {len(lost)} ({'; '.join(lost)})."


def paper_ssim(result: Result) -> str:
    """The metric that the paper's SSIM column stands for: see README.md for what is known of it."""
    return "ssim_volume" if result.has("ssim_volume") else "ssim"


def _interval_cell(values: list[float], form: str) -> str:
    low, high = interval(values)
    return f"{np.mean(values):{form}} ({low:{form}} to {high:{form}})"


def paper_table(result: Result) -> str:
    """The paper's columns for this test set, and ours with 95 % intervals over pictures beside them."""
    paper = TEST_SETS[result.layout]
    ours = [method for method in result.methods if method.startswith(PREFIX)]
    figures: list[Figures] = [figure for row in paper.rows for figure in row]
    bundle = [f"this bundle, {method.removeprefix(PREFIX)} (95 %)" for method in ours]
    rows = [[paper.name, *(name for backbone in BACKBONES for name in (backbone, "+ BlurDM")), *bundle]]
    metrics = (("PSNR, dB", "psnr", "psnr", ".2f"), ("SSIM", "ssim", paper_ssim(result), ".3f"), ("LPIPS", "lpips", "lpips_squashed", ".4f"))
    for name, field, metric, form in metrics:
        measured = [_interval_cell(result.values(method, metric), form) if result.has(metric) else "not measured" for method in ours]
        rows.append([name, *(f"{getattr(figure, field):{form}}" for figure in figures), *measured])
    scope = f"All {paper.pictures} pictures."
    if len(result.pairs) != paper.pictures:
        scope = f"{len(result.pairs)} pictures, where the test set has {paper.pictures}: not to be compared with the paper's columns."
    return "\n".join([*_markdown(rows), "", scope])


def table(result: Result) -> str:
    """Everything, as scores.md has it."""
    return f"{paper_table(result)}\n\n{methods_table(result)}" if result.layout in TEST_SETS else methods_table(result)


def summary(result: Result) -> dict[str, float]:
    """What goes into the manifest: of exposures gains per number of steps, of a test set the paper's three metrics of the first method."""
    ours = [method for method in result.methods if method.startswith(PREFIX)]
    identity = np.mean(result.values("identity", "psnr"))
    if result.layout in TEST_SETS:
        metrics = [("psnr", "psnr"), ("ssim", paper_ssim(result)), ("lpips", "lpips_squashed"), ("temporal_error", "temporal_error")]
        scores = {f"{result.layout}_{name}": np.mean(result.values(ours[0], metric)) for name, metric in metrics if result.has(metric)}
        scores |= {f"{result.layout}_blurred_psnr": identity, f"{result.layout}_sharp_frames_psnr": np.mean(result.sharp_values(ours[0]))}
    else:
        scores = {"blurred_psnr": identity}
        if sharp := result.sharp_values(ours[0]):
            scores["sharp_frames_psnr"] = np.mean(sharp)
        for method in ours:
            scores[f"gain_{method.removeprefix(PREFIX).split()[0]}"] = np.mean(result.values(method, "psnr")) - identity
    return {k: round(float(v), 4 if k.endswith(("ssim", "lpips")) else 3) for k, v in scores.items()}
