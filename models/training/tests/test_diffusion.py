"""The sampler's invariants (blur facts: closed form, jumps, schedule as coded)."""

import itertools

import numpy as np
import pytest
import torch

from training.diffusion import Schedule, even_times, jump, random_times, sample

SCHEDULE = Schedule.released()


def test_the_schedule_is_the_published_one():
    assert SCHEDULE.alphas == pytest.approx((1, 1.2, 1.4, 1.6, 1.8, 2))
    assert SCHEDULE.beta_bars == pytest.approx((0, 0, 0.060609, 0.102317, 0.141857, 0.180278), abs=1e-6)


def test_the_printed_schedule_is_the_paper_s_and_adds_up_the_noise_of_every_step():
    printed = Schedule.printed()
    assert printed.alphas == SCHEDULE.alphas
    assert printed.beta_bars[-1] == pytest.approx(0.025661, abs=1e-6)
    added = 0.0
    for t, b in enumerate((0.0, 0.005, 0.01, 0.015, 0.02), 1):
        added = ((printed.alphas[t - 1] / printed.alphas[t] * added) ** 2 + b**2) ** 0.5
        assert printed.beta_bars[t] == pytest.approx(added)


def test_with_true_residuals_every_number_of_steps_gives_the_sharp_latent():
    rng = torch.Generator().manual_seed(0)
    sharp, noise = torch.randn(1, 8, generator=rng, dtype=torch.float64), torch.randn(1, 8, generator=rng, dtype=torch.float64)
    steps = [torch.randn(1, 8, generator=rng, dtype=torch.float64) for _ in range(5)]
    blurred = (SCHEDULE.alphas[0] * sharp + sum(steps)) / SCHEDULE.alphas[5]

    def truth(z, z_blur, t, s):
        t, s = int(t), int(s)
        return sum(steps[s:t]) / (t - s), noise

    for n in range(1, 6):
        assert torch.allclose(sample(SCHEDULE, truth, blurred, noise, even_times(5, n)), sharp, atol=1e-6)


def test_one_jump_from_the_blurred_end_is_the_derived_formula():
    z, e, eps = torch.tensor([[0.7]]), torch.tensor([[0.3]]), torch.tensor([[-1.1]])
    assert float(jump(SCHEDULE, z, e, eps, 5, 0)) == pytest.approx(2 * 0.7 - 5 * 0.3 + 0.360555 * 1.1, abs=1e-5)


def test_times_descend_from_the_first_to_zero():
    assert [even_times(5, n) for n in range(1, 6)] == [[5, 0], [5, 3, 0], [5, 3, 2, 0], [5, 4, 3, 1, 0], [5, 4, 3, 2, 1, 0]]
    rng = np.random.default_rng(0)
    drawn = [random_times(5, rng) for _ in range(200)]
    assert all(t[0] == 5 and t[-1] == 0 and all(a > b for a, b in itertools.pairwise(t)) for t in drawn)
    assert {len(t) - 1 for t in drawn} == {1, 2, 3, 4, 5}
