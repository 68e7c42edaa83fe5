"""PSNR, both variants of SSIM, the temporal error and the bootstrap interval, against figures made by hand."""

import numpy as np
import pictures
import pytest

from training.metrics import interval, psnr, ssim, ssim_volume, temporal_error


def test_psnr_is_of_all_pixels_and_channels_with_no_border_cropped():
    a = np.full((40, 50, 3), 100, np.uint8)
    b = a.copy()
    b[0, 0] = 100 + 30
    assert psnr(b, a) == pytest.approx(10 * np.log10(255**2 / (30**2 / (40 * 50))))


def test_a_byte_does_not_wrap_around_in_a_difference():
    black, white = np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0
    assert temporal_error(black, white, black, black) == 255


def test_equal_pictures_are_70_db_and_1():
    picture = pictures.texture()
    assert psnr(picture, picture) == 70
    assert ssim(picture, picture) == ssim_volume(picture, picture) == 1


def test_what_lies_outside_the_mask_does_not_count():
    truth = pictures.texture().astype(np.float32)
    restored = pictures.blurred(pictures.texture()).astype(np.float32)
    mask = np.ones(truth.shape[:2], bool)
    mask[:, :64] = False
    spoilt = np.where(mask[..., None], restored, 255)
    assert psnr(spoilt, truth, mask) == psnr(restored, truth, mask) == psnr(restored[:, 64:], truth[:, 64:])
    assert ssim(spoilt, truth, mask) == ssim(restored, truth, mask)
    assert ssim(spoilt, truth, mask) == pytest.approx(ssim(restored[:, 64:], truth[:, 64:]), abs=0.01)


def test_a_mask_of_everything_changes_nothing():
    truth, restored = pictures.texture(), pictures.blurred(pictures.texture())
    everywhere = np.ones(truth.shape[:2], bool)
    assert psnr(restored, truth, everywhere) == pytest.approx(psnr(restored, truth))
    assert ssim(restored, truth, everywhere) == pytest.approx(ssim(restored, truth))


def _similarity(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    """SSIM of one window, by its definition."""
    mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
    variance_a, variance_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
    covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
    return (2 * mean_a * mean_b + 2.55**2) * (2 * covariance + 7.65**2) / ((mean_a**2 + mean_b**2 + 2.55**2) * (variance_a + variance_b + 7.65**2))


def _gaussian(dimensions: int) -> np.ndarray:
    axis = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = axis
    for _ in range(dimensions - 1):
        window = window[..., None] * axis
    return window / window.sum()


@pytest.fixture(scope="module")
def small() -> tuple[np.ndarray, np.ndarray]:
    truth = pictures.texture(size=(13, 14))
    return pictures.blurred(truth).astype(float), truth.astype(float)


def test_the_common_ssim_is_the_mean_over_the_channels_of_the_gaussian_windows_that_fit(small):
    a, b = small
    windows = [_similarity(a[y : y + 11, x : x + 11, c], b[y : y + 11, x : x + 11, c], _gaussian(2)) for y in range(3) for x in range(4) for c in range(3)]
    assert ssim(a.astype(np.uint8), b.astype(np.uint8)) == pytest.approx(np.mean(windows))


def test_the_ssim_of_gopro_tables_takes_the_picture_for_a_volume_with_repeated_edges(small):
    a, b = small
    wide_a, wide_b = np.pad(a, 5, mode="edge"), np.pad(b, 5, mode="edge")
    windows = [_similarity(wide_a[y : y + 11, x : x + 11, c : c + 11], wide_b[y : y + 11, x : x + 11, c : c + 11], _gaussian(3))
               for y in range(a.shape[0]) for x in range(a.shape[1]) for c in range(3)]
    assert ssim_volume(a.astype(np.uint8), b.astype(np.uint8)) == pytest.approx(np.mean(windows))


def test_the_temporal_error_sees_flicker_that_the_truth_has_not_and_forgives_what_it_has():
    still = pictures.texture()
    brighter = np.minimum(still, 245) + np.uint8(10)
    dim = np.minimum(still, 245)
    assert temporal_error(still, still, still, still) == 0
    assert temporal_error(brighter, dim, still, still) == 10
    assert temporal_error(brighter, dim, brighter, dim) == 0


def test_the_interval_of_a_mean_is_about_two_standard_errors_to_either_side():
    values = np.random.default_rng(1).normal(30, 2, 400)
    low, high = interval(values)
    assert low == pytest.approx(values.mean() - 1.96 * 2 / 20, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * 2 / 20, abs=0.03)
    assert interval([31.5] * 5) == (31.5, 31.5)
