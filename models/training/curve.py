"""The training curve as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def draw_curve(log: Path, picture: Path) -> None:
    """log.jsonl to a PNG: loss per stage above, validation gain (dB over the blurred input) below."""
    rows = [json.loads(line) for line in log.read_text().splitlines() if line]
    if not rows:
        return
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6), sharex=True)
    for stage in sorted({r["stage"] for r in rows}):
        mine = [r for r in rows if r["stage"] == stage]
        upper.plot([r["seconds"] / 60 for r in mine], [r["loss"] for r in mine], label=f"stage {stage}")
        scored = [r for r in mine if "gain" in r]
        if scored:
            label = f"stage {stage}" + (" (oracle prior)" if stage == 1 else "")
            lower.plot([r["seconds"] / 60 for r in scored], [r["gain"] for r in scored], "ko-", label=label)
            for kind in scored[-1].get("gains", {}):
                lower.plot([r["seconds"] / 60 for r in scored], [r.get("gains", {}).get(kind, float("nan")) for r in scored], lw=1, label=kind)
    upper.set_ylabel("training loss")
    upper.legend()
    lower.set_ylabel("validation PSNR gain, dB")
    lower.set_xlabel("minutes of training")
    if lower.has_data():
        lower.legend(fontsize=6, ncol=3)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(picture, dpi=90)
    plt.close(figure)
