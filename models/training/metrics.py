"""How near one picture is to another: PSNR, SSIM in two variants, the temporal error; and how sure a mean is.

Pictures are [H, W, 3] RGB in grey levels of 0..255. A mask [H, W] of bool leaves out what an alignment has no pixels for.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

HIGHEST_PSNR = 70.0
"""dB that equal pictures count as, so that a mean exists."""

SIGMA, RADIUS = 1.5, 5
"""px: SSIM's Gaussian window of 11."""

BOOTSTRAP = 2000


def psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    """dB over all three channels, at most HIGHEST_PSNR; no border is cropped."""
    squares = (a.astype(np.float64) - b) ** 2
    error = squares.mean() if mask is None else squares[mask].mean()
    return float(min(10 * np.log10(255**2 / error), HIGHEST_PSNR)) if error else HIGHEST_PSNR


def ssim(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    """The common variant: 11x11 Gaussian of sigma 1.5 per channel, no sample covariance, mean over the windows that fit.

    With a mask it is RealBlur's: pictures are black outside the mask, and only windows whose centre lies inside count.
    """
    if mask is not None:
        a, b = a * mask[..., None], b * mask[..., None]
    mean, every = structural_similarity(a, b, win_size=2 * RADIUS + 1, gaussian_weights=True, sigma=SIGMA, use_sample_covariance=False, channel_axis=2,
                                        data_range=255, full=True)
    if mask is None:
        return float(mean)
    inside = (slice(RADIUS, -RADIUS), slice(RADIUS, -RADIUS))
    return float(every[inside][mask[inside]].mean())


def ssim_volume(a: np.ndarray, b: np.ndarray) -> float:
    """The variant of GoPro and HIDE tables: MATLAB's `ssim`, given an RGB array.

    It takes the array for a volume: the Gaussian window is 11x11x11 and reaches over the channels, edges are repeated, and every pixel counts.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)

    def blur(volume):
        return gaussian_filter(volume, SIGMA, radius=RADIUS, mode="nearest")

    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b, covariance = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    return float(similarity.mean())


def temporal_error(picture: np.ndarray, before: np.ndarray, truth: np.ndarray, truth_before: np.ndarray) -> float:
    """mean |(O_t - O_{t-1}) - (G_t - G_{t-1})|, grey levels: what flickers in the output O and not in the truth G."""
    change = picture.astype(np.float64) - before
    return float(np.abs(change - (truth.astype(np.float64) - truth_before)).mean())


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over pictures."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (BOOTSTRAP, len(values))).mean(1)
    return tuple(np.percentile(means, (2.5, 97.5)))
