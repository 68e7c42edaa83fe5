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
            spreads = example.spread.reshape(-1, *example.spread.shape[-2:])
            return self._image(stage, example, prior) + self._apart(stage, prior.reshape(-1, self.model.latent), spreads)
        # One after the other where there are several scales.
        z_blur = self.model.encode(example.context).unflatten(1, (-1, self.model.latent)).flatten(0, 1)
        prior, spread = self.model.prior_of(z_blur, self._times(), self._noise(z_blur)), example.spread.reshape(len(z_blur), *example.spread.shape[-2:])
        apart = self._apart(stage, prior, spread) + self._inconsistency(stage, z_blur, prior)
        if stage.number == 2:
            return self._latent(example, prior) + apart
        loss = self._image(stage, example, prior.unflatten(0, (len(example.blurred), -1)).flatten(1)) + apart
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
        known = _known(spread)
        if not stage.spread_weight or not known.any():
            return 0.0
        prior, spread = prior[known], spread[known]
        return stage.spread_weight * self.model.backbone.deconvolution.distance(prior, spread)

    def _inconsistency(self, stage: Stage, z_blur: torch.Tensor, prior: torch.Tensor) -> torch.Tensor | float:
        """How far another sub-schedule ends from `prior`: with none of this one step is as good as five by construction."""
        if not stage.consistency_weight:
            return 0.0
        return stage.consistency_weight * charbonnier(prior, self.model.prior_of(z_blur, self._times(), self._noise(z_blur)))

    def _latent(self, example: Example, prior: torch.Tensor) -> torch.Tensor:
        known = _known(example.spread.reshape(-1, *example.spread.shape[-2:]))
        if not known.any():
            return prior.sum() * 0
        with torch.no_grad():
            target = self.model.oracle_prior(example).reshape(prior.shape)
        return charbonnier(prior[known].float(), target[known].float())

    def _times(self) -> list[int]:
        total = self.model.schedule.steps
        return random_times(total, self.rng) if self.config.model.random_schedules else even_times(total, total)

    def _noise(self, batch: torch.Tensor) -> torch.Tensor:
        """Half of the time none, as the product samples; half of the time drawn, so that the noise estimator has something to learn."""
        shape = (batch.shape[0], self.config.model.latent)
        return torch.randn(shape, device=self.device) if self.rng.random() < 0.5 else torch.zeros(shape, device=self.device)


def _known(spread: torch.Tensor) -> torch.Tensor:
    """[B]: which examples' point spreads are known. Those of real blur are NaN."""
    return ~spread[:, 0, 0].isnan()
