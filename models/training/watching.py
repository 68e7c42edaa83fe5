"""What training looks at while it runs: every validation exposure and every real pair that is never trained on, whole frames, by kind."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from .exposure import point_spread
from .model import Example
from .networks import ExposureOracle
from .patches import unpack_motion
from .real import VALIDATION_CLIPS, picture, real_pairs

MULTIPLE = 32
"""Frames are cut to multiples of this, which suits every backbone; the graphs pad instead."""


@dataclass(frozen=True)
class Watched:
    """A pair, uint8 [3, h, w]. kind: the exposure's length in px ("00": sharp), or the real data set. spread: see model.Example."""

    kind: str
    blurred: torch.Tensor
    sharp: torch.Tensor
    spread: torch.Tensor

    def example(self, device: torch.device) -> Example:
        blurred, sharp = (side.to(device)[None].float() / 255 for side in (self.blurred, self.sharp))
        return Example(blurred, sharp, blurred, self.spread.to(device)[None])


def _side(frame: np.ndarray) -> torch.Tensor:
    h, w = (n // MULTIPLE * MULTIPLE for n in frame.shape[:2])
    return torch.from_numpy(frame[:h, :w].copy()).permute(2, 0, 1)


def _exposures(folder: Path, scales: tuple[int, ...]) -> list[Watched]:
    motions = json.loads((folder / "motions.json").read_text())
    found = []
    for path in sorted(folder.glob("*_sharp.png")):
        name = path.name.removesuffix("_sharp.png")
        blurred, sharp = (_side(np.asarray(Image.open(p))) for p in (folder / f"{name}_blurred.png", path))
        motion = unpack_motion(np.array(motions[name], np.float32)).path_at((0, 0), sharp.shape[1])
        spreads = [point_spread(motion / scale, ExposureOracle.RADIUS) for scale in scales]
        spread = np.stack(spreads) if len(spreads) > 1 else spreads[0]
        found.append(Watched(name.rpartition("-")[2], blurred, sharp, torch.from_numpy(spread)))
    return found


def _real(data: Path) -> list[Watched]:
    unknown = torch.full((2 * ExposureOracle.RADIUS + 1,) * 2, math.nan)
    return [Watched(pair.dataset, _side(picture(pair.blurred)), _side(picture(pair.sharp)), unknown) for pair in real_pairs(data, VALIDATION_CLIPS)]


class Validation:
    """folders: of training.validation, the first of which `gain` is the mean over; data: the footage folder, for its real pairs; scales: the backbone's."""

    def __init__(self, folders: list[Path], data: Path | None, device: torch.device, scales: tuple[int, ...] = (1,)):
        self._device = device
        self._groups = {f"made{number or ''}": _exposures(folder, scales) for number, folder in enumerate(folders)}
        if data is not None:
            self._groups["real"] = _real(data)

    @torch.no_grad()
    def __call__(self, restore, exposure_known: bool = True) -> dict:
        """Mean PSNR gain over the blurred input, of the first folder (`gain`) and by kind (`gains`), and PSNR of sharp frames to themselves (`sharp`).
        exposure_known: whether `restore` needs the point spread, which real pairs do not have."""
        gains, still = {}, []
        for group, watched in self._groups.items():
            if group == "real" and exposure_known:
                continue
            for one in watched:
                example = one.example(self._device)
                restored = (restore(example).clamp(0, 1) * 255).round() / 255
                if one.kind == "00":
                    still.append(_psnr(restored, example.sharp))
                else:
                    gains.setdefault((group, one.kind), []).append(_psnr(restored, example.sharp) - _psnr(example.blurred, example.sharp))
        if not gains:
            return {}
        first = [gain for (group, _), values in gains.items() if group == "made" for gain in values]
        row = {"gain": float(np.mean(first))} if first else {}
        if still:
            row["sharp"] = float(np.mean(still))
        return row | {"gains": {f"{group} {kind}": round(float(np.mean(values)), 3) for (group, kind), values in gains.items()}}


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * math.log10(max(float(((a - b) ** 2).mean()), 1e-7))
