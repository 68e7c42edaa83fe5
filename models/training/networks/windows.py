"""The windows that the deconvolution works in: 64x64 px, overlapping, and their discrete Fourier transform as products with constant matrices."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .transforms import constant

WINDOW = 64
HOP = 32
FREQUENCIES = WINDOW // 2
"""0..31 in either direction. The highest, 32, holds nothing that could be restored."""


def waves(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of the window's frequencies at these positions, each [32, positions]."""
    angle = 2 * np.pi / WINDOW * np.outer(np.arange(FREQUENCIES), positions)
    return np.cos(angle), np.sin(angle)


class Windows(nn.Module):
    """hop: px from one window to the next, of which the middle of each is used. The margins around it, (64 - hop) / 2, must hold half the path that is
    taken back. Windows with a hop of 48 are 2.25 times fewer than with one of 32."""

    def __init__(self, hop: int = HOP):
        super().__init__()
        self.hop, self.margin = hop, (WINDOW - hop) // 2
        # Phases are counted from the window's middle: there the taper is symmetric, and a flat window has no sines.
        from_middle = np.arange(WINDOW) - (WINDOW - 1) / 2
        weight = np.where(np.arange(FREQUENCIES) == 0, 1, 2)[:, None] / WINDOW
        for name, wave in zip(("cosines", "sines"), waves(from_middle), strict=True):
            self.register_buffer(name, constant(wave * self._taper()), persistent=False)
            self.register_buffer(f"inverse_{name}", constant((wave * weight)[:, self.margin : self.margin + hop]), persistent=False)
        flat = self.cosines.sum(1)
        self.flat = nn.Buffer(torch.outer(flat, flat)[:, None], persistent=False)

    def _taper(self) -> np.ndarray:
        """[64]: 1 in the middle, falling to 0 over the margins, so that what wraps around is dark."""
        distance = np.minimum(np.arange(WINDOW), np.arange(WINDOW)[::-1]) + 0.5
        return np.minimum(distance / self.margin, 1)

    def tiles(self, grey: torch.Tensor) -> torch.Tensor:
        """[B, 1, H, W] to [B, (rows + 1) x hop, columns + 1, hop]: with a margin at the left and at the top, and at the right and at the bottom up to whole
        tiles, the last of which begins the margins of the last windows."""
        height, width = grey.shape[2:]
        grey = F.pad(grey, (self.margin - 1,) * 4, mode="reflect")
        missing = [(self.hop - side % self.hop) % self.hop + 2 * self.hop - WINDOW + 1 for side in (width, height)]
        grey = F.pad(grey, (1, missing[0], 1, missing[1]), mode="replicate")
        return grey.reshape(grey.shape[0], grey.shape[2], grey.shape[3] // self.hop, self.hop)

    def middles(self, tiles: torch.Tensor) -> torch.Tensor:
        """Of `tiles` the middles of windows [B, rows, hop, columns, hop]."""
        across = torch.cat([tiles[:, :, :-1, self.margin :], tiles[:, :, 1:, : self.margin]], dim=3)
        return across[:, self.margin : across.shape[1] - (self.hop - self.margin)].unflatten(1, (-1, self.hop))

    def transform(self, tiles: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The waves of the windows of `tiles` less their means, first of the vertical then of the horizontal ones cosines and sines: cc, cs, sc, ss, each
        [B, rows, 32, columns, 32]."""
        batch, lines, columns = tiles.shape[0], tiles.shape[1], tiles.shape[2] - 1
        rest = WINDOW - self.hop
        across = torch.cat([tiles[:, :, :-1], tiles[:, :, 1:, :rest]], dim=3)
        across = [(across @ wave.T).reshape(batch, lines // self.hop, self.hop, columns * FREQUENCIES) for wave in (self.cosines, self.sines)]
        windows = [torch.cat([x[:, :-1], x[:, 1:, :rest]], dim=2) for x in across]
        found = tuple((wave @ x).unflatten(3, (-1, FREQUENCIES)) for wave in (self.cosines, self.sines) for x in windows)
        return (found[0] - self._means(tiles)[:, :, None, :, None] * self.flat, *found[1:])

    def inverse(self, waves: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Waves of windows to their middles: [B, rows, hop, columns x hop], lines of windows, side by side as they lie in the frame."""
        cc, cs, sc, ss = waves
        upper = cc @ self.inverse_cosines + cs @ self.inverse_sines
        lower = sc @ self.inverse_cosines + ss @ self.inverse_sines
        return self.inverse_cosines.T @ upper.flatten(3) + self.inverse_sines.T @ lower.flatten(3)

    def over_each(self, lines: torch.Tensor) -> torch.Tensor:
        """Means over the windows [B, rows, columns] of lines [B, rows, n, columns x hop], the last of which may be missing."""
        mean = lines.mean(2)
        return F.pad(mean, (0, -mean.shape[2] % self.hop)).unflatten(2, (-1, self.hop)).mean(3)

    def _means(self, tiles: torch.Tensor) -> torch.Tensor:
        """The means of windows [B, rows, columns]."""
        rest = WINDOW - self.hop
        across = tiles[:, :, :-1].sum(3) + tiles[:, :, 1:, :rest].sum(3)
        across = across.unflatten(1, (-1, self.hop))
        return (across[:, :-1].sum(2) + across[:, 1:, :rest].sum(2)) / WINDOW**2
