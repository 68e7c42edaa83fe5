"""The blur residual estimator and the noise residual estimator: two MLPs over (z_B, t, s, z_t). And, to compare with, one plain MLP.

The published ones see t only; these also see s, where the jump ends, so that one network serves samplers of 1..T steps.
"""

from __future__ import annotations

import torch
from torch import nn

SLOPE = 0.1


def _mlp(inputs: int, hidden: int, outputs: int, layers: int = 5) -> nn.Sequential:
    parts: list[nn.Module] = []
    for i in range(layers):
        parts += [nn.Linear(inputs if i == 0 else hidden, hidden), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*parts, nn.Linear(hidden, outputs))


class ResidualEstimators(nn.Module):
    def __init__(self, latent: int = 64, steps: int = 5, hidden: int = 128):
        super().__init__()
        self.steps = steps
        self.blur = _mlp(2 * latent + 2, hidden, latent)
        self.noise = _mlp(2 * latent + 2, hidden, latent)

    def forward(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """z_t, z_blur [B, D]; t, s [1] in 0..T. Returns the mean blur residual per step of the jump t -> s, and the noise residual."""
        batch = z_t.shape[0]
        time = torch.stack([t, s], dim=1).expand(batch, 2) / self.steps
        x = torch.cat([z_blur, time, z_t], dim=1)
        return self.blur(x), self.noise(x)


class PlainMapping(nn.Module):
    """z_B to z_0 in one go, no diffusion: an MLP of as many layers as an estimator and, to 1 %, as many parameters as both together."""

    def __init__(self, latent: int = 64, hidden: int = 128):
        super().__init__()
        estimators = ResidualEstimators(latent, hidden=hidden)
        parameters = sum(p.numel() for p in estimators.parameters())
        # 4 hidden layers of h x h, two of h x latent: solve 4 h^2 + (2 latent + 5) h + latent = parameters.
        b = 2 * latent + 5
        width = round((-b + (b * b + 16 * (parameters - latent)) ** 0.5) / 8)
        self.layers = _mlp(latent, width, latent)

    def forward(self, z_blur: torch.Tensor) -> torch.Tensor:
        return self.layers(z_blur)
