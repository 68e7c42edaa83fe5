"""What each stage minimises.

    0  exposures alone: the oracle and the backbone's deconvolution learn to write a point spread as a prior, and to read it back
    1  the backbone with the oracle's prior, on the image
    2  encoder and estimators against the frozen oracle
    3  everything but the oracle, on the image

Stage 0 is for backbones that deconvolve; the others are the paper's.
"""

from __future__ import annotations

import numpy as np
import torch

from .config import Config, Stage
from .diffusion import even_times, random_times
from .losses import IMAGE_LOSSES, charbonnier
from .model import BlurDm, Example


class Objective:
    """rng draws sampler times and whether there is noise, apart from the crops, so that models that need neither see the same crops."""

    def __init__(self, config: Config, model: BlurDm, device: torch.device):
        self.config, self.model, self.device = config, model, device
        # For products of bfloat16 matrices.
        self.matrix_units = device.type == "cuda" or torch.cpu._is_amx_tile_supported()
        self.rng = np.random.default_rng()

    def exposures(self, spread: torch.Tensor) -> torch.Tensor:
        """Stage 0, of point spreads [B, 25, 25]."""
        return self.model.backbone.deconvolution.distance(self.model.oracle(spread), spread)

    def __call__(self, stage: Stage, example: Example) -> torch.Tensor:
        """Stages 1 to 3, of a batch."""
        kind = self.config.model.prior
        if kind == "none":
            return self._image(stage, example, None)
        if stage.number == 1 or kind == "oracle":
            prior = self.model.oracle_prior(example)
            return self._image(stage, example, prior) + self._apart(stage, prior, example.spread)
        prior = self.model.prior(example.context, self._times(), self._noise(example.blurred))
        if stage.number == 2:
            return self._latent(example, prior) + self._apart(stage, prior, example.spread)
        loss = self._image(stage, example, prior) + self._apart(stage, prior, example.spread)
        return loss + stage.prior_weight * self._latent(example, prior) if stage.prior_weight else loss

    def spectra(self, stage: Stage, spectra: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """Stage 2, of mean spectra [B, 3, 64, 33] and the point spreads of their pictures [B, 25, 25]."""
        z_blur = self.model.encoder.read(spectra)
        prior = self.model.prior_of(z_blur, self._times(), self._noise(z_blur))
        with torch.no_grad():
            target = self.model.oracle(spread)
        return charbonnier(prior, target) + self._apart(stage, prior, spread)

    def _image(self, stage: Stage, example: Example, prior: torch.Tensor | None) -> torch.Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.matrix_units):
            restored = self.model.restore(example.blurred, prior)
        return IMAGE_LOSSES[stage.loss](restored.float(), example.sharp)

    def _apart(self, stage: Stage, prior: torch.Tensor, spread: torch.Tensor) -> torch.Tensor | float:
        """How far the point spread in the prior is from the true one, for backbones that read it there."""
        if not stage.spread_weight:
            return 0.0
        return stage.spread_weight * self.model.backbone.deconvolution.distance(prior, spread)

    def _latent(self, example: Example, prior: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            target = self.model.oracle_prior(example)
        return charbonnier(prior.float(), target.float())

    def _times(self) -> list[int]:
        total = self.model.schedule.steps
        return random_times(total, self.rng) if self.config.model.random_schedules else even_times(total, total)

    def _noise(self, batch: torch.Tensor) -> torch.Tensor:
        """Half of the time none, as the product samples; half of the time drawn, so that the noise estimator has something to learn."""
        shape = (batch.shape[0], self.config.model.latent)
        return torch.randn(shape, device=self.device) if self.rng.random() < 0.5 else torch.zeros(shape, device=self.device)
