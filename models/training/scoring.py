"""Scores restored pictures beside the baselines', scene by scene, on as many processes as asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from . import baselines
from .align import align
from .layouts import Pair, read_picture
from .lpips import Lpips
from .metrics import psnr, ssim, ssim_volume, temporal_error

Scores = dict[str, float]
"""Of one picture of one method.

psnr (dB), ssim; ssim_volume where nothing is aligned; lpips, lpips_squashed where weights are given; temporal_error (grey levels) where the frame before
it is known; sharp_psnr (dB): of the sharp side put through the same method, against itself; converged: 0 where an alignment failed, else 1.
"""


@dataclass(frozen=True)
class Restored:
    """What the element made: {method: one file per pair} of the blurred sides and, unless None, of the sharp ones."""

    blurred: dict[str, list[Path]]
    sharp: dict[str, list[Path]] | None = None


@dataclass(frozen=True)
class Scorer:
    """How to score; what every process is given once. aligned: lay each picture over its truth first, as RealBlur needs."""

    settings: baselines.Settings
    lpips_weights: Path | None
    aligned: bool

    def picture(self, picture: np.ndarray, truth: np.ndarray, lpips: Lpips | None) -> Scores:
        """LPIPS takes the picture as it was restored: alignment is for PSNR and SSIM."""
        if self.aligned:
            over = align(picture, truth)
            scores = {"psnr": psnr(over.picture, truth, over.mask), "ssim": ssim(over.picture, truth, over.mask), "converged": float(over.converged)}
        else:
            scores = {"psnr": psnr(picture, truth), "ssim": ssim(picture, truth), "ssim_volume": ssim_volume(picture, truth)}
        if lpips:
            scores |= {"lpips": lpips.distance(picture, truth), "lpips_squashed": lpips.squashed_distance(picture, truth)}
        return scores

    def scene(self, pairs: list[Pair], restored: Restored, lpips: Lpips | None) -> list[dict[str, Scores]]:
        """{method: scores} of each frame of one scene."""
        rows = []
        before: tuple[dict[str, np.ndarray], np.ndarray] | None = None
        for index, pair in enumerate(pairs):
            truth = read_picture(pair.sharp)
            pictures = self._methods(read_picture(pair.blurred), restored.blurred, index)
            row = {method: self.picture(picture, truth, lpips) for method, picture in pictures.items()}
            if restored.sharp is not None:
                for method, picture in self._methods(truth, restored.sharp, index).items():
                    row[method]["sharp_psnr"] = psnr(picture, truth)
            elif pair.length == 0:
                for scores in row.values():
                    scores["sharp_psnr"] = scores["psnr"]
            if before:
                for method, picture in pictures.items():
                    row[method]["temporal_error"] = temporal_error(picture, before[0][method], truth, before[1])
            before = (pictures, truth)
            rows.append(row)
        return rows

    def _methods(self, picture: np.ndarray, restored: dict[str, list[Path]], index: int) -> dict[str, np.ndarray]:
        return baselines.restore(picture, self.settings) | {method: read_picture(files[index]) for method, files in restored.items()}


def _scenes(pairs: list[Pair]) -> list[list[int]]:
    """The indices of each scene's frames; a picture without one stands alone."""
    scenes: dict[object, list[int]] = {}
    for index, pair in enumerate(pairs):
        scenes.setdefault(pair.scene or index, []).append(index)
    return list(scenes.values())


def _part(restored: Restored, indices: list[int]) -> Restored:
    def of(files):
        return {method: [paths[i] for i in indices] for method, paths in files.items()}

    return Restored(of(restored.blurred), None if restored.sharp is None else of(restored.sharp))


_scorer: Scorer
_lpips: Lpips | None


def _start(scorer: Scorer) -> None:
    global _scorer, _lpips
    torch.set_num_threads(1)
    _scorer, _lpips = scorer, Lpips.load(scorer.lpips_weights) if scorer.lpips_weights else None


def _score(job: tuple[list[int], list[Pair], Restored]) -> tuple[list[int], list[dict[str, Scores]]]:
    indices, pairs, restored = job
    return indices, _scorer.scene(pairs, restored, _lpips)


def _results(jobs: list, scorer: Scorer, workers: int) -> Iterator:
    if workers == 1:
        _start(scorer)
        yield from map(_score, jobs)
        return
    with get_context("spawn").Pool(workers, _start, (scorer,)) as pool:
        yield from pool.imap_unordered(_score, jobs)


def score_pictures(pairs: list[Pair], restored: Restored, scorer: Scorer, workers: int = 1) -> dict[str, list[Scores]]:
    """{method: scores of each pair, in order}: identity, unsharp, wiener, then what the element restored."""
    jobs = [(indices, [pairs[i] for i in indices], _part(restored, indices)) for indices in _scenes(pairs)]
    rows: list[dict[str, Scores]] = [{} for _ in pairs]
    done = 0
    for indices, scored in _results(jobs, scorer, workers):
        for index, row in zip(indices, scored, strict=True):
            rows[index] = row
        done += len(indices)
        print(f"scored {done}/{len(pairs)} pictures", file=sys.stderr, flush=True)
    return {method: [row[method] for row in rows] for method in rows[0]}
