"""The alignment that RealBlur's scores need."""

import cv2
import numpy as np
import pictures
import pytest

from training.align import align
from training.metrics import psnr, ssim

SMALL_HOMOGRAPHY = np.array([[1.004, 0.003, 2.6], [-0.002, 0.997, -1.7], [6e-6, -4e-6, 1]], np.float32)


MARGIN = 20


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return pictures.texture(size=(180 + 2 * MARGIN, 240 + 2 * MARGIN))


@pytest.fixture(scope="module")
def truth(scene) -> np.ndarray:
    return scene[MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.fixture(scope="module")
def displaced(scene) -> np.ndarray:
    """What another camera would have of the scene: shifted, turned and darker."""
    moved = cv2.warpPerspective(scene.astype(np.float32), SMALL_HOMOGRAPHY, scene.shape[1::-1], flags=cv2.INTER_CUBIC)
    return (0.8 * moved[MARGIN:-MARGIN, MARGIN:-MARGIN]).clip(0, 255).round().astype(np.uint8)


def test_a_picture_displaced_by_a_small_homography_and_darkened_comes_back(truth, displaced):
    aligned = align(displaced, truth)
    assert aligned.converged
    assert psnr(displaced, truth) < 22
    assert psnr(aligned.picture, truth, aligned.mask) > 42
    assert ssim(aligned.picture, truth, aligned.mask) > 0.99


def test_pixels_that_the_picture_does_not_have_are_masked_and_no_others(truth, displaced):
    mask = align(displaced, truth).mask
    assert 0.97 < mask.mean() < 1
    assert mask[10:-10, 10:-10].all()


def test_a_picture_that_fits_already_stays_as_it_is(truth):
    aligned = align(truth, truth)
    assert aligned.converged
    assert psnr(aligned.picture, truth, aligned.mask) > 50


@pytest.mark.parametrize("level", [0, 128])
def test_where_there_is_nothing_to_align_the_picture_stays_in_place_and_it_is_said(truth, level):
    aligned = align(np.full_like(truth, level), truth)
    assert not aligned.converged
    assert aligned.mask.all()
    assert np.ptp(aligned.picture) == 0
