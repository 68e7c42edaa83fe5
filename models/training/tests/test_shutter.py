"""Shutters and what realistic.py adds to scenes."""

import numpy as np
import pytest
import torch

from training import exposure
from training.exposure import Camera, Layer, Motion, random_motion, to_linear, to_srgb
from training.patches import pack_motion, unpack_motion
from training.realistic import Look, RealisticMaker, jpeg, out_of_focus, random_length
from training.shutter import Shutter, expose, seen_motion
from training.sources import training_sources

SIZE = (48, 64)


def _scene(length: float, margin: int = 40) -> list[Layer]:
    picture = torch.rand(3, SIZE[0] + 2 * margin, SIZE[1] + 2 * margin, generator=torch.Generator().manual_seed(1))
    path = np.stack([np.linspace(-length / 2, length / 2, 65), np.zeros(65)], 1)
    return [Layer(picture, Motion(path))]


def test_an_open_shutter_averages_as_exposure_does():
    layers = _scene(5.0)
    blurred, sharp = expose(layers, SIZE, Shutter())
    wanted, wanted_sharp = exposure.expose(exposure.sub_frames(layers, SIZE))
    assert torch.allclose(sharp, wanted_sharp, atol=1e-4)
    assert (blurred - wanted).abs().mean() < 0.02 < (blurred - sharp).abs().mean()


def test_averaged_frames_leave_a_ghost_each():
    dark, bright = 0.0, 1.0
    picture = torch.full((3, 128, 144), dark)
    picture[:, :, 72] = bright
    path = np.stack([np.linspace(-12, 12, 65), np.zeros(65)], 1)
    blurred, _ = expose([Layer(picture, Motion(path))], SIZE, Shutter(frames=7))
    lines = np.flatnonzero(blurred[0, 24].numpy() > 0.1)
    assert len(lines) == 7
    assert (np.diff(lines) == 4).all()


def test_stored_frames_are_averaged_as_they_are_stored_and_clipped_one_by_one():
    layers = _scene(8.0)
    linear, _ = expose(layers, SIZE, Shutter(frames=9), gain=3.0)
    stored, _ = expose(layers, SIZE, Shutter(frames=9, linear=False), gain=3.0)
    assert linear.max() <= 1
    assert (stored <= linear + 1e-4).all()
    assert (linear - stored).mean() > 1e-3
    flat = [Layer(torch.full((3, 128, 144), 0.2), layers[0].motion)]
    assert torch.allclose(expose(flat, SIZE, Shutter(frames=9, linear=False))[0], torch.full((3, *SIZE), 0.2), atol=1e-4)
    assert float(to_linear(to_srgb(torch.tensor(0.2)))) == pytest.approx(0.2, abs=1e-4)


def test_a_rolling_shutter_shears_what_moves():
    picture = torch.zeros(3, 128, 144)
    picture[:, :, 72] = 1.0
    path = np.stack([np.linspace(-8, 8, 65), np.zeros(65)], 1)
    _, sharp = expose([Layer(picture, Motion(path))], SIZE, Shutter(rolling=0.5))
    top, bottom = (int(sharp[0, row].argmax()) for row in (0, SIZE[0] - 1))
    assert top - bottom == pytest.approx(8, abs=1)


def test_a_motion_seen_by_averaged_frames_stands_still_between_them():
    motion = random_motion(np.random.default_rng(3), 30.0, SIZE, 65)
    seen = unpack_motion(pack_motion(seen_motion(motion, Shutter(frames=7))))
    assert len(np.unique(seen.offsets.round(3), axis=0)) == 7


def test_lengths_reach_64_px_and_leave_some_pictures_sharp():
    rng = np.random.default_rng(1)
    lengths = np.array([random_length(rng) for _ in range(2000)])
    assert lengths.max() <= 64
    assert (lengths > 50).mean() > 0.03
    assert 0.05 < (lengths == 0).mean() < 0.15


@pytest.mark.parametrize("length", [0.0, 20.0])
def test_realistic_exposures_are_pairs_of_the_wanted_size_and_the_same_when_made_again(footage, length):
    maker = RealisticMaker(training_sources(*footage), {})
    def make():
        return maker.expose_as((96, 128), length, np.random.default_rng(5), Camera(), shutter=Shutter(9, 0.3), look=Look(1.0, 80))
    one, other = make(), make()
    assert one.blurred.shape == one.sharp.shape == (96, 128, 3)
    assert one.length == pytest.approx(length, rel=0.01)
    assert np.array_equal(one.blurred, other.blurred)
    assert np.array_equal(one.sharp, other.sharp)
    assert np.array_equal(one.blurred, one.sharp) == (length == 0)


def test_defocus_keeps_light_and_jpeg_keeps_size():
    light = torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(2))
    assert out_of_focus(light, 2.0).mean() == pytest.approx(float(light.mean()), abs=0.02)
    assert out_of_focus(light, 0.0) is light
    picture = (light.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert jpeg(picture, 70).shape == picture.shape
    assert jpeg(picture, None) is picture
