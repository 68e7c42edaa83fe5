"""The blur encoder of blurdm-nano and -small: it reads the blur where it is plainest, in the spectrum.

Motion along a path multiplies the picture's spectrum by the path's: dark bands lie across the direction of the motion, the closer
together the longer it was. Natural pictures differ in their spectra, but not in such bands, and the mean of the logarithms over
many windows keeps the bands and averages the pictures away (Stockham, Cannon and Ingebretsen, Proc. IEEE 63(4), 1975).

    luma ─ windows 64x64 ─ |DFT|^2 ─ log ─ means over windows, by energy ─ convs over the spectrum ─ Linear ─ z_B

With a grid of regions there is one such mean, and one z_B, for each of them.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from .regions import WHOLE, nearness
from .transforms import luma

SLOPE = 0.1
WINDOW = 64
HALF_SPECTRUM = WINDOW // 2 + 1
FLOOR = 1e-4
"""Added to the power before the logarithm: about what rounding to 8 bits puts into a window."""

EVEN_FLOOR = 1e-5
"""The same for windows brought to an energy of 1, spread over 2112 frequencies."""

CALM = (0.3, 3.0)
"""Windows of this share of the mean energy weigh half: flat ones hold noise alone. One mean over nearly all windows, one that the busiest make."""

STATISTICS = len(CALM) + 1


def _conv(channels: int, to: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, to, 3, stride, padding=1), nn.LeakyReLU(SLOPE))


class SpectralEncoder(nn.Module):
    """Frames [B, 3, H, W] in 0..1 of any size to z_B [B, latent]. About 0.4 kMAC per pixel; the layers after the mean cost the same for
    any frame. The DFT is written as products with constant matrices, which every runtime has."""

    MULTIPLE = 1

    def __init__(self, latent: int = 64, width: int = 24, hidden: int = 256, regions: tuple[int, int] = WHOLE):
        super().__init__()
        self.regions = tuple(regions)
        instant, frequency = torch.arange(WINDOW).float(), torch.arange(HALF_SPECTRUM).float()
        taper = torch.hann_window(WINDOW, periodic=False)
        across = 2 * math.pi * frequency[:, None] * instant / WINDOW
        down = 2 * math.pi * (torch.arange(WINDOW).float() - WINDOW // 2)[:, None] * instant / WINDOW
        for name, matrix in (("cos_x", torch.cos(across).T * taper[:, None]), ("sin_x", -torch.sin(across).T * taper[:, None]),
                             ("cos_y", torch.cos(down) * taper), ("sin_y", -torch.sin(down) * taper)):
            self.register_buffer(name, matrix.contiguous(), persistent=False)
        self.normalise = nn.BatchNorm2d(STATISTICS, affine=False)
        self.bands = nn.Sequential(_conv(STATISTICS, width, 1), _conv(width, 2 * width, 2), _conv(2 * width, 2 * width, 1), _conv(2 * width, 4 * width, 2),
                                   _conv(4 * width, 4 * width, 1))
        self.linear1 = nn.Linear(4 * width * (WINDOW // 4) * ((HALF_SPECTRUM + 3) // 4), hidden)
        self.linear2 = nn.Linear(hidden, latent)

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.read(self.mean_spectra(frame.float()))

    def by_region(self, frame: torch.Tensor) -> torch.Tensor:
        """z_B of each region, [B, regions, latent]."""
        return self.by_region_of_luma(luma(frame.float()))

    def by_region_of_luma(self, *greys: torch.Tensor, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """As `by_region`, of luma [B, 1, H, W]. Of several, at different scales: of the regions of the first, then of the next, [B, greys x regions, latent].
        The first is looked at in half as many windows, since it has more of them."""
        spectra = torch.cat([self._spectra(grey[:, 0], grid, index > 0 or len(greys) == 1) for index, grey in enumerate(greys)], dim=1)
        return self.read(spectra.flatten(0, 1)).unflatten(0, spectra.shape[:2])

    def read_luma(self, grey: torch.Tensor) -> torch.Tensor:
        """As `forward`, of luma [B, 1, H, W]."""
        return self.read(self._spectra(grey[:, 0], WHOLE)[:, 0])

    def read(self, spectra: torch.Tensor) -> torch.Tensor:
        """z_B [B, latent] of mean spectra [B, 3, 64, 33]."""
        spectra = self.normalise(spectra)
        return self.linear2(F.leaky_relu(self.linear1(self.bands(spectra).flatten(1)), SLOPE))

    def mean_spectra(self, frame: torch.Tensor) -> torch.Tensor:
        """[B, 3, 64, 33], vertical frequency -32..31 by horizontal frequency 0..32: two means of log power, and the log of the mean power of
        windows brought to equal energy."""
        return self.spectra_by_region(frame, WHOLE)[:, 0]

    def spectra_by_region(self, frame: torch.Tensor, grid: tuple[int, int] | None = None) -> torch.Tensor:
        """[B, regions, 3, 64, 33]: as `mean_spectra`, for each region of the encoder's own grid or of this one."""
        return self._spectra(luma(frame)[:, 0], grid)

    def _spectra(self, grey: torch.Tensor, grid: tuple[int, int] | None, every: bool = True) -> torch.Tensor:
        windows, down, across = _windows(grey, every)
        rows, columns = grid or self.regions
        near = nearness(down, rows)[:, None] * nearness(across, columns)
        return self._mean_spectra(windows, near.flatten(0, 1))

    def spectra_of_regions(self, regions: torch.Tensor) -> torch.Tensor:
        """[1, 3, 64, 33]: the mean spectra of a frame that consists of these regions [N, 3, H, W]."""
        windows = _windows(luma(regions)[:, 0])[0].flatten(0, 1)[None]
        return self._mean_spectra(windows, torch.ones(1, windows.shape[1]))[:, 0]

    def _mean_spectra(self, windows: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
        """Of windows [B, count, 64, 64] that count this much for each region [regions, count]."""
        power = self._power(windows)
        energy = power.sum((2, 3), keepdim=True)
        log = torch.log(power + FLOOR)
        shares = energy / (energy.mean(1, keepdim=True) + 1e-3)
        near = near.to(power.device)
        means = [_mean(log, shares / (shares + calm), near) for calm in CALM]
        even = _mean(power / (energy + 1e-3), shares / (shares + CALM[0]), near)
        return torch.stack([*means, torch.log(even + EVEN_FLOOR)], dim=2)

    def _power(self, windows: torch.Tensor) -> torch.Tensor:
        windows = windows - windows.mean((2, 3), keepdim=True)
        real, imaginary = windows @ self.cos_x, windows @ self.sin_x
        return (self.cos_y @ real - self.sin_y @ imaginary) ** 2 + (self.cos_y @ imaginary + self.sin_y @ real) ** 2


def _mean(values: torch.Tensor, weights: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """[B, count, 64, 33], [B, count, 1, 1] and [regions, count] to [B, regions, 64, 33]."""
    weights = weights[:, None, :, 0, 0] * near
    return ((weights @ values.flatten(2)) / (weights.sum(2, keepdim=True) + 1e-6)).unflatten(2, values.shape[2:])


def _windows(grey: torch.Tensor, every: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[B, H, W] to [B, count, 64, 64] and where their middles lie, down and across, as shares of the sides, each [count]. They are a grid
    of windows, and the same grid shifted by half a window both ways, whose windows meet where the taper of the first leaves little. What does
    not fill a window is left out; frames under 96 px are repeated at their edges. every: the second grid too."""
    h, w = grey.shape[1], grey.shape[2]
    shortest = WINDOW + WINDOW // 2
    grey = F.pad(grey[:, None], (0, _at_least_0(shortest - w), 0, _at_least_0(shortest - h)), mode="replicate")[:, 0]
    height, width = grey.shape[1:]
    if not every:
        windows, down, across = _grid(grey)
        return windows, down / height, across / width
    (first, down, across), (second, below, beside) = _grid(grey), _grid(grey[:, WINDOW // 2 :, WINDOW // 2 :])
    positions = torch.cat([down, below + WINDOW // 2]) / height, torch.cat([across, beside + WINDOW // 2]) / width
    return torch.cat([first, second], dim=1), *positions


def _at_least_0(length: int | torch.Tensor) -> int | torch.Tensor:
    """Lengths are tensors where a run is traced, and symbols where torch.export looks at it."""
    return length.clamp_min(0) if isinstance(length, torch.Tensor) else torch.sym_max(length, 0)


def _grid(grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows [B, count, 64, 64], and their middles in px down and across."""
    rows, columns = grey.shape[1] // WINDOW, grey.shape[2] // WINDOW
    tiles = grey[:, : rows * WINDOW, : columns * WINDOW].reshape(grey.shape[0], rows, WINDOW, columns, WINDOW)
    down, across = ((torch.arange(n, device=grey.device, dtype=grey.dtype) + 0.5) * WINDOW for n in (rows, columns))
    down, across = (x.flatten() for x in (down[:, None].expand(rows, columns), across[None].expand(rows, columns)))
    return tiles.transpose(2, 3).reshape(grey.shape[0], rows * columns, WINDOW, WINDOW), down, across
