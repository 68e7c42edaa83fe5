"""The linear part of deblurring, done as such: the prior says how the exposure gathered light, and a Wiener filter takes that back.

    prior ─ Linear ─ ReLU ─ Linear ─ softmax ─ point spread 25x25 ─ H
    luma ─ windows 64x64, every 32 px ─ DFT ─ x conj(H) (1 - H) / (|H|^2 + k) ─ inverse DFT, middle 32x32 ─ what to add to the luma

A frame's power spectrum, which the prior is found in, is the same for a path and for that path turned by half a circle about the middle
of the exposure: conj(H) instead of H. The prior therefore holds one of the two without saying which, and the frame decides: of both
restorations the true one is the less rough, for a sharp picture has few gradients and steep ones. Given the spread of the middle that
was so on 75 of 86 validation exposures.

k over the frequencies comes from the prior as well: the noise-to-signal ratio, and how little the prior knows of H there, for what is
known of a blur is often its extent and not which way it bends. Each window then has its own share of that, by how its power in bands of
frequencies compares with the frame's: noise is the same everywhere and hides what a flat window held, not what a busy one does. Where nothing
is to be gained, at H near 1 and at H near 0, the filter adds nothing: a sharp frame stays as it is. A network of 3x3 convolutions
approximates such a filter only for blurs it can tell apart by modulating channels; here every blur has its own filter for about 0.6 kMAC
per pixel.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from .regions import WHOLE, mixture, nearness
from .transforms import constant, luma
from .windows import FREQUENCIES, WINDOW, Windows, waves

GREY = 1 / 255

BANDS = 6
"""Coefficients of ln k over the frequency's distance from 0: Gaussians of a width of their spacing."""

POWERS = 8
"""Bands in which a window's power is compared with the frame's."""

POWER_FLOOR = 1e-4
"""Added to a band's power before the logarithm: about what rounding to 8 bits puts there."""


