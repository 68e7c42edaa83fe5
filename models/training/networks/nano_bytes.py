"""NanoBackbone from bytes to bytes, as it is exported: the same weights, fewer passes over memory.

    frame u8 ─ float ─┬─ blocks of 4x4 pixels as channels ──────────────── stem 3x3 ─ + ─ … ─ head 3x3 ─ + ─ channels as blocks ─ + ─ u8
                      ├─ luma ─ deconvolution ─ blocks as channels ─ stem 3x3 ────────┘                  │                        │
                      │                                          └─────────────────── to every colour ───┘                        │
                      └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘

In full size there are only bytes, floats of four channels and luma; no colour is taken out of a pixel or put into one, which runtimes do slowly,
and the stem is a convolution of many channels, which matrix units like. The fourth byte is a colour that no weight touches.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .nano import SCALE, NanoBackbone
from .transforms import LUMA

PIXEL = 4
BLOCK = SCALE * SCALE


class NanoBytes(nn.Module):
    """Frames [1, H, W, 4] of float32 in 0..255, sides multiples of 16, and priors [1, D], to restored frames of the same kind, rounded."""

    def __init__(self, backbone: NanoBackbone, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None):
        """weight, bias: of the head, if not as they are in the backbone."""
        super().__init__()
        self.backbone = backbone
        stem, head = backbone.stem, backbone.head
        weight, bias = head.weight if weight is None else weight, head.bias if bias is None else bias
        self.stem_frame, self.stem_linear = stem_of_pixels(stem)
        # [(colour, y, x), ...] to [(y, x, colour), ...], in grey levels
        weight, bias = (255 * value.detach().reshape(3, BLOCK, *value.shape[1:]).transpose(0, 1) for value in (weight, bias))
        self.head_weight = nn.Parameter(torch.cat([weight, torch.zeros_like(weight[:, :1])], 1).flatten(0, 1))
        self.head_bias = nn.Parameter(torch.cat([bias, torch.zeros_like(bias[:, :1])], 1).flatten(0, 1))
        to_colours = 255 * torch.kron(torch.eye(BLOCK), torch.tensor([[1.0], [1.0], [1.0], [0.0]]))
        self.register_buffer("to_colours", to_colours[:, :, None, None], persistent=False)
        self.register_buffer("luma", torch.tensor([*LUMA, 0.0])[:, None] / 255, persistent=False)

    def forward(self, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        height, width = frame.shape[1:3]
        linear = self.backbone.deconvolution.of_luma((frame @ self.luma).reshape(1, 1, height, width), prior)
        return self.restored(frame, F.pixel_unshuffle(linear, SCALE), prior)

    def restored(self, frame: torch.Tensor, linear: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        """As forward, given what the deconvolution adds in blocks of 4x4 [1, 16, H / 4, W / 4]."""
        stem = F.conv2d(_to_channels(frame) / 255 - 0.5, self.stem_frame, self.backbone.stem.bias, padding=1)
        features = self.backbone.features(stem + F.conv2d(linear, self.stem_linear, padding=1), prior)
        change = F.conv2d(features, self.head_weight, self.head_bias, padding=1) + F.conv2d(linear, self.to_colours)
        return (frame + _to_pixels(change)).round().clamp(0, 255)


def stem_of_pixels(stem: nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter]:
    """Weights of a 12x12 stem of stride 4 of colours and of what the deconvolution adds, as 3x3 convolutions of blocks of 4x4: of pixels
    (y, x, colour of 4), and of what is added (y, x)."""
    blocks = stem.weight.detach().reshape(stem.out_channels, 4, 3, SCALE, 3, SCALE)
    # [out, colour, block row, y, block column, x] to [out, (y, x, colour), block row, block column]
    def as_channels(weight):
        return weight.permute(0, 3, 5, 1, 2, 4).reshape(stem.out_channels, -1, 3, 3)

    none = torch.zeros_like(blocks[:, :1])
    return nn.Parameter(as_channels(torch.cat([blocks[:, :3], none], 1))), nn.Parameter(as_channels(blocks[:, 3:]))


def _to_channels(frame: torch.Tensor) -> torch.Tensor:
    """[1, H, W, 4] to [1, (y, x, colour), H / 4, W / 4]."""
    height, width = frame.shape[1] // SCALE, frame.shape[2] // SCALE
    blocks = frame.reshape(1, height, SCALE, width, SCALE * PIXEL).transpose(2, 3)
    return blocks.reshape(1, height, width, BLOCK * PIXEL).permute(0, 3, 1, 2)


def _to_pixels(blocks: torch.Tensor) -> torch.Tensor:
    """[1, (y, x, colour), H / 4, W / 4] to [1, H, W, 4]."""
    height, width = blocks.shape[2:]
    rows = blocks.permute(0, 2, 3, 1).reshape(1, height, width, SCALE, SCALE * PIXEL).transpose(2, 3)
    return rows.reshape(1, height * SCALE, width * SCALE, PIXEL)
