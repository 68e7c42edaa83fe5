"""The graphs of a bundle: networks wrapped so that only bytes go in and out. See the contract in the README beside this file."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .model import BlurDm


def _pad_to(frame: torch.Tensor, multiple: int) -> torch.Tensor:
    """Reflects [B, C, H, W] at the right and the bottom up to multiples; H and W must be at least `multiple`."""
    h, w = frame.shape[2], frame.shape[3]
    return F.pad(frame, (0, (multiple - w % multiple) % multiple, 0, (multiple - h % multiple) % multiple), mode="reflect")


def _picture(frame: torch.Tensor) -> torch.Tensor:
    """RGBx bytes [1, H, W, 4] to 0..1 floats [1, 3, H, W]."""
    return frame[..., :3].to(torch.float32).permute(0, 3, 1, 2) / 255


class PriorEncoderGraph(nn.Module):
    """frame u8 [1, H, W, 4] -> z_blur f32 [1, D]."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.encoder = model.encoder

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.encoder(_pad_to(_picture(frame), self.encoder.MULTIPLE))


class ResidualsGraph(nn.Module):
    """z_t, z_blur f32 [1, D], t, s f32 [1] -> blur_residual, noise_residual f32 [1, D]."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.estimators = model.estimators

    def forward(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor):
        return self.estimators(z_t, z_blur, t, s)


class BackboneGraph(nn.Module):
    """frame u8 [1, H, W, 4], prior f32 [1, D] -> restored u8 [1, H, W, 4]; the fourth byte is copied through."""

    def __init__(self, model: BlurDm):
        super().__init__()
        self.backbone = model.backbone

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        h, w = frame.shape[1], frame.shape[2]
        restored = self.backbone(_pad_to(_picture(frame), self.backbone.MULTIPLE), prior)[:, :, :h, :w]
        # A cast to bytes truncates: round first.
        restored = (restored * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return torch.cat([restored, frame[..., 3:]], dim=-1)
