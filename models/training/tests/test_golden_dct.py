"""FFTformer and LoFormer compute what the published implementations compute, without transforms that runtimes lack."""

import golden
import numpy as np
import onnx
import pytest
import scipy.fft
import torch
from torch import nn

from training.networks.fftformer import FFTformer
from training.networks.loformer import LoFormer
from training.networks.transforms import CosineTransform, PatchSpectra, from_patches, to_patches

BACKBONES = {"fftformer": FFTformer, "loformer_s": LoFormer}
PARAMETERS = {"fftformer": 18_280_794, "loformer_s": 17_040_581}
SMALL = {FFTformer: {"width": 8, "depth": (1, 1, 2), "refinement": 1}, LoFormer: {"width": 8, "encoder": (1, 1, 1), "middle": 1, "decoder": (2, 1, 1)}}
TOLERANCE = 1e-5
"""Ten times tighter than the promise, and ten times what float32 loses."""

both_backbones = pytest.mark.parametrize("network", BACKBONES)
both_small = pytest.mark.parametrize("backbone", SMALL)


def _random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def published() -> dict[str, nn.Module]:
    modules = {network: backbone().eval().requires_grad_(False) for network, backbone in BACKBONES.items()}
    for network, module in modules.items():
        module.load_state_dict(golden.weights(network))
    return modules


def _export(module: nn.Module, frame: torch.Tensor, prior: torch.Tensor, dynamic: dict | None = None) -> onnx.ModelProto:
    return golden.exported(module, {"frame": frame, "prior": prior}, ["restored"], dynamic)


