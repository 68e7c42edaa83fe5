"""A backbone that deconvolves at two scales and corrects at half the frame's: the scale chooses itself, for each region.

    frame ─┬─ deconvolution with the prior found at full scale ─ x share ─┬─────────────────────────────────────────────────────────── + ─ restored
           │                                                              ├─ blocks of 4x4, the frame's too ─ detail at 1/4 ─┐         │
           │                                                              └─ mean of 2x2 ─┐                                  │         │
           └─ mean of 2x2 ─┬─ deconvolution with that found there ─ x (1 - share) ─────── + ─┬───────────────── + ─ change ──┴─ x2 ────┘
                           └──────────────────────────────────────────────────────────────── + ─ stem, levels, head

Short blur does not show in a frame reduced by two, and what it took lies beyond such a frame's frequencies; blur beyond 24 px does not fit into the
point spread's square at full scale. So the same encoder, estimators and deconvolution look at both, and a share between 0 and 1 says for each region
which of them is right. Everything that convolves works at half the scale, where a multiply-add restores four pixels.

The prior is that of the regions at full scale, one after the other, then that of the regions at half the scale. Blocks have the mean of the latter.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import ModulatedBlock
from .half import BASE, BLOCK, HALF_BLOCK, Enlarge, HalfLevels, balanced, bilinear_blocks
from .nano import SCALE
from .regions import WHOLE, mixture

SHORT = 16.0
"""px squared. A straight path of 14 px has this second moment: shorter blur is taken back at full scale at first, longer one at half the scale."""

LINEAR_GAIN = 4.0


class ScaleShare(nn.Module):
    """For each region how much of the linear restoration is that at full scale: by how far the spread found at half the scale reaches, and by what is
    learnt of both priors."""

    def __init__(self, prior: int, hidden: int = 32):
        super().__init__()
        self.hidden = nn.Linear(2 * prior, hidden)
        self.out = nn.Linear(hidden, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.steepness = nn.Parameter(torch.tensor(1.5))

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """[B, regions], of priors [B, regions, D] and point spreads at half the scale [B, regions, 25, 25]."""
        offset = torch.arange(spread.shape[2], device=spread.device, dtype=spread.dtype) - spread.shape[2] // 2
        distance = (offset[:, None] ** 2 + offset**2) * BASE**2
        moment = (spread * distance).sum((2, 3))
        learnt = self.out(torch.relu(self.hidden(torch.cat([fine, coarse], dim=2)))).squeeze(2)
        return torch.sigmoid(self.steepness * torch.log(SHORT / (moment + 0.5)) + learnt)


class TwoScaleBackbone(HalfLevels):
    """channels, encoder, middle, decoder: see HalfLevels. detail: channels of what corrects at full scale, in blocks of 4x4; 0 for none. prior: width of one
    region's prior at one scale. Frames are in 0..1, their sides multiples of 32."""

    MULTIPLE = 32
    SHIFT = 0.0
    SCALES = (1, BASE)

    def __init__(self, prior: int = 64, channels: tuple[int, int, int] = (32, 64, 128), encoder: tuple[int, int] = (0, 1), middle: int = 2,
                 decoder: tuple[int, int] = (2, 2), detail: int = 16, spread_hidden: int = 256, regions: tuple[int, int] = WHOLE):
        if prior is None:
            raise ValueError("the two-scale network has no form without a prior")
        super().__init__(prior, channels, encoder, middle, decoder, spread_hidden, regions)
        self.share = ScaleShare(prior)
        self.detail = None
        if detail:
            self.detail_stem = nn.Conv2d(3 * BLOCK, detail, 1)
            self.detail_linear = nn.Conv2d(BLOCK, detail, 1, bias=False)
            self.detail_features = Enlarge(channels[0], detail)
            self.detail = ModulatedBlock(prior, detail)
            with torch.no_grad():
                # What the deconvolution adds is small beside the frame.
                self.detail_linear.weight *= LINEAR_GAIN
        self.enlarged = nn.Conv2d(detail + 3 * HALF_BLOCK, 3 * BLOCK, 3, padding=1)
        nn.init.zeros_(self.enlarged.weight)
        nn.init.zeros_(self.enlarged.bias)
        with torch.no_grad():
            weight = self.enlarged.weight[:, detail:].unflatten(0, (3, BLOCK)).unflatten(2, (3, HALF_BLOCK))
            for colour in range(3):
                weight[colour, :, colour] = bilinear_blocks()

    def priors(self, prior: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Those at full and at half the scale, each [B, regions D]."""
        return tuple(prior.chunk(2, dim=1))

    def shares(self, fine: torch.Tensor, coarse: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """[B, 1, height, width]: the regions' shares, mixed between their middles."""
        by_region = [p.unflatten(1, (-1, self.deconvolution.width)) for p in (fine, coarse)]
        spread = self.deconvolution.spread(by_region[1].flatten(0, 1)).unflatten(0, by_region[1].shape[:2])
        share = self.share(*by_region, spread)
        if share.shape[1] == 1:
            return share[:, :, None, None]
        rows, columns = self.deconvolution.regions
        down, across = (mixture((torch.arange(n, device=share.device) + 0.5) / n, count) for n, count in ((height, rows), (width, columns)))
        return (down @ share.unflatten(1, (rows, columns)) @ across.T)[:, None]

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """The restored frame [B, 3, H, W], given the priors of both scales [B, 2 D] or of all regions at both [B, 2 regions D]."""
        with torch.autocast(frame.device.type, enabled=False):
            fine_prior, coarse_prior = self.priors(prior.float())
            share = self.shares(fine_prior, coarse_prior, *frame.shape[2:])
        half = F.avg_pool2d(frame, BASE)
        fine = self.deconvolution(frame, fine_prior) * share
        half_share = share if share.shape[2] == 1 else F.avg_pool2d(share, BASE)
        coarse = self.deconvolution(half, coarse_prior) * (1 - half_share)
        features = self.features(self.stem(torch.cat([half - 0.5, F.avg_pool2d(fine, BASE) + coarse], dim=1)), coarse_prior)
        change = self.half_change(features) + F.pixel_unshuffle(coarse, SCALE).repeat(1, 3, 1, 1)
        cells = F.pixel_unshuffle(F.pixel_shuffle(change, SCALE), SCALE // BASE)
        if self.detail is not None:
            x = self.detail_stem(F.pixel_unshuffle(frame - 0.5, SCALE)) + self.detail_linear(F.pixel_unshuffle(fine, SCALE))
            cells = torch.cat([self.corrected(x, features, fine_prior), cells], dim=1)
        return frame + fine + F.pixel_shuffle(F.conv2d(cells, *balanced(self.enlarged.weight, self.enlarged.bias, BLOCK), padding=1), SCALE).float()

    def corrected(self, x: torch.Tensor, features: torch.Tensor, fine_prior: torch.Tensor) -> torch.Tensor:
        """What corrects at full scale, given what its stem made [B, detail, H / 4, W / 4] and the features at 1/8."""
        return self.detail(x + self.detail_features(features), self.mean_prior(fine_prior))
