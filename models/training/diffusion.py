"""BlurDM's dual diffusion in latent space: the schedule, the jump and the sampler (PyTorch side; the product's is src/diffusion)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

ALPHAS = tuple(1 + 0.2 * t for t in range(6))
BETAS = (0.0, 0.005, 0.01, 0.015, 0.02)
"""a_0..a_5 and b_1..b_5 of the paper."""


@dataclass(frozen=True)
class Schedule:
    """alphas a_0..a_T and beta_bars bbar_0..bbar_T (bbar_0 = 0). A checkpoint is bound to its schedule."""

    alphas: tuple[float, ...]
    beta_bars: tuple[float, ...]

    @property
    def steps(self) -> int:
        return len(self.alphas) - 1

    @staticmethod
    def released() -> Schedule:
        """The schedule of the published code: bbar_t = sqrt(sum_{i<=t} (a_{i-1}/a_t)^2 b_i), a = 1..2, b = 0..0.02, T = 5."""
        bars = [math.sqrt(sum((ALPHAS[i - 1] / ALPHAS[t]) ** 2 * BETAS[i - 1] for i in range(1, t + 1))) for t in range(6)]
        return Schedule(ALPHAS, tuple(bars))

    @staticmethod
    def printed() -> Schedule:
        """The schedule as the paper prints it: bbar_t = sqrt(sum_{i<=t} (a_i/a_t)^2 b_i^2), the noise that the forward process really adds up."""
        bars = [math.sqrt(sum((ALPHAS[i] / ALPHAS[t]) ** 2 * BETAS[i - 1] ** 2 for i in range(1, t + 1))) for t in range(6)]
        return Schedule(ALPHAS, tuple(bars))


def even_times(total: int, steps: int) -> list[int]:
    """The descending times T = t_0 > .. > t_n = 0 of a sampler with `steps` jumps, as evenly spread as integers allow.

    t_i = floor(T (n - i) / n + 1/2), the rule of the product's sampler."""
    if not 1 <= steps <= total:
        raise ValueError(f"steps must be between 1 and {total}, got {steps}")
    return [(2 * total * (steps - i) + steps) // (2 * steps) for i in range(steps + 1)]


def random_times(total: int, rng: np.random.Generator) -> list[int]:
    """A random sub-schedule of 1..T jumps: training sees every jump (t, s) that a reduced sampler can make."""
    steps = int(rng.integers(1, total + 1))
    between = rng.choice(np.arange(1, total), steps - 1, replace=False) if steps > 1 else []
    return [total, *sorted((int(t) for t in between), reverse=True), 0]


def jump(schedule: Schedule, z: torch.Tensor, blur: torch.Tensor, noise: torch.Tensor, t: int, s: int) -> torch.Tensor:
    """z_s = (a_t/a_s) z_t - ((t-s)/a_s) e - (a_t bbar_t/a_s - bbar_s) eps, with e the mean blur residual per step of the jump."""
    a, bar = schedule.alphas, schedule.beta_bars
    return (a[t] / a[s]) * z - ((t - s) / a[s]) * blur - (a[t] * bar[t] / a[s] - bar[s]) * noise


def sample(schedule: Schedule, residuals, z_blur: torch.Tensor, noise: torch.Tensor, times: list[int]) -> torch.Tensor:
    """z_0 from z_T = z_B + bbar_T noise. residuals(z_t, z_blur, t [1], s [1]) returns (blur residual, noise residual)."""
    z = z_blur + schedule.beta_bars[-1] * noise

    def at(value: int) -> torch.Tensor:
        return torch.full((1,), float(value), device=z_blur.device)

    for t, s in itertools.pairwise(times):
        blur, eps = residuals(z, z_blur, at(t), at(s))
        z = jump(schedule, z, blur, eps, t, s)
    return z
