"""Lays a restored picture over its truth, as RealBlur's scores are made: the two sides of its beam splitter never fit to the pixel.

Protocol of RealBlur (Rim et al., ECCV 2020): one brightness factor by least squares; a homography by ECC on the grey pictures (100 iterations, Gaussian of
5 px), from the identity; cubic interpolation, reflected at the border; pixels that the restored picture does not have are left out of PSNR and SSIM.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

ITERATIONS = 100
SMOOTHING = 5
"""px: the Gaussian that ECC puts over the grey pictures."""

LEAST_OVERLAP = 0.5
"""A homography that leaves less of the picture has run away."""


@dataclass(frozen=True)
class Aligned:
    """picture: [H, W, 3] float32 over the truth, grey levels (not rounded); mask: [H, W] bool, where it has pixels."""

    picture: np.ndarray
    mask: np.ndarray
    converged: bool


def _homography(truth: np.ndarray, picture: np.ndarray) -> np.ndarray | None:
    """[3, 3] from the truth's pixels to the picture's; none when ECC finds no way."""

    def grey(rgb):
        return cv2.cvtColor(rgb / np.float32(255), cv2.COLOR_RGB2GRAY)

    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, 0)
    try:
        return cv2.findTransformECC(grey(truth), grey(picture), np.eye(3, dtype=np.float32), cv2.MOTION_HOMOGRAPHY, criteria, None, SMOOTHING)[1]
    except cv2.error as error:
        if error.code != cv2.Error.StsNoConv:
            raise
        return None


def align(picture: np.ndarray, truth: np.ndarray) -> Aligned:
    """Both [H, W, 3] uint8. Where ECC does not converge the picture stays where it is, which costs it PSNR, and `converged` says so."""
    picture, truth = picture.astype(np.float32), truth.astype(np.float32)
    energy = np.sum(picture * picture, dtype=np.float64)
    scaled = picture * np.float32(np.sum(picture * truth, dtype=np.float64) / energy if energy else 1)
    everywhere = np.ones(truth.shape[:2], bool)
    homography = _homography(truth, picture)
    if homography is None:
        return Aligned(scaled, everywhere, False)
    size = (truth.shape[1], truth.shape[0])
    mask = cv2.warpPerspective(everywhere.astype(np.uint8), homography, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP).astype(bool)
    if mask.mean() < LEAST_OVERLAP:
        return Aligned(scaled, everywhere, False)
    warped = cv2.warpPerspective(scaled, homography, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT)
    return Aligned(warped, mask, True)
