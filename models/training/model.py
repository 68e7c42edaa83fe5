"""The whole model: backbone, encoders, estimators and schedule, as trained and as exported."""

from __future__ import annotations

import torch
from torch import nn

from .diffusion import Schedule, sample
from .networks import BlurEncoder, NanoBackbone, ResidualEstimators


class BlurDm(nn.Module):
    """Three stages share this module; each trains the parts it names in `STAGE_PARTS`."""

    STAGE_PARTS = {1: ("backbone", "oracle"), 2: ("encoder", "estimators"), 3: ("backbone", "encoder", "estimators")}

    def __init__(self, latent: int = 64, backbone: dict | None = None):
        super().__init__()
        self.schedule = Schedule.released()
        self.latent = latent
        self.backbone = NanoBackbone(latent, **(backbone or {}))
        self.oracle = BlurEncoder(images=2, latent=latent)
        self.encoder = BlurEncoder(images=1, latent=latent)
        self.estimators = ResidualEstimators(latent, self.schedule.steps)

    def stage_parameters(self, stage: int) -> list[nn.Parameter]:
        return [p for name in self.STAGE_PARTS[stage] for p in getattr(self, name).parameters()]

    def oracle_prior(self, blurred: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
        return self.oracle(blurred, sharp)

    def prior(self, blurred: torch.Tensor, times: list[int], noise: torch.Tensor | None = None) -> torch.Tensor:
        """The sharp prior z_0 of a blurred picture; noise defaults to zero, as in the product."""
        z_blur = self.encoder(blurred)
        return sample(self.schedule, self.estimators, z_blur, torch.zeros_like(z_blur) if noise is None else noise, times)

    def forward(self, blurred: torch.Tensor, times: list[int]) -> torch.Tensor:
        return self.backbone(blurred, self.prior(blurred, times))
