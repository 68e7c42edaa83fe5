"""Blur formation keeps its promises."""

import numpy as np
import pytest
import torch

from training.diffusion import Schedule
from training.exposure import Camera, Layer, Motion, develop, expose, h264, partial_integrals, point_spread, random_motion, sub_frames, to_linear, to_srgb

SIZE = (40, 56)


def _scene(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, SIZE[0] + 48, SIZE[1] + 48, generator=torch.Generator().manual_seed(seed))


def test_the_tone_curve_and_its_inverse_undo_each_other():
    values = torch.linspace(0, 1, 256)
    assert torch.allclose(to_srgb(to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize("length", [4.0, 16.0, 24.0])
def test_a_path_has_the_length_asked_for_and_sub_frames_at_most_a_pixel_apart(length):
    for seed in range(200):
        motion = random_motion(np.random.default_rng(seed), length, SIZE)
        assert motion.length == pytest.approx(length, rel=1e-6)
        assert np.linalg.norm(np.diff(motion.offsets, axis=0), axis=1).max() <= 1.0
        assert len(motion.offsets) >= 32


def test_the_sharp_target_is_the_scene_itself_at_mid_exposure():
    scene = _scene()
    _, sharp = expose(sub_frames([Layer(scene, random_motion(np.random.default_rng(1), 9, SIZE))], SIZE))
    assert torch.allclose(sharp, scene[:, 24:-24, 24:-24], atol=1e-3)


def test_a_static_scene_is_not_blurred():
    still = Motion(np.zeros((33, 2)))
    blurred, sharp = expose(sub_frames([Layer(_scene(), still)], SIZE))
    assert torch.allclose(blurred, sharp, atol=1e-5)


def test_a_layer_moves_on_its_own_over_a_static_background():
    opacity = torch.zeros(1, SIZE[0] + 48, SIZE[1] + 48)
    opacity[:, 40:56, 44:60] = 1
    still = Motion(np.zeros((33, 2)))
    moving = Motion(np.stack([np.linspace(-6, 6, 33), np.zeros(33)], 1))
    blurred, sharp = expose(sub_frames([Layer(_scene(1), still), Layer(_scene(2), moving, opacity)], SIZE))
    changed = (blurred - sharp).abs().amax(0) > 1e-3
    assert changed[16:32].any()
    assert not changed[:10].any()


def test_partial_integrals_add_up_to_the_whole_exposure():
    alphas = list(Schedule.released().alphas)
    frames = sub_frames([Layer(_scene(), random_motion(np.random.default_rng(5), 12, SIZE))], SIZE)
    means, residuals = partial_integrals(frames, alphas)
    blurred, sharp = expose(frames)
    assert torch.allclose(means[0], sharp)
    assert torch.allclose(means[-1], blurred, atol=1e-6)
    assert torch.allclose(alphas[-1] * blurred, alphas[0] * sharp + sum(residuals), atol=1e-5)


def test_light_is_added_up_before_the_tone_curve():
    frames = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    picture = develop(frames.mean(0), Camera(), np.random.default_rng(0))
    assert picture[0, 0, 0] == 188  # sRGB of half the light; averaging sRGB values would give 128


def test_h264_keeps_the_picture_recognisable_and_its_size():
    picture = develop(_scene()[:, :64, :64] * 0 + 0.2, Camera(), np.random.default_rng(0))
    assert np.abs(h264(picture, 20).astype(int) - picture).max() <= 4


def _centre(mass: np.ndarray) -> np.ndarray:
    grid = np.arange(len(mass)) - len(mass) // 2
    return np.array([(mass.sum(1) * grid).sum(), (mass.sum(0) * grid).sum()]) / mass.sum()


def test_an_exposure_gathers_the_scene_as_its_point_spread_says():
    """A single bright pixel is smeared into the (mirrored) point spread of where it lies, under turn, zoom and slope too."""
    size = (81, 121)
    motion = random_motion(np.random.default_rng(8), 8, size, 65)
    motion.turn, motion.zoom, motion.slope = 0.03, 0.02, 0.4
    for y, x in ((40, 60), (60, 95), (20, 30)):
        scene = torch.zeros(3, size[0] + 48, size[1] + 48)
        scene[:, y + 24, x + 24] = 1
        blurred, _ = expose(sub_frames([Layer(scene, motion)], size))
        spread = point_spread(motion.path_at((x - 60, y - 40), size[0]), 12)
        seen = blurred[0, y - 12 : y + 13, x - 12 : x + 13].numpy()[::-1, ::-1]
        assert np.abs(np.array(np.unravel_index(seen.argmax(), seen.shape)) - np.unravel_index(spread.argmax(), spread.shape)).max() <= 2
        assert np.allclose(_centre(seen), _centre(spread), atol=0.5)
        assert spread.sum() == pytest.approx(1)


def test_the_ground_below_moves_more_than_the_middle_of_the_frame():
    motion = Motion(np.stack([np.linspace(-4, 4, 33), np.zeros(33)], 1), slope=0.5)

    def reach(y):
        return np.ptp(motion.path_at((0, y), 100)[:, 0])

    assert reach(0) == pytest.approx(8)
    assert reach(50) == pytest.approx(12)
    assert reach(-50) == pytest.approx(4)
