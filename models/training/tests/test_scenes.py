"""Scenes under harder conditions than daylight are what their conditions say."""

import numpy as np
import pytest

from training.exposure import Camera
from training.scenes import Conditions, SceneMaker
from training.sources import training_sources

SIZE = (128, 160)


def _exposure(footage, conditions: Conditions, length: float = 8.0, seed: int = 3):
    return SceneMaker(training_sources(*footage), {}).expose(SIZE, length, np.random.default_rng(seed), Camera(), conditions)


def test_night_is_darker_than_day(footage):
    assert _exposure(footage, Conditions(light=0.1)).sharp.mean() < 0.6 * _exposure(footage, Conditions()).sharp.mean()


def test_lamps_saturate_and_leave_streaks_as_bright_as_themselves(footage):
    dark = Conditions(light=0.02)
    lit = _exposure(footage, Conditions(light=0.02, lamps=12))
    assert (lit.sharp.max(2) == 255).sum() > (_exposure(footage, dark).sharp.max(2) == 255).sum()
    # Light that was cut off at white in the sharp picture still fills the whole streak.
    assert (lit.blurred.max(2) > 250).sum() > 0.5 * (lit.sharp.max(2) > 250).sum()


def test_plates_bring_letters_into_the_scene(footage):
    plain, plates = (_exposure(footage, Conditions(plates=n), length=0.0) for n in (0, 3))
    assert (plain.sharp != plates.sharp).any()
    assert np.array_equal(plates.sharp, plates.blurred)


def test_the_same_seed_makes_the_same_exposure(footage):
    conditions = Conditions(light=0.3, lamps=3, plates=2, slope=-0.4)
    first, second = (_exposure(footage, conditions) for _ in range(2))
    assert np.array_equal(first.blurred, second.blurred)
    assert np.array_equal(first.sharp, second.sharp)


@pytest.mark.parametrize("seed", range(3))
def test_conditions_are_drawn_within_their_ranges(seed):
    rng = np.random.default_rng(seed)
    drawn = [Conditions.random(rng) for _ in range(300)]
    assert all(0.06 <= c.light <= 1 and 0 <= c.lamps < 16 and 0 <= c.plates < 4 and abs(c.slope) <= 0.9 for c in drawn)
    assert any(c.light < 1 for c in drawn)
    assert any(c.lamps for c in drawn)
    assert any(c.plates for c in drawn)
    assert any(c.slope for c in drawn)
