"""What MAXIM's blocks are made of. Features are pixels [B, H, W, C], as its layers over channels and over places want them.

    multi-axis MLP    x ─┬─ norm ─ project ─┬─ gated MLP over the grid ────┬─ project ─ + ─
                         │                  └─ gated MLP over each window ─┘            │
                         └──────────────────────────────────────────────────────────────┘
    gated MLP         x ─┬─ norm ─ project ─┬─ u ───────────────── * ─ project ─ + ─
                         │                  └─ v ─ norm ─ mix + 1 ─┘             │
                         └───────────────────────────────────────────────────────┘
    residual channel attention    x ─┬─ norm ─ conv, LeakyReLU, conv (or an MLP) ─ channel attention ─ + ─
                                     └─────────────────────────────────────────────────────────────────┘

Projections go to twice the channels, or back, with a GELU after those that come first. `mix` is a matrix over places: those of a window, which sees
what is near, or those at equal places of the cells of a grid over the whole frame, which sees what is far.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import nn
from torch.nn import functional as F

EPSILON = 1e-6
SLOPE = 0.2
REDUCTION = 4
"""Of layer norms, of LeakyReLU, and of the channels inside a channel attention: those of the published weights."""


class Axis(Enum):
    """Which places are mixed: equal ones in all cells of a grid of so many rows and columns, or those of each window of so many."""

    GRID = "grid"
    WINDOW = "window"


class TanhGelu(nn.Module):
    """GELU by its approximation with tanh, exported in the order of operations that ONNX Runtime and OpenVINO fuse into one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (torch.compiler.is_exporting() or torch.jit.is_tracing()):
            return F.gelu(x, approximate="tanh")
        return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * torch.pow(x, 3))))


def norm(channels: int) -> nn.LayerNorm:
    return nn.LayerNorm(channels, eps=EPSILON)


class Halves(nn.Linear):
    """A projection and a GELU, to two times `to` channels: as two products, since taking one apart would copy it."""

    def __init__(self, channels: int, to: int):
        super().__init__(channels, 2 * to)
        self.gelu = TanhGelu()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, second = (self.gelu(F.linear(x, weight, bias)) for weight, bias in zip(self.weight.chunk(2), self.bias.chunk(2), strict=True))
        return first, second


class Joined(nn.Linear):
    """A projection of features side by side, as a sum of products, since putting them side by side would copy them."""

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        weights = self.weight.split([part.shape[-1] for part in parts], dim=1)
        products = [F.linear(part, weight) for part, weight in zip(parts[1:], weights[1:], strict=True)]
        return sum(products, start=F.linear(parts[0], weights[0], self.bias))


class Mix(nn.Linear):
    """A matrix over `side` x `side` places, the same for every channel."""

    def __init__(self, axis: Axis, side: int):
        super().__init__(side * side, side * side)
        self.axis, self.side = axis, side

    def forward(self, x: torch.Tensor, more: float = 0.0) -> torch.Tensor:
        """The mixture of x [B, H, W, C], sides multiples of `side`, and `more` added to all of it."""
        batch, height, width, channels = x.shape
        rows, columns = height // self.side, width // self.side
        if self.axis is Axis.GRID:
            places = x.reshape(batch, self.side, rows, self.side, columns, channels).permute(1, 3, 0, 2, 4, 5)
        else:
            places = x.reshape(batch, rows, self.side, columns, self.side, channels).permute(2, 4, 0, 1, 3, 5)
        mixed = torch.addmm((self.bias + more)[:, None], self.weight, places.reshape(self.side**2, batch * rows * columns * channels))
        mixed = mixed.reshape(self.side, self.side, batch, rows, columns, channels)
        mixed = mixed.permute(2, 0, 3, 1, 4, 5) if self.axis is Axis.GRID else mixed.permute(2, 3, 0, 4, 1, 5)
        return mixed.reshape(batch, height, width, channels)


class GatedMlp(nn.Module):
    def __init__(self, channels: int, axis: Axis, side: int):
        super().__init__()
        self.norm, self.project_in = norm(channels), Halves(channels, channels)
        self.mix_norm, self.mix = norm(channels), Mix(axis, side)
        self.project_out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, v = self.project_in(self.norm(x))
        return x + self.project_out(u * self.mix(self.mix_norm(v), more=1.0))