class PriorDeconvolution(nn.Module):
    """prior: width of the prior. spread_hidden, hidden: of the layers that read the point spread and the doubt out of it; share_hidden: of those
    that give each window its share of k. radius: of the point spread, in pixels (see exposure.point_spread). regions: the grid of a prior
    that is longer than one: that of each region, one after the other."""

    def __init__(self, prior: int, spread_hidden: int = 256, hidden: int = 256, radius: int = 12, share_hidden: int = 32,
                 regions: tuple[int, int] = WHOLE):
        super().__init__()
        self.width, self.radius, self.regions = prior, radius, tuple(regions)
        self.spread_hidden = nn.Linear(prior, spread_hidden)
        self.spread_out = nn.Linear(spread_hidden, (2 * radius + 1) ** 2)
        self.noise = nn.Linear(prior, BANDS)
        self.doubt_hidden = nn.Linear(prior, hidden)
        self.doubt_out = nn.Linear(hidden, 2 * FREQUENCIES**2)
        self.share_powers = nn.Linear(2 * POWERS, share_hidden)
        self.share_prior = nn.Linear(prior, share_hidden, bias=False)
        self.share_out = nn.Linear(share_hidden, BANDS)
        # At first the point spread is a narrow one, which the filter leaves alone.
        offset = np.arange(-radius, radius + 1)
        distance = offset[:, None] ** 2 + offset[None] ** 2
        nn.init.normal_(self.spread_out.weight, std=0.01)
        self.certainty = nn.Parameter(torch.tensor(math.log(500.0)))
        self.spread_out.bias.data = constant(np.maximum(-distance / 2, -6).ravel())
        # And all windows are alike.
        for layer in (self.noise, self.doubt_out, self.share_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

        self.windows = Windows()
        self.transfer = nn.Buffer(constant(np.concatenate(waves(offset))), persistent=False)
        frequency = np.hypot(*np.meshgrid(np.arange(FREQUENCIES), np.arange(FREQUENCIES))) / WINDOW
        bands, powers = _bands(frequency, np.linspace(0, 0.6, BANDS)), _bands(frequency, np.linspace(0, 0.5, POWERS))
        self.bands = nn.Buffer(constant(bands.reshape(-1, BANDS).T), persistent=False)
        # [v, band, u] and [v, u, band], as windows lie.
        self.mixed = nn.Buffer(constant((bands / bands.sum(2, keepdims=True)).transpose(0, 2, 1)), persistent=False)
        self.pooled = nn.Buffer(constant(powers / powers.sum((0, 1))), persistent=False)
        # Natural pictures have a power of 1/f^2, sensors noise of the same power everywhere.
        self.falling = nn.Buffer(constant(np.log(3 * frequency**2 + 1e-3)), persistent=False)

    def spread(self, prior: torch.Tensor) -> torch.Tensor:
        """[B, 25, 25], sum 1: how much of the scene at each displacement the exposure gathered, as the prior [B, D] has it."""
        side = 2 * self.radius + 1
        return self.spread_out(torch.relu(self.spread_hidden(prior))).softmax(1).reshape(-1, side, side)

    def distance(self, prior: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """How far the point spread in the prior is from the true one or from that turned by half a circle, whichever is nearer: the
        difference in light (0 to 2) plus 4 times the mean one in H."""
        own = self.spread(prior).float()
        return torch.minimum(self._distances(own, spread), self._distances(own, spread.flip(1, 2))).mean()

    def _distances(self, own: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        difference = own - spread
        waves = self.transfer @ difference @ self.transfer.T
        return difference.abs().sum((1, 2)) + 4 * (waves**2 + 1e-6).sqrt().mean((1, 2))

    def filters(self, prior: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Of the regions' priors [B, regions, D], half the filter at frequencies (u, v) and (-u, v), u and v from 0: (real part, imaginary part,
        |H|^2), each [B, regions, 32, 32] and over k."""
        batch, prior = prior.shape[:2], prior.flatten(0, 1)
        waves = self.transfer @ self.spread(prior) @ self.transfer.T
        c, s = slice(0, FREQUENCIES), slice(FREQUENCIES, None)
        cc, cs, sc, ss = waves[:, c, c], waves[:, c, s], waves[:, s, c], waves[:, s, s]
        even = self.falling + (self.noise(prior) @ self.bands).reshape(-1, FREQUENCIES, FREQUENCIES)
        doubt = self.doubt_out(torch.relu(self.doubt_hidden(prior))).reshape(-1, 2, FREQUENCIES, FREQUENCIES)
        upper, lower = torch.exp((even[:, None] + doubt).clamp(-12, 12)).unbind(1)
        halves = _half_wiener(cc - ss, sc + cs, upper), _half_wiener(cc + ss, cs - sc, lower)
        return tuple(tuple(part.unflatten(0, batch) for part in half) for half in halves)

    def shares(self, waves: tuple[torch.Tensor, ...], prior: torch.Tensor) -> torch.Tensor:
        """[B, rows, 32, columns, 32]: how many times k each of the windows has, by their waves. Where the layers are as they begin, 1."""
        power = sum(wave * wave for wave in waves)
        powers = torch.log((power @ self.pooled).sum(2) + POWER_FLOOR)
        frame = powers.mean((1, 2), keepdim=True)
        told = self.share_powers(torch.cat([frame.expand_as(powers), powers - frame], dim=3)) + self.share_prior(prior).mean(1)[:, None, None]
        share = torch.exp(self.share_out(torch.relu(told)).clamp(-8, 8))
        return share[:, :, None] @ self.mixed

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """What to add to every channel of the frame [B, 3, H, W], sides multiples of 16, given the prior [B, D] or the regions' [B, regions D]:
        [B, 1, H, W]."""
        # Half precision would lose what the filter brings back.
        with torch.autocast(frame.device.type, enabled=False):
            return self.of_luma(luma(frame.float()), prior.float())

    def of_luma(self, grey: torch.Tensor, prior: torch.Tensor, windows: Windows | None = None) -> torch.Tensor:
        """As forward, given luma [B, 1, H, W], in these windows instead of the network's own."""
        height, width = grey.shape[2:]
        windows = windows or self.windows
        tiles = windows.tiles(grey)
        waves = windows.transform(tiles)
        prior = prior.unflatten(1, (-1, self.width))
        # Not of waves, whose shape is a constant to the exporter that traces.
        rows, columns = tiles.shape[1] // windows.hop - 1, tiles.shape[2] - 1
        places = Places(WHOLE if prior.shape[1] == 1 else self.regions, rows, columns, windows)
        upper, lower = (tuple(places.mixed(part) for part in half) for half in self.filters(prior))
        halves = _halves(waves, self.shares(waves, prior), upper[2], lower[2])
        even, odd = windows.inverse(_even(halves, upper[0], lower[0])), windows.inverse(_odd(halves, upper[1], lower[1]))
        lines = even + self.way(windows.middles(tiles).flatten(3) + even, odd, places) * odd
        return lines.flatten(1, 2)[:, None, :height, :width]

    def way(self, even: torch.Tensor, odd: torch.Tensor, places: Places) -> torch.Tensor:
        """[B, rows, 1, columns x hop], or 1 for rows and columns: 1 where the frame was exposed along the path in the prior, -1 along that path
        turned by half a circle, between them where the frame does not tell. even + odd, even - odd [B, rows, hop, columns x hop]: the lines of
        windows restored for either."""
        along, against = _roughness(even + odd), _roughness(even - odd)
        # They differ by a thousandth. In half precision that is lost in a mean, and not in the mean of the differences.

        def over_windows(combine):
            return sum(places.windows.over_each(combine(a, b)) for a, b in zip(against, along, strict=True))

        told = places.around(over_windows(torch.sub)) / places.around(over_windows(torch.add))
        return places.lines(torch.tanh(torch.exp(self.certainty) * told))


class Places:
    """Where windows lie among regions: `rows` and `columns` of windows, a grid of regions (rows, columns)."""

    def __init__(self, grid: tuple[int, int], rows: int, columns: int, windows: Windows):
        self.grid, self.windows = grid, windows
        device = windows.cosines.device
        if grid != WHOLE:
            down, across = ((torch.arange(n, device=device, dtype=torch.float32) + 0.5) / n for n in (rows, columns))
            self.down, self.across = mixture(down, grid[0]), mixture(across, grid[1])
            self.near = nearness(down, grid[0]), nearness(across, grid[1])

    def mixed(self, parts: torch.Tensor) -> torch.Tensor:
        """What regions have [B, regions, 32, 32] to what windows have [B, rows, 32, columns, 32]; one region's, for all, to [B, 1, 32, 1, 32].

        Of numerators and denominators of Wiener filters alike: the filter of the least error, where one region's H is as likely as its share."""
        if self.grid == WHOLE:
            return parts[:, 0, None, :, None]
        parts = self.across @ parts.unflatten(1, self.grid).transpose(2, 3)
        return (self.down @ parts.flatten(2)).unflatten(2, (FREQUENCIES, -1, FREQUENCIES))

    def around(self, windows: torch.Tensor) -> torch.Tensor:
        """Sums over windows [B, rows, columns], each as near as it is to a region: [B, grid rows, grid columns]."""
        if self.grid == WHOLE:
            return windows.sum((1, 2), keepdim=True)
        return self.near[0] @ windows @ self.near[1].T

    def lines(self, regions: torch.Tensor) -> torch.Tensor:
        """[B, grid rows, grid columns] to the windows' mixtures, for their lines: [B, rows, 1, columns x hop]; one region's as it is."""
        if self.grid == WHOLE:
            return regions[:, :, None]
        windows = self.down @ regions @ self.across.T
        return windows[..., None].expand(*windows.shape, self.windows.hop).flatten(2)[:, :, None]


def _roughness(lines: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Roots of the differences between neighbours, down and across, of lines of windows [B, rows, hop, width]. Roots, since a sharp picture
    has few differences and great ones."""
    down, across = lines[:, :, 1:] - lines[:, :, :-1], lines[..., 1:] - lines[..., :-1]
    return tuple((x * x + GREY**2).sqrt().sqrt() for x in (down, across))


def _bands(frequency: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """[32, 32, centres]: Gaussians of a width of their spacing over the frequency's distance from 0."""
    return np.exp(-(((frequency[..., None] - centres) / (centres[1] - centres[0])) ** 2))


def _halves(waves: tuple[torch.Tensor, ...], share: torch.Tensor, upper: torch.Tensor, lower: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The waves of windows [B, rows, 32, columns, 32] to their DFT at (u, v), a - ib, and at (-u, v), c + id, divided by what a Wiener filter
    divides by: |H|^2 / k (upper, lower; see Places.mixed) and the windows' share of k."""
    cc, cs, sc, ss = waves
    upper, lower = (1 / (part + share) for part in (upper, lower))
    return (cc - ss) * upper, (cs + sc) * upper, (cc + ss) * lower, (sc - cs) * lower


def _even(halves: tuple[torch.Tensor, ...], upper: torch.Tensor, lower: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The waves of windows [B, rows, 32, columns, 32], of their halves times the real part of the filter."""
    a, b, c, d = halves
    return _waves(upper * a, -(upper * b), lower * c, lower * d)


def _odd(halves: tuple[torch.Tensor, ...], upper: torch.Tensor, lower: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """As _even, times the imaginary part and i."""
    a, b, c, d = halves
    return _waves(upper * b, upper * a, -(lower * d), lower * c)


def _waves(re: torch.Tensor, im: torch.Tensor, re2: torch.Tensor, im2: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Waves cc, cs, sc, ss of the real and imaginary parts at (u, v) and at (-u, v)."""
    return re2 + re, -(im2 + im), im2 - im, re2 - re


def _half_wiener(re: torch.Tensor, im: torch.Tensor, ratio: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Half of conj(H) (1 - H), and |H|^2, over the noise-to-signal ratio: of Wiener's filter conj(H) (1 - H) / (|H|^2 + ratio), which takes
    the blurred picture itself for the picture to expect, less 1."""
    power = re * re + im * im
    return (re - power) / (2 * ratio), -im / (2 * ratio), power / ratio
