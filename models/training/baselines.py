"""What a filter of two parameters does, to measure a network against."""

from __future__ import annotations

import numpy as np
from skimage.filters import unsharp_mask
from skimage.restoration import wiener

from .align import align
from .layouts import Pair, read_picture
from .metrics import psnr

UNSHARP_GRID = [(radius, amount) for radius in (1, 2, 4) for amount in (0.3, 0.7, 1.2)]
WIENER_GRID = [(sigma, balance) for sigma in (0.8, 1.5, 2.5) for balance in (0.03, 0.1, 0.5)]
"""The baselines take the best setting of these, chosen on the scored pictures themselves: in their favour."""

CHOSEN_ON = 30
"""Pictures, about: enough to choose one setting of nine."""

Settings = dict[str, tuple[float, float]]


def unsharp(picture: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    return (unsharp_mask(picture, radius=setting[0], amount=setting[1], channel_axis=2) * 255).round().astype(np.uint8)


def wiener_gaussian(picture: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    """Wiener filter for an isotropic Gaussian blur: what can be done without knowing the motion."""
    sigma, balance = setting
    axis = np.arange(-7, 8)
    kernel = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    channels = [wiener(np.pad(picture[..., c] / 255.0, 16, mode="reflect"), kernel, balance)[16:-16, 16:-16] for c in range(3)]
    return (np.stack(channels, -1).clip(0, 1) * 255).round().astype(np.uint8)


def _sample(pair: Pair, aligned: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(blurred, truth, mask); the blurred side is laid over the truth once, before any filter, since an alignment takes seconds."""
    blurred, truth = read_picture(pair.blurred), read_picture(pair.sharp)
    if not aligned:
        return blurred, truth, None
    over = align(blurred, truth)
    return over.picture.clip(0, 255).round().astype(np.uint8), truth, over.mask


def best_settings(pairs: list[Pair], aligned: bool = False) -> Settings:
    """The settings with the highest mean PSNR on every third blurred pair, or fewer where there are many."""
    blurred = [pair for pair in pairs if pair.length != 0]
    some = [_sample(pair, aligned) for pair in blurred[:: max(3, len(blurred) // CHOSEN_ON)]]

    def best(restore, grid):
        return max(grid, key=lambda setting: np.mean([psnr(restore(picture, setting), truth, mask) for picture, truth, mask in some]))

    return {"unsharp": best(unsharp, UNSHARP_GRID), "wiener": best(wiener_gaussian, WIENER_GRID)}


def restore(picture: np.ndarray, settings: Settings) -> dict[str, np.ndarray]:
    """{method: picture} of every baseline; the identity is doing nothing."""
    return {"identity": picture, "unsharp": unsharp(picture, settings["unsharp"]), "wiener": wiener_gaussian(picture, settings["wiener"])}
