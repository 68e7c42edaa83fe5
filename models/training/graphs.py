"""The graphs of a bundle: networks wrapped so that only bytes go in and out. See the contract in the README beside this file."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .model import BlurDm
from .networks import MultiScaleBackbone, NanoBackbone, SeparableBackbone, SpectralEncoder
from .networks.cells import BLOCK
from .networks.luma_of_bytes import LumaOfBytes
from .networks.multi_scale_nano_bytes import MultiScaleBytes
from .networks.nano_bytes import NanoBytes
from .networks.separable_bytes import SeparableBytes
from .networks.transforms import LUMA

SMALLEST_SIDE = 16


def _pad_to(frame: torch.Tensor, multiple: int) -> torch.Tensor:
    """Reflects [B, C, H, W] at the right and the bottom up to multiples; H and W are at least SMALLEST_SIDE."""
    h, w = frame.shape[2], frame.shape[3]
    if multiple <= SMALLEST_SIDE:
        return F.pad(frame, (0, _missing(w, multiple), 0, _missing(h, multiple)), mode="reflect")
    # A side may have just as much missing as there is of it, which the padding operator refuses to reflect.
    return frame.index_select(2, _reflected(h, multiple)).index_select(3, _reflected(w, multiple))


def _pad_pixels_to(frame: torch.Tensor, multiple: int) -> torch.Tensor:
    """As `_pad_to`, of pixels [1, H, W, 4]; beyond a multiple of 16 the last line is repeated, since a side may have less to reflect than is missing."""
    h, w = frame.shape[1], frame.shape[2]
    if multiple > SMALLEST_SIDE:
        lines = F.pad(frame.flatten(2), (0, 0, 0, _missing(h, multiple)), mode="replicate").unflatten(2, (-1, 4))
        return F.pad(lines.permute(0, 3, 1, 2), (0, _missing(w, multiple), 0, 0), mode="replicate").permute(0, 2, 3, 1)
    return F.pad(frame[None], (0, 0, 0, _missing(w, multiple), 0, _missing(h, multiple)), mode="reflect")[0]


def _repeat_bytes_to(frame: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeats the last line and column of bytes [1, H, W, 4] up to multiples."""
    for dim in (1, 2):
        side = frame.shape[dim]
        frame = frame.index_select(dim, torch.arange(side + _missing(side, multiple), device=frame.device).clamp_max(side - 1))
    return frame


def _missing(side: int, multiple: int) -> int:
    return (multiple - side % multiple) % multiple


def _reflected(side: int, multiple: int) -> torch.Tensor:
    """Indices 0..side-1 and back again, up to a multiple; a side of 16 on the way to 32 lacks one, which the first stands in for."""
    last = torch.full((1,), side - 1, dtype=torch.int64)
    wanted = torch.arange((side + multiple - 1) // multiple * multiple)
    return (last - (wanted - last).abs()).clamp_min(0)


def _picture(frame: torch.Tensor) -> torch.Tensor:
    """RGBx bytes [1, H, W, 4] to 0..1 floats [1, 3, H, W]."""
    return frame[..., :3].to(torch.float32).permute(0, 3, 1, 2) / 255


GROUP = 16
"""Pixels that a matrix product takes at a time: with one, runtimes spend longer on luma than on a convolution."""


def _luma(frame: torch.Tensor) -> torch.Tensor:
    """RGBx bytes [1, H, W, 4] to luma [1, 1, H, W] in 0..1, without taking colours apart."""
    h, w = frame.shape[1], frame.shape[2]
    columns = w + _missing(w, GROUP)
    groups = F.pad(frame, (0, 0, 0, columns - w)).reshape(-1, 4 * GROUP).to(torch.float32)
    weights = torch.kron(torch.eye(GROUP, device=frame.device), torch.tensor([*LUMA, 0.0], device=frame.device)[:, None] / 255)
    # Not -1 for the columns: the graph would divide by a side, which bundles may not.
    return (groups @ weights).reshape(1, 1, h, columns)[..., :w]


class PriorEncoderGraph(nn.Module):
    """frame u8 [1, H, W, 4] -> z_blur f32 [1, D], D being that of all regions."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.model = model
        self.luma = LumaOfBytes(model.scales) if len(model.scales) > 1 else None

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        if self.luma is not None:
            h, w = frame.shape[1], frame.shape[2]
            greys = self.luma(_repeat_bytes_to(frame, BLOCK).permute(0, 3, 1, 2).to(torch.float32))
            greys = [grey[:, :, : h // scale, : w // scale] for grey, scale in zip(greys, self.model.scales, strict=True)]
            return self.model.encoder.by_region_of_luma(*greys).flatten(1)
        if isinstance(self.model.encoder, SpectralEncoder):
            return self.model.encode_luma(_luma(frame)).flatten(1)
        return self.model.encode_regions(_pad_to(_picture(frame), self.model.encoder.MULTIPLE)).flatten(1)


class ResidualsGraph(nn.Module):
    """z_t, z_blur f32 [1, D], t, s f32 [1] -> blur_residual, noise_residual f32 [1, D]."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.model = model

    def forward(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor):
        return self.model.residuals_of_regions(z_t, z_blur, t, s)


class ScalesGraph(nn.Module):
    """prior f32 [1, D] -> shares f32 [1, S]: of the frame's restoration at each scale, the mean over its regions, sum 1."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.backbone = model.backbone

    def forward(self, prior: torch.Tensor) -> torch.Tensor:
        return self.backbone.shares(self.backbone.by_scale(prior)).mean(2)


class BackboneGraph(nn.Module):
    """frame u8 [1, H, W, 4], prior f32 [1, D] -> restored u8 [1, H, W, 4]; the fourth byte is copied through. A model without prior takes the frame alone."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.model = model
        kind = type(model.backbone)
        self.of_numbers = NanoBytes(model.backbone) if kind is NanoBackbone else None
        of_bytes = {MultiScaleBackbone: MultiScaleBytes, SeparableBackbone: SeparableBytes}
        self.of_bytes = of_bytes[kind](model.backbone) if kind in of_bytes else None

    def forward(self, frame: torch.Tensor, prior: torch.Tensor | None = None) -> torch.Tensor:
        h, w = frame.shape[1], frame.shape[2]
        if self.of_bytes is not None:
            return self.of_bytes(_repeat_bytes_to(frame, self.model.backbone.MULTIPLE), prior)[:, :h, :w]
        if self.of_numbers is not None:
            numbers = _pad_pixels_to(frame.to(torch.float32), self.model.backbone.MULTIPLE)
            return self.of_numbers(numbers, prior)[:, :h, :w].to(torch.uint8)
        restored = self.model.restore(_pad_to(_picture(frame), self.model.backbone.MULTIPLE), prior)[:, :, :h, :w]
        # A cast to bytes truncates: round first.
        restored = (restored * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return torch.cat([restored, frame[..., 3:]], dim=-1)
