"""Networks of other conventions than ours run in the element as they are, and compute what PyTorch does."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from training.element import check_element, restore_through_element
from training.errors import EvaluationError
from training.layouts import Pair

OPSET = 17


class Residual(nn.Module):
    """What small restoring networks are: convolutions whose output is added to the image. Numbers are of 0..1."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.2 * self.body(x)


class OnBytes(nn.Module):
    """A network that takes and gives back bytes, [1, H, W, 3]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.network(x.permute(0, 3, 1, 2).float() / 255)
        return (y * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class Channels(nn.Module):
    """Normalises the channels of each pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(1, width, 1, 1)), nn.Parameter(torch.zeros(1, width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-6).sqrt() * self.weight + self.bias


class Block(nn.Module):
    """A block of NAFNet ("Simple Baselines for Image Restoration", arXiv:2204.04676, figure 3): gates in the place of activations, and attention to
    channels by their means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(Channels(width), nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width))
        self.attention, self.project = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.second, self.last = nn.Sequential(Channels(width), nn.Conv2d(width, 2 * width, 1)), nn.Conv2d(width, width, 1)
        # Random, as all weights here: those of a network before its training would leave the blocks without effect.
        self.beta, self.gamma = (nn.Parameter(0.3 * torch.randn(1, width, 1, 1)) for _ in range(2))

    @staticmethod
    def gate(x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, 1)
        return a * b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.gate(self.first(x))
        x = x + self.beta * self.project(y * self.attention(y.mean((2, 3), keepdim=True)))
        return x + self.gamma * self.last(self.gate(self.second(x)))


class NafNet(nn.Module):
    """Its U: widths double as sides are halved, and what went down is added on the way up."""

    def __init__(self, width: int = 8, levels: int = 3) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]
        self.begin, self.end = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)
        self.encoders, self.decoders = (nn.ModuleList(Block(w) for w in widths) for _ in range(2))
        self.downs = nn.ModuleList(nn.Conv2d(w, 2 * w, 2, 2) for w in widths)
        self.middle = Block(width << levels)
        self.ups = nn.ModuleList(nn.Sequential(nn.Conv2d(2 * w, 4 * w, 1, bias=False), nn.PixelShuffle(2)) for w in widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, skips = self.begin(x), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            y = encoder(y)
            skips.append(y)
            y = down(y)
        y = self.middle(y)
        for decoder, up, skip in reversed(list(zip(self.decoders, self.ups, skips, strict=True))):
            y = decoder(up(y) + skip)
        return x + self.end(y)


@pytest.fixture
def element() -> None:
    try:
        check_element(None)
    except EvaluationError as error:
        pytest.skip(str(error))


def _export(network: nn.Module, example: torch.Tensor, path: Path, sides: tuple[int, int] | None) -> None:
    """sides: the dimensions that are of any size."""
    axes = {name: {sides[0]: "height", sides[1]: "width"} for name in ("image", "restored")} if sides else None
    torch.onnx.export(network.eval(), (example,), path, input_names=["image"], output_names=["restored"], dynamic_axes=axes, opset_version=OPSET, dynamo=False)


def _picture(height: int, width: int) -> np.ndarray:
    """Smooth, with edges: [H, W, 3] bytes."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(40, 216, (height // 12 + 1, width // 12 + 1, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _through_element(picture: np.ndarray, model: Path, folder: Path) -> np.ndarray:
    blurred = folder / "blurred.png"
    Image.fromarray(picture).save(blurred)
    [restored] = restore_through_element([Pair("picture", blurred, blurred)], model, None, folder / "out", None, {"execution-provider": "cpu"})
    return np.asarray(Image.open(restored).convert("RGB"))


def _by_pytorch(network: nn.Module, picture: np.ndarray, multiple: int = 1) -> np.ndarray:
    """What a network of NCHW and 0..1 makes of a picture, whose sides are padded by reflection."""
    height, width, _ = picture.shape
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    image = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="reflect")
    with torch.no_grad():
        levels = network.eval()(image)[0, :, :height, :width].permute(1, 2, 0) * 255
    return levels.clamp(0, 255).round().to(torch.uint8).numpy()


def _assert_same(found: np.ndarray, expected: np.ndarray, picture: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
    assert np.abs(expected.astype(int) - picture.astype(int)).mean() > 1, "the network changes next to nothing"


def test_nchw_of_floats_from_0_to_1(element, tmp_path):
    torch.manual_seed(1)
    network, picture = Residual(), _picture(76, 100)
    _export(network, torch.zeros(1, 3, 64, 64), tmp_path / "network.onnx", (2, 3))
    _assert_same(_through_element(picture, tmp_path / "network.onnx", tmp_path), _by_pytorch(network, picture), picture)


def test_nhwc_of_bytes(element, tmp_path):
    torch.manual_seed(2)
    network, picture = Residual(), _picture(75, 101)
    _export(OnBytes(network), torch.zeros(1, 64, 64, 3, dtype=torch.uint8), tmp_path / "network.onnx", (1, 2))
    _assert_same(_through_element(picture, tmp_path / "network.onnx", tmp_path), _by_pytorch(network, picture), picture)


def test_half_precision_of_one_size(element, tmp_path):
    torch.manual_seed(3)
    network, picture = Residual(), _picture(256, 256)
    half = Residual().half()
    half.load_state_dict(network.state_dict())
    _export(half, torch.zeros(1, 3, 256, 256, dtype=torch.float16), tmp_path / "network.onnx", None)
    _assert_same(_through_element(picture, tmp_path / "network.onnx", tmp_path), _by_pytorch(network, picture), picture)


def test_the_architecture_of_nafnet_on_sides_that_do_not_divide(element, tmp_path):
    torch.manual_seed(4)
    network, picture = NafNet(), _picture(74, 101)
    _export(network, torch.zeros(1, 3, 64, 64), tmp_path / "nafnet.onnx", (2, 3))
    _assert_same(_through_element(picture, tmp_path / "nafnet.onnx", tmp_path), _by_pytorch(network, picture, 8), picture)
