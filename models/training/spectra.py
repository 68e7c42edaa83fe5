"""Mean spectra of many patches, kept: stage 2 can then see each of them many times, turned and mirrored.

Making an exposure and its spectra took 13 ms of a core, and learning from them 3 ms. The spectra of a picture turned by a quarter
or mirrored are its own, turned or mirrored, so that every one kept stands for eight (for four: turned by half a circle they are
the same).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .batches import Batches
from .config import Stage
from .networks import ExposureOracle, SpectralEncoder
from .networks.spectral_encoder import HALF_SPECTRUM, STATISTICS, WINDOW

CHUNK = 8
SPREAD_SIDE = 2 * ExposureOracle.RADIUS + 1


class SpectraPool:
    """The spectra and point spreads of `stage.kept` whole patches, drawn as the stage draws them, in two files that an interrupted run finds again."""

    def __init__(self, folder: Path, batches: Batches, stage: Stage):
        folder.mkdir(parents=True, exist_ok=True)
        self._spectra = _array(folder / "spectra.npy", (stage.kept, STATISTICS, WINDOW, HALF_SPECTRUM), np.float16)
        self._spread = _array(folder / "spread.npy", (stage.kept, SPREAD_SIDE, SPREAD_SIDE), np.float32)
        encoder, whole = SpectralEncoder(), replace(stage, crop=batches.side // batches.reduction, batch=CHUNK)
        rng = batches.rng
        # A point spread sums to 1: one of nothing but zeros is not made yet.
        for first in range(0, stage.kept, CHUNK):
            if not self._spread[first].any():
                batches.rng = np.random.default_rng(first)
                example = batches.next(whole, torch.device("cpu"))
                count = min(CHUNK, stage.kept - first)
                with torch.no_grad():
                    self._spectra[first : first + count] = encoder.mean_spectra(example.context)[:count].numpy()
                self._spread[first : first + count] = example.spread[:count].numpy()
        batches.rng = rng

    def __len__(self) -> int:
        return len(self._spread)

    def next(self, batch: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean spectra [batch, 3, 64, 33], point spreads [batch, 25, 25])."""
        picked = rng.integers(0, len(self._spread), batch)
        spectra, spread = torch.from_numpy(self._spectra[picked]).float(), torch.from_numpy(self._spread[picked])
        if rng.random() < 0.5:
            spectra, spread = mirrored(spectra), spread.flip(1)
        if rng.random() < 0.5:
            spectra, spread = transposed(spectra), spread.transpose(1, 2)
        return spectra, spread


def mirrored(spectra: torch.Tensor) -> torch.Tensor:
    """The spectra [..., 64, 33] of mirrored pictures: vertical frequencies -32..31 in the opposite order, where -32 and 32 are one."""
    return spectra.flip(-2).roll(1, -2)


def transposed(spectra: torch.Tensor) -> torch.Tensor:
    """The spectra [..., 64, 33] of transposed pictures. The other half of a real picture's spectrum is this one, turned by half a circle."""
    negative = mirrored(spectra[..., 1 : WINDOW // 2]).flip(-1)
    whole = torch.cat([spectra[..., WINDOW // 2 :], negative, spectra[..., : WINDOW // 2]], dim=-1)
    return torch.cat([whole[..., WINDOW // 2 :, :], whole[..., :1, :]], dim=-2).transpose(-1, -2)


def _array(path: Path, shape: tuple[int, ...], kind: type) -> np.memmap:
    if path.is_file() and (found := np.lib.format.open_memmap(path, "r+")).shape == shape:
        return found
    return np.lib.format.open_memmap(path, "w+", kind, shape)
