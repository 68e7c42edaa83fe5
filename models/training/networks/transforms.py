"""Fourier and cosine transforms as products with constant real matrices, in float32 also under autocast.

A matrix product runs in every runtime and at full speed; the DFT operator of ONNX runs in few, and slowly.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

LUMA = (0.299, 0.587, 0.114)

PATCH = 8
"""Side of the patches whose spectra FFTformer works on."""


def _product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if torch.is_autocast_enabled(a.device.type):
        with torch.autocast(a.device.type, enabled=False):
            return a.float() @ b.float()
    return a @ b


def constant(matrix: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(matrix, np.float32))


def luma(frame: torch.Tensor) -> torch.Tensor:
    """[B, 3, H, W] to [B, 1, H, W]."""
    return LUMA[0] * frame[:, :1] + LUMA[1] * frame[:, 1:2] + LUMA[2] * frame[:, 2:]


def to_patches(x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W], sides multiples of 8, to [B, C, patches, 64]."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH).transpose(3, 4).reshape(batch, channels, -1, PATCH**2)


def from_patches(patches: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The inverse of `to_patches`."""
    batch, channels = patches.shape[:2]
    grid = patches.reshape(batch, channels, height // PATCH, width // PATCH, PATCH, PATCH)
    return grid.transpose(3, 4).reshape(batch, channels, height, width)


class PatchSpectra(nn.Module):
    """What FFTformer does with the spectra of 8x8 patches [..., 64], without complex numbers.

    Filters go through the Hartley transform, Re - Im of the DFT: it is real and its own inverse, and a real mask over the frequencies
    does to it what it does to the DFT.

    A product of two spectra takes 94 multiplications: one for each of the 4 frequencies that are their own conjugates, and three for
    each of the 30 in one half of the others, for (c + di)(a + bi) is m1 - m3 + (m1 + m2)i with m1 = c(a + b), m2 = (d - c)a and
    m3 = (c + d)b. What comes before these multiplications is linear in one factor, what comes after them in their results.
    """

    def __init__(self):
        super().__init__()
        index = np.arange(PATCH**2)
        u, v = np.divmod(index, PATCH)
        conjugate = -u % PATCH * PATCH + -v % PATCH
        angle = 2 * np.pi / PATCH * (np.outer(u, u) + np.outer(v, v))
        re, im = np.cos(angle), -np.sin(angle)
        self.hartley = nn.Buffer(constant((re - im) / PATCH), persistent=False)

        # A half spectrum has the columns up to this one. Its real inverse takes the others for their conjugates, and of a column that holds
        # both of a conjugate pair it sees the mean.
        last = PATCH // 2
        mean = np.zeros((PATCH**2, PATCH**2))
        for partner, other in ((index, conjugate), (conjugate, index)):
            mean[np.where(v[partner] <= last, partner, other), index] += 0.5
        self.from_half = nn.Buffer(constant(mean[v <= last]), persistent=False)

        own, pairs = index[index == conjugate], index[index < conjugate]
        self.left = nn.Buffer(constant(np.concatenate([re[own], re[pairs], im[pairs] - re[pairs], re[pairs] + im[pairs]]).T), persistent=False)
        self.right = nn.Buffer(constant(np.concatenate([re[own], re[pairs] + im[pairs], re[pairs], im[pairs]]).T), persistent=False)
        inverse = np.concatenate([re[own], 2 * (re[pairs] + im[pairs]), 2 * im[pairs], -2 * re[pairs]]) / PATCH**2
        self.inverse = nn.Buffer(constant(inverse), persistent=False)

    def transform(self, patches: torch.Tensor) -> torch.Tensor:
        """Patches to their Hartley transforms, and back."""
        return _product(patches, self.hartley)

    def mask(self, half: torch.Tensor) -> torch.Tensor:
        """A real mask over half spectra as `rfft2` has them [C, 8 x 5] to the same over Hartley transforms [C, 64]."""
        return _product(half, self.from_half)

    def multiply(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The patches whose spectra are the products of the two patches' spectra: their circular convolution."""
        return _product(_product(first, self.left) * _product(second, self.right), self.inverse)


class CosineTransform:
    """The orthonormal two-dimensional DCT-II of whole pictures of one size [..., height, width], and its inverse."""

    def __init__(self, height: int, width: int, device: torch.device):
        self.rows, self.columns = (constant(_cosines(side)).to(device) for side in (height, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _product(self.rows, _product(x, self.columns.T))

    def inverse(self, x: torch.Tensor) -> torch.Tensor:
        return _product(self.rows.T, _product(x, self.columns))


def _cosines(side: int) -> np.ndarray:
    """[side, side]: row k is cos(pi k (n + 1/2) / side) over n, normalised."""
    k = np.arange(side)
    rows = np.cos(np.pi / side * np.outer(k, k + 0.5))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