def _restored(model: onnx.ModelProto, frame: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    return golden.run(golden.session(model), {"frame": frame, "prior": prior})[0]


def _any_size(multiple: int) -> dict:
    return {"frame": {2: multiple * torch.export.Dim("height", min=1, max=512), 3: multiple * torch.export.Dim("width", min=1, max=512)}, "prior": None}


@both_backbones
def test_a_backbone_has_the_tensors_of_the_published_checkpoint(network):
    with torch.device("meta"):
        module = BACKBONES[network]()
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == golden.names(network)
    assert sum(p.numel() for p in module.parameters()) == PARAMETERS[network]


@both_backbones
def test_a_backbone_restores_what_the_published_one_restores(network, published):
    reference = golden.arrays(network)
    assert golden.difference(published[network](reference["image"], reference["prior"]), reference["restored"]) < TOLERANCE


def test_an_exported_fftformer_restores_the_same_at_any_size(published):
    module, reference = published["fftformer"], golden.arrays("fftformer")
    image, prior = reference["image"], reference["prior"]
    model = _export(module, image, prior, _any_size(module.MULTIPLE))
    assert not {"DFT", "STFT"} & {node.op_type for node in model.graph.node}
    assert golden.difference(_restored(model, image, prior), reference["restored"]) < TOLERANCE
    for size in ((96, 32), (32, 160)):
        frame = _random(1, 3, *size)
        assert golden.difference(_restored(model, frame, prior), module(frame, prior)) < TOLERANCE


def test_an_exported_loformer_restores_the_same_at_its_size(published):
    reference = golden.arrays("loformer_s")
    image, prior = reference["image"], reference["prior"]
    assert golden.difference(_restored(_export(published["loformer_s"], image, prior), image, prior), reference["restored"]) < TOLERANCE


@pytest.mark.parametrize("size", [(8, 40), (72, 64)])
def test_an_exported_loformer_reflects_what_windows_do_not_divide(size):
    torch.manual_seed(0)
    module = LoFormer(16, **SMALL[LoFormer]).requires_grad_(False)
    frame, prior = _random(1, 3, *size), torch.randn(1, 16)
    assert golden.difference(_restored(_export(module, frame, prior), frame, prior), module(frame, prior)) < TOLERANCE


def test_patches_hold_8x8_neighbours_and_go_back_where_they_were():
    x = _random(2, 3, 16, 24)
    patches = to_patches(x)
    assert patches.shape == (2, 3, 6, 64)
    assert torch.equal(patches[0, 1, 4], x[0, 1, 8:, 8:16].flatten())
    assert torch.equal(from_patches(patches, 16, 24), x)


def test_a_mask_filters_patches_as_between_rfft2_and_irfft2():
    spectra, patches, half = PatchSpectra(), torch.randn(5, 7, 64), torch.randn(5, 8, 5)
    want = torch.fft.irfft2(torch.fft.rfft2(patches.unflatten(-1, (8, 8))) * half[:, None], s=(8, 8)).flatten(-2)
    got = spectra.transform(spectra.mask(half.flatten(1))[:, None] * spectra.transform(patches))
    assert golden.difference(got, want) < TOLERANCE


def test_spectra_are_multiplied_as_between_rfft2_and_irfft2():
    first, second = torch.randn(7, 64), torch.randn(7, 64)
    product = torch.fft.rfft2(first.unflatten(-1, (8, 8))) * torch.fft.rfft2(second.unflatten(-1, (8, 8)))
    assert golden.difference(PatchSpectra().multiply(first, second), torch.fft.irfft2(product, s=(8, 8)).flatten(-2)) < TOLERANCE


def test_the_cosine_transform_is_the_orthonormal_dct():
    x = torch.randn(2, 3, 12, 20)
    transform = CosineTransform(12, 20, x.device)
    assert golden.difference(transform.forward(x), torch.from_numpy(scipy.fft.dctn(x.numpy(), axes=(2, 3), norm="ortho").astype(np.float32))) < TOLERANCE
    assert golden.difference(transform.inverse(transform.forward(x)), x) < TOLERANCE


@both_small
@pytest.mark.parametrize("prior", [16, None])
def test_a_small_backbone_trains_at_wide_and_at_high_sizes(backbone, prior):
    torch.manual_seed(0)
    module = backbone(prior, **SMALL[backbone])
    for rows, columns in ((1, 3), (3, 2)):
        frame = _random(2, 3, rows * module.MULTIPLE, columns * module.MULTIPLE)
        given = None if prior is None else torch.randn(2, prior, requires_grad=True)
        restored = module(frame, given)
        assert restored.shape == frame.shape
        module.zero_grad()
        (restored - frame).abs().mean().backward()
        gradients = [p.grad for p in module.parameters() if p.requires_grad]
        assert all(g.isfinite().all() for g in gradients)
        assert sum(g.abs().sum() for g in gradients) > 0
        assert given is None or given.grad.abs().sum() > 0


@both_small
def test_mixed_precision_in_channels_last_stays_close(backbone):
    torch.manual_seed(0)
    module = backbone(16, **SMALL[backbone])
    frame, prior = _random(2, 3, 64, 32), torch.randn(2, 16)
    want = module(frame, prior).detach()
    # Not module.to(memory_format=...), which fails on the five dimensions of FFTformer's masks.
    module = nn.utils.convert_conv2d_weight_memory_format(module, torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        restored = module(frame.to(memory_format=torch.channels_last), prior)
    restored.square().mean().backward()
    assert restored.dtype == torch.float32
    assert golden.difference(restored.detach(), want) < 0.02
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("transform", [PatchSpectra().transform, CosineTransform(64, 64, torch.device("cpu")).forward])
def test_transforms_keep_float32_under_mixed_precision(transform):
    x = torch.randn(4, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        got = transform(x)
    assert got.dtype == torch.float32
    assert torch.equal(got, transform(x))


@pytest.mark.parametrize(("backbone", "fusions"), [(FFTformer, 28), (LoFormer, 14)])
def test_the_prior_is_fused_into_every_attention_of_the_decoder(backbone, fusions):
    with torch.device("meta"):
        module = backbone()
    assert sum(name.endswith(".kv.weight") for name in module.state_dict()) == fusions
    torch.manual_seed(0)
    small = backbone(16, **SMALL[backbone])
    small(_random(1, 3, 32, 64), torch.randn(1, 16)).sum().backward()
    fused = [p for name, p in small.named_parameters() if ".kv." in name]
    assert fused
    assert all(p.grad.abs().sum() > 0 for p in fused)


@both_small
def test_the_network_without_prior_lacks_the_fusion_and_nothing_else(backbone):
    with torch.device("meta"):
        fused, plain = backbone(), backbone(prior=None)
    assert set(plain.state_dict()) == {name for name in fused.state_dict() if ".kv." not in name}


@pytest.mark.parametrize(("network", "sizes", "message"), [
    (FFTformer, {"width": 0}, "width must be at least 1"),
    (FFTformer, {"depth": 6}, "depth must be three numbers"),
    (FFTformer, {"depth": (6, 6)}, "depth must be three numbers"),
    (FFTformer, {"depth": (6, 6, 0)}, "depth must be three numbers"),
    (FFTformer, {"refinement": 0}, "refinement must be at least 1"),
    (FFTformer, {"prior": 0}, "prior must be at least 1"),
    (LoFormer, {"width": 31}, "width must be an even number"),
    (LoFormer, {"width": 0}, "width must be an even number"),
    (LoFormer, {"encoder": (1, 2)}, "encoder must be three numbers"),
    (LoFormer, {"decoder": (3, 0, 2)}, "decoder must be three numbers"),
    (LoFormer, {"middle": 0}, "middle must be at least 1"),
    (LoFormer, {"heads": (1, 2, 4)}, "heads must be four divisors"),
    (LoFormer, {"heads": (3, 2, 4, 8)}, r"heads must be four divisors of the channels \[32, 64, 128, 256\]"),
    (LoFormer, {"prior": -1}, "prior must be at least 1"),
])
def test_sizes_that_cannot_be_built_are_refused_by_name(network, sizes, message):
    with pytest.raises(ValueError, match=message):
        network(**sizes)


@both_small
def test_a_frame_that_is_not_padded_is_refused(backbone):
    module = backbone(None, **SMALL[backbone])
    with pytest.raises(ValueError, match=rf"multiples of {module.MULTIPLE}, got 64 x 36; pad it"):
        module(torch.zeros(1, 3, 64, 36), None)


@both_small
def test_a_prior_that_does_not_fit_the_network_is_refused(backbone):
    fused, plain = backbone(16, **SMALL[backbone]), backbone(None, **SMALL[backbone])
    frame = torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"built for \[B, 16\], got None"):
        fused(frame, None)
    with pytest.raises(ValueError, match="built without fusion"):
        plain(frame, torch.zeros(1, 16))
