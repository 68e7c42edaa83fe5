"""The plots of the study: differences with their intervals, gain by path length, training losses."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from .study_questions import Question
from .study_results import ARMS, MAIN_ARMS, Result, Study, compare

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = dict(zip(ARMS, plt.get_cmap("tab10").colors, strict=False))
MARKS = dict(zip(ARMS, "os^Dvp*Xh", strict=False))


def _save(figure: plt.Figure, path: Path) -> None:
    """At 100 dpi and in 256 colours: a third of the size, and no eye sees it in lines and letters."""
    figure.set_dpi(100)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    plt.close(figure)


def draw_differences(study: Study, questions: tuple[Question, ...], path: Path) -> bool:
    """A panel per backbone that has an answer: mean, interval and seeds of every difference. False, and no file, where there is none."""
    panels = {backbone: [(question.title, answer) for question in questions if (answer := question.answer(study, backbone))] for backbone in study.backbones}
    panels = {backbone: rows for backbone, rows in panels.items() if rows}
    if not panels:
        return False
    count = sum(map(len, panels.values()))
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 0.9 * len(panels) + 0.42 * count), sharex=True, squeeze=False, layout="constrained",
                                height_ratios=[len(rows) + 0.5 for rows in panels.values()])
    for panel, (backbone, rows) in zip(axes[:, 0], panels.items(), strict=True):
        for height, (_, answer) in enumerate(rows):
            panel.errorbar(answer.mean, height, xerr=[[answer.mean - answer.low], [answer.high - answer.mean]], fmt="o", color="C0", capsize=4, zorder=3)
            panel.plot(list(answer.seeds.values()), [height - 0.25] * len(answer.seeds), "d", color="0.45", markersize=4)
        panel.axvline(0, color="black", linewidth=1)
        panel.set_yticks(range(len(rows)), [title for title, _ in rows])
        panel.set_ylim(len(rows) - 0.5, -0.6)
        panel.set_title(backbone)
        panel.grid(axis="x", alpha=0.3)
    axes[-1, 0].set_xlabel("difference in PSNR, dB\ndot: mean; bar: 95 % over exposures; diamonds: seeds")
    _save(figure, path)
    return True


def _panels(rows: int, columns: int) -> tuple[plt.Figure, np.ndarray]:
    """As wide as a page of text, however many backbones there are."""
    figure, axes = plt.subplots(rows, columns, figsize=(max(4.6 * columns, 6), 0.8 + 3.2 * rows), sharey="col", squeeze=False, layout="constrained")
    for panel in axes.flat:
        panel.grid(alpha=0.3)
    return figure, axes


def draw_lengths(study: Study, path: Path) -> bool:
    """Of each backbone the gain over the blurred input, and the difference to no prior with its interval. False, and no file, where no main row was run."""
    backbones = [backbone for backbone in study.backbones if any(study.runs(backbone, arm) for arm in MAIN_ARMS)]
    if not backbones:
        return False
    lengths = sorted(set(study.lengths))
    figure, axes = _panels(len(backbones), 2)
    for (gains, differences), backbone in zip(axes, backbones, strict=True):
        for place, arm in enumerate(MAIN_ARMS):
            scores = study.scores(backbone, arm)
            style = {"color": COLOURS[arm], "marker": MARKS[arm], "label": arm}
            if scores:
                gain = np.mean(list(scores.values()), axis=0) - study.identity
                gains.plot(lengths, [gain[study.lengths == length].mean() for length in lengths], **style)
            apart = [compare(scores, study.scores(backbone, "none"), study.lengths == length) for length in lengths]
            if arm != "none" and all(apart):
                sides = [[d.mean - d.low for d in apart], [d.high - d.mean for d in apart]]
                differences.errorbar(np.add(lengths, 0.3 * (place - 2)), [d.mean for d in apart], sides, capsize=3, linewidth=1, **style)
        gains.set_ylabel("gain over the blurred input, dB")
        differences.set_ylabel("difference to no prior, dB (95 %)")
        differences.axhline(0, color="black", linewidth=1)
        for panel in (gains, differences):
            panel.set_title(backbone)
            panel.set_xticks(lengths, [f"{length:g}" for length in lengths])
            panel.set_xlabel("path length, px")
    _legend(figure, axes)
    _save(figure, path)
    return True


def _curve(runs: dict[int, Result], stage: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(steps, mean loss over seeds), of the steps that every seed has logged."""
    logs = [{row["step"]: row["loss"] for row in result.log if row["stage"] == stage} for result in runs.values()]
    steps = sorted(set.intersection(*map(set, logs))) if logs else []
    return tuple(steps), tuple(float(np.mean([log[step] for log in logs])) for step in steps)


def draw_losses(study: Study, path: Path) -> bool:
    """Of each backbone the stages with an image loss, 1 and 3; rows that share a stage have one line. False, and no file, where no log has either."""
    curves = {(backbone, stage): _shared_curves(study, backbone, stage) for backbone in study.backbones for stage in (1, 3)}
    stages = [stage for stage in (1, 3) if any(curves[backbone, stage] for backbone in study.backbones)]
    if not stages:
        return False
    figure, axes = _panels(len(study.backbones), len(stages))
    for row, backbone in zip(axes, study.backbones, strict=True):
        for panel, stage in zip(row, stages, strict=True):
            for (steps, losses), arms in curves[backbone, stage].items():
                panel.plot(steps, losses, color=COLOURS[arms[0]], marker=MARKS[arms[0]], markersize=5, linewidth=1.2, label=arms[0])
            panel.set_title(f"{backbone}, stage {stage}")
            panel.set_xlabel("step")
            panel.set_ylabel("training loss (no unit)")
    _legend(figure, axes)
    _save(figure, path)
    return True


def _shared_curves(study: Study, backbone: str, stage: int) -> dict[tuple, list[str]]:
    """{curve: the rows that have it}."""
    found: dict[tuple, list[str]] = {}
    for arm in ARMS:
        curve = _curve(study.runs(backbone, arm), stage)
        if curve[0]:
            found.setdefault(curve, []).append(arm)
    return found


def _legend(figure: plt.Figure, axes: np.ndarray) -> None:
    """One for all panels, under them."""
    lines = {label: line for panel in axes.flat for line, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    names = [arm for arm in ARMS if arm in lines]
    columns = min(len(names), 4 if max(map(len, names)) < 12 else 2)
    figure.legend([lines[name] for name in names], names, loc="outside lower center", ncols=columns)
