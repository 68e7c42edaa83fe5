"""The whole model: backbone, encoders, estimators and schedule, as trained and as exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from .config import ConfigError, Model
from .diffusion import Schedule, sample
from .networks import BACKBONES, ENCODERS, ESTIMATORS, ORACLES, Modulation, PlainMapping, PublishedBlurEncoder, begin_at_one
from .networks.regions import WHOLE, count
from .networks.transforms import luma


@dataclass
class Example:
    """A batch. blurred, sharp: crops [B, 3, h, w] in 0..1; context: what the blur encoder sees (the same crop, or the patch around it);
    spread: how much of the scene at each displacement the exposure gathered in the middle of the crop [B, 25, 25], or at several scales [B, scales, 25, 25]."""

    blurred: torch.Tensor
    sharp: torch.Tensor
    context: torch.Tensor
    spread: torch.Tensor


def _network(registry: dict, table: dict, **arguments) -> nn.Module:
    sizes = {k: v for k, v in table.items() if k != "network"}
    try:
        return registry[table["network"]](**arguments, **sizes)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"network '{table['network']}': {error}") from error


SCHEDULES = {"released": Schedule.released, "printed": Schedule.printed}


class BlurDm(nn.Module):
    """The stages share this module; each trains the parts it names in `STAGE_PARTS`."""

    STAGE_PARTS: ClassVar[dict[int, tuple[str, ...]]] = {
        0: ("oracle", "backbone"), 1: ("backbone", "oracle"), 2: ("encoder", "mapping"), 3: ("backbone", "encoder", "mapping")}

    def __init__(self, config: Model):
        super().__init__()
        self.schedule = SCHEDULES[config.schedule]()
        self.latent, self.kind = config.latent, config.prior
        self.regions = count(config.regions)
        by_region = {} if self.regions == 1 else {"regions": config.regions}
        self.keep_blur, self.keep_noise = config.blur_residual, config.noise_residual
        self.backbone = _network(BACKBONES, config.backbone, prior=None if self.kind == "none" else config.latent, **by_region)
        # By how much frames are reduced that the encoder sees and point spreads are of, as the backbone deconvolves them.
        self.scales = getattr(self.backbone, "SCALES", (1,))
        self.regions *= len(self.scales)
        if len(self.scales) > 1 and (config.encoder["network"] != "spectral" or config.prior == "none"):
            raise ConfigError(f"a backbone of several scales needs the encoder 'spectral' and a prior, not '{config.encoder['network']}' and '{config.prior}'")
        self.oracle_sees_exposure = config.oracle is not None and config.oracle["network"] == "exposure"
        if self.kind != "none" and config.oracle is not None:
            self.oracle = _network(ORACLES, config.oracle, latent=config.latent, **({} if self.oracle_sees_exposure else {"images": 2}))
            if any(isinstance(module, Modulation) for module in self.backbone.modules()):
                begin_at_one(self.oracle)
        if self.kind in ("mlp", "blurdm"):
            self.encoder = _network(ENCODERS, config.encoder, latent=config.latent, **by_region)
            self.mapping = (PlainMapping(config.latent) if self.kind == "mlp" else
                            _network(ESTIMATORS, config.estimators, latent=config.latent, steps=self.schedule.steps))
            self.encoder_shift = self.backbone.SHIFT if isinstance(self.encoder, PublishedBlurEncoder) else 0.0

    def stage_parameters(self, stage: int) -> list[nn.Parameter]:
        parts = self.STAGE_PARTS[stage]
        if self.kind == "oracle" and stage == 3:
            parts = ("backbone", "oracle")
        return [p for name in parts for p in getattr(self, name).parameters()] if self.kind != "none" else list(self.backbone.parameters())

    def oracle_prior(self, example: Example) -> torch.Tensor:
        if example.spread.dim() == 4:
            return self.oracle(example.spread.flatten(0, 1)).unflatten(0, example.spread.shape[:2]).flatten(1)
        return self.oracle(example.spread) if self.oracle_sees_exposure else self.oracle(example.blurred, example.sharp)

    def residuals(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        blur, noise = self.mapping(z_t, z_blur, t, s)
        return blur if self.keep_blur else torch.zeros_like(blur), noise if self.keep_noise else torch.zeros_like(noise)

    def encode(self, frame: torch.Tensor) -> torch.Tensor:
        """z_B of blurred frames [B, 3, H, W] in 0..1, sides multiples of encoder.MULTIPLE: [B, D]; of several scales one after the other [B, scales D]."""
        if len(self.scales) > 1:
            return self.encoder.by_region_of_luma(*self._scaled(luma(frame.float())), grid=WHOLE).flatten(1)
        return self.encoder(self._scaled(frame)[0] - self.encoder_shift)

    def encode_regions(self, frame: torch.Tensor) -> torch.Tensor:
        """As `encode`, of every region: [B, regions, D]."""
        if len(self.scales) > 1:
            return self.encode_luma(luma(frame.float()))
        return self.encode(frame)[:, None] if self.regions == 1 else self.encoder.by_region(self._scaled(frame)[0])

    def encode_luma(self, grey: torch.Tensor) -> torch.Tensor:
        """As `encode_regions`, of luma [B, 1, H, W] in 0..1, for a spectral encoder."""
        return self.encoder.by_region_of_luma(*self._scaled(grey))

    def _scaled(self, frame: torch.Tensor) -> list[torch.Tensor]:
        return [frame if scale == 1 else F.avg_pool2d(frame, scale) for scale in self.scales]

    def residuals_of_regions(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `residuals`, of latents [B, regions D]."""
        by_region = (z.unflatten(1, (self.regions, self.latent)).flatten(0, 1) for z in (z_t, z_blur))
        return tuple(z.unflatten(0, (-1, self.regions)).flatten(1) for z in self.residuals(*by_region, t, s))

    def prior(self, frame: torch.Tensor, times: list[int], noise: torch.Tensor | None = None) -> torch.Tensor:
        """The sharp prior z_0 of blurred frames; noise defaults to zero, as in the product. An mlp has neither times nor noise."""
        return self.prior_of(self.encode(frame).unflatten(1, (-1, self.latent)).flatten(0, 1), times, noise).unflatten(0, (len(frame), -1)).flatten(1)

    def prior_of_regions(self, frame: torch.Tensor, times: list[int], noise: torch.Tensor | None = None) -> torch.Tensor:
        """The sharp priors of the regions of blurred frames, one after the other [B, regions D], as the product finds them; noise as well."""
        z_blur = self.encode_regions(frame).flatten(0, 1)
        noise = None if noise is None else noise.unflatten(1, (self.regions, self.latent)).flatten(0, 1)
        return self.prior_of(z_blur, times, noise).unflatten(0, (-1, self.regions)).flatten(1)

    def prior_of(self, z_blur: torch.Tensor, times: list[int], noise: torch.Tensor | None = None) -> torch.Tensor:
        """The sharp prior z_0, given z_B."""
        if self.kind == "mlp":
            return self.mapping(z_blur)
        return sample(self.schedule, self.residuals, z_blur, torch.zeros_like(z_blur) if noise is None else noise, times)

    def restore(self, frame: torch.Tensor, prior: torch.Tensor | None) -> torch.Tensor:
        """Frames [B, 3, H, W] in 0..1, sides multiples of backbone.MULTIPLE, to restored ones; the prior is None where kind is none."""
        return self.backbone(frame - self.backbone.SHIFT, prior) + self.backbone.SHIFT

    def forward(self, frame: torch.Tensor, times: list[int]) -> torch.Tensor:
        return self.restore(frame, None if self.kind == "none" else self.prior_of_regions(frame, times))