class MultiAxisMlp(nn.Module):
    def __init__(self, channels: int, side: int):
        super().__init__()
        self.norm, self.project_in = norm(channels), Halves(channels, channels)
        self.grid, self.window = GatedMlp(channels, Axis.GRID, side), GatedMlp(channels, Axis.WINDOW, side)
        self.project_out = Joined(2 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, v = self.project_in(self.norm(x))
        return x + self.project_out(self.grid(u), self.window(v))


class MultiAxisGate(nn.Module):
    """What one half of a cross gating weighs the other with."""

    def __init__(self, channels: int, side: int):
        super().__init__()
        self.norm, self.project_in = norm(channels), Halves(channels, channels)
        self.grid, self.window = Mix(Axis.GRID, side), Mix(Axis.WINDOW, side)
        self.project_out = Joined(2 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u, v = self.project_in(self.norm(x))
        return self.project_out(self.grid(u), self.window(v))


class Conv(nn.Conv2d):
    """A convolution of pixels [B, H, W, C], 3x3 or, to half the size, 4x4."""

    def __init__(self, channels: int, to: int, half: bool = False):
        super().__init__(channels, to, 4 if half else 3, stride=2 if half else 1, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Up(nn.ConvTranspose2d):
    """A transposed convolution of 2x2 to twice the size, as the matrix product that it is."""

    def __init__(self, channels: int, to: int):
        super().__init__(channels, to, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, height, width, _ = x.shape
        to = self.out_channels
        x = F.linear(x, self.weight.permute(2, 3, 1, 0).flatten(0, 2), self.bias.repeat(4))
        return x.reshape(batch, height, width, 2, 2 * to).permute(0, 1, 3, 2, 4).reshape(batch, 2 * height, 2 * width, to)


class ChannelAttention(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, channels // REDUCTION), nn.Linear(channels // REDUCTION, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((1, 2), keepdim=True)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class ConvAttention(nn.Module):
    """Residual channel attention with convolutions, as in encoder and decoder blocks."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm, self.conv1, self.conv2 = norm(channels), Conv(channels, channels), Conv(channels, channels)
        self.attention = ChannelAttention(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attention(self.conv2(F.leaky_relu(self.conv1(self.norm(x)), SLOPE)))


class DenseAttention(nn.Module):
    """Residual channel attention with an MLP, as in the bottleneck."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm, self.dense1, self.gelu, self.dense2 = norm(channels), nn.Linear(channels, channels), TanhGelu(), nn.Linear(channels, channels)
        self.attention = ChannelAttention(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.attention(self.dense2(self.gelu(self.dense1(self.norm(x)))))


class CrossGating(nn.Module):
    """Two features, each weighed by what the other makes of its places: (x, y), which are returned so, x with y added.

        y ─ project ─┬──────────────────────── * (gate of x) ─ project ─ + ─┬─ y
                     └───────────────────────────────────────────────────┘  │
        x ─ project ─┬──────────────────────── * (gate of y) ─ project ─ + ─ + ─ x
                     └───────────────────────────────────────────────────┘

    `enter`: makes x of what is given for it. coarse: y has half the size and so many channels; 0 for one that
    has the size and the channels of x."""

    def __init__(self, channels: int, side: int, enter: nn.Module, coarse: int = 0):
        super().__init__()
        self.up = Up(coarse, channels) if coarse else nn.Identity()
        self.enter_x, self.enter_y = enter, nn.Linear(channels, channels)
        self.norm_x, self.norm_y = norm(channels), norm(channels)
        self.project_in_x, self.project_in_y = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.gelu = TanhGelu()
        self.gate_x, self.gate_y = MultiAxisGate(channels, side), MultiAxisGate(channels, side)
        self.project_out_x, self.project_out_y = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor | list[torch.Tensor], y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = self.enter_x(x), self.enter_y(self.up(y))
        inner_x, inner_y = self.gelu(self.project_in_x(self.norm_x(x))), self.gelu(self.project_in_y(self.norm_y(y)))
        weighed_y = inner_y * self.gate_x(inner_x)
        weighed_x = inner_x * self.gate_y(inner_y)
        y = y + self.project_out_y(weighed_y)
        return x + y + self.project_out_x(weighed_x), y


class SupervisedAttention(nn.Module):
    """What a stage hands to the next: its features where they make a restored picture, beside themselves."""

    def __init__(self, channels: int):
        super().__init__()
        self.features, self.picture, self.weights = Conv(channels, channels), Conv(channels, 3), Conv(3, channels)

    def forward(self, x: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The features, and the picture restored at this scale; `frame` is the blurred one there."""
        picture = self.picture(x) + frame
        return x + self.features(x) * torch.sigmoid(self.weights(picture)), picture
