"""Where a prior holds: frames are seen as a grid of regions, each with a prior of its own, since few blurs are the same all over a frame.

A region's prior is found in what lies around its middle, and holds there; between the middles of regions priors are mixed. Positions
are shares of the frame's sides, so that a grid suits every size.
"""

from __future__ import annotations

import math

import torch

WHOLE = (1, 1)
"""Rows and columns of the grid of a frame that has one prior."""

REACH = 0.5
"""Standard deviation of how much a window counts for a region, by its distance from the region's middle, in regions."""


def _middles(regions: int, device: torch.device) -> torch.Tensor:
    return (torch.arange(regions, device=device, dtype=torch.float32) + 0.5) / regions


def nearness(at: torch.Tensor, regions: int) -> torch.Tensor:
    """[regions, n]: how much what lies at these shares of a side [n] counts in finding the blur of each region along that side."""
    if regions == 1:
        return torch.ones_like(at)[None]
    return torch.exp(-0.5 * ((at - _middles(regions, at.device)[:, None]) * (regions / REACH)) ** 2)


def mixture(at: torch.Tensor, regions: int) -> torch.Tensor:
    """[n, regions], sums 1: of which regions' priors what lies at these shares of a side [n] is restored with."""
    position = (at * regions - 0.5).clamp(0, regions - 1)
    return (1 - (position[:, None] - torch.arange(regions, device=at.device, dtype=at.dtype)).abs()).clamp_min(0)


def count(grid: tuple[int, int]) -> int:
    return math.prod(grid)
