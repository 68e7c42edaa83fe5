"""BlurDM's latent networks as published: the blur encoder and the two residual estimators, for `import_checkpoint` and for comparison.

    blurred (twice, or blurred and sharp) ─ unshuffle 4 ─ conv ─ 6 residual blocks ─ 3 convs ─ mean ─ MLP ─ z_B
    z_B, t/T, z_t ─┬─ blur residual estimator ─── e
                   └─ noise residual estimator ── eps

Attributes are named as in the published checkpoints: `condition_encoder.*` there is the blur encoder, `lcr_model` the blur residual
estimator, `noise_model` the noise residual estimator. `BlurEncoder` and `ResidualEstimators` are the small counterparts.
"""

from __future__ import annotations

import torch
from torch import nn

SLOPE = 0.1
"""Of every LeakyReLU, the ones on the outputs too."""


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, norm: bool):
        super().__init__()
        norms = [[nn.BatchNorm2d(channels)] if norm else [] for _ in range(2)]
        self.body = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), *norms[0], nn.LeakyReLU(SLOPE),
                                  nn.Conv2d(channels, channels, 3, padding=1), *norms[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class PublishedBlurEncoder(nn.Module):
    """`images`: 1 for the blurred picture alone, 2 for stage 1's oracle, which sees the sharp one too and has BatchNorm after every
    convolution of its residual blocks (of the oracle's checkpoint no tensor list is public, so where it sits there is not known).
    `latent`: width of z_B; `width`: channels of the residual blocks; `depth`: their number. Raises ValueError for other sizes."""

    MULTIPLE = 4

    def __init__(self, images: int = 1, latent: int = 256, width: int = 64, depth: int = 6):
        super().__init__()
        if images not in (1, 2):
            raise ValueError(f"images must be 1 (blurred) or 2 (blurred, sharp), got {images}")
        _check_positive(latent=latent, width=width, depth=depth)
        self.images = images
        self.unshuffle = nn.PixelUnshuffle(4)
        layers = [nn.Conv2d(96, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
        layers += [_ResidualBlock(width, norm=images == 2) for _ in range(depth)]
        for channels, to in ((width, 2 * width), (2 * width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(channels, to, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.E = nn.Sequential(*layers)
        self.mlp = nn.Sequential(nn.Linear(4 * width, latent), nn.LeakyReLU(SLOPE), nn.Linear(latent, latent), nn.LeakyReLU(SLOPE))

    @property
    def last(self) -> nn.Linear:
        return self.mlp[-2]

    def forward(self, *pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [B, 3, H, W] in the range of the backbone they serve, sides multiples of 4, to [B, latent]."""
        if len(pictures) != self.images:
            raise ValueError(f"this blur encoder was built for {self.images} picture(s), got {len(pictures)}")
        x = self.E(self.unshuffle(torch.cat([pictures[0], pictures[-1]], dim=1)))
        return self.mlp(x.mean((2, 3)).float())


class _FullyConnected(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.resmlp = nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(SLOPE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.resmlp(x)


class _Estimator(nn.Module):
    """[B, 2 latent + 1] to [B, latent]; without skips, despite the published name."""

    def __init__(self, latent: int, depth: int):
        super().__init__()
        self.resmlp = nn.Sequential(nn.Linear(2 * latent + 1, latent), nn.LeakyReLU(SLOPE), *(_FullyConnected(latent) for _ in range(depth)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.resmlp(x)


class PublishedEstimators(nn.Module):
    """`latent`: width of z; `steps`: T of the schedule; `depth`: layers after the first. Raises ValueError for other sizes."""

    def __init__(self, latent: int = 256, steps: int = 5, depth: int = 5):
        super().__init__()
        _check_positive(latent=latent, steps=steps, depth=depth)
        self.steps = steps
        self.lcr_model = _Estimator(latent, depth)
        self.noise_model = _Estimator(latent, depth)

    def forward(self, z_t: torch.Tensor, z_blur: torch.Tensor, t: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """z_t, z_blur [B, D]; t, s [1] in 0..T. Returns the blur residual of the step down from t, and the noise residual.

        s is not looked at: the published estimators know single steps only, and a longer jump takes theirs for the mean of its steps."""
        time = (t / self.steps)[:, None].expand(z_t.shape[0], 1)
        x = torch.cat([z_blur, time, z_t], dim=1)
        return self.lcr_model(x), self.noise_model(x)
