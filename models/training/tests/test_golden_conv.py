"""MIMO-UNet+, Stripformer and BlurDM's published latent networks compute what the published implementations compute."""

import golden
import onnxruntime
import pytest
import torch
from torch import nn

from training.diffusion import Schedule, even_times, sample
from training.networks.mimo_unet import MimoUNet
from training.networks.published_latents import PublishedBlurEncoder, PublishedEstimators
from training.networks.stripformer import Stripformer

BACKBONES = {"mimo_unet_plus": MimoUNet, "stripformer": Stripformer}
SMALL = {MimoUNet: {"width": 8, "depth": 2}, Stripformer: {"width": 8, "depth": (2, 1)}}
TOLERANCE = 1e-5
"""Ten times tighter than the promise: LayerNorm with an epsilon of 1e-6, not 1e-5, is 4e-5 away."""

both_backbones = pytest.mark.parametrize("network", BACKBONES)
both_small = pytest.mark.parametrize("backbone", SMALL)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _published(network: str) -> nn.Module:
    module = BACKBONES[network]().eval().requires_grad_(False)
    module.load_state_dict(golden.weights(network))
    return module


class _OfOnePicture(nn.Module):
    """The blur encoder with an argument that has a name, as the exporter needs it."""

    def __init__(self, encoder: PublishedBlurEncoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return self.encoder(frame)


@pytest.fixture(scope="module")
def latents() -> tuple[PublishedBlurEncoder, PublishedEstimators]:
    state = golden.weights("blurdm")
    of_encoder = "condition_encoder."
    encoder, estimators = PublishedBlurEncoder().requires_grad_(False), PublishedEstimators().requires_grad_(False)
    encoder.load_state_dict({name.removeprefix(of_encoder): value for name, value in state.items() if name.startswith(of_encoder)})
    estimators.load_state_dict({name: value for name, value in state.items() if not name.startswith(of_encoder)})
    return encoder, estimators


def _in_onnx_runtime(module: nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str], dynamic: dict) -> onnxruntime.InferenceSession:
    return golden.session(golden.exported(module, inputs, outputs, dynamic))


def _sides(multiple: int) -> dict[int, object]:
    return {2: multiple * torch.export.Dim("height", min=1, max=512), 3: multiple * torch.export.Dim("width", min=1, max=512)}


@both_backbones
def test_a_backbone_has_the_tensors_of_the_published_checkpoint(network):
    with torch.device("meta"):
        module = BACKBONES[network]()
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == golden.names(network)


@both_backbones
def test_a_backbone_restores_what_the_published_one_restores(network):
    reference = golden.arrays(network)
    assert golden.difference(_published(network)(reference["image"], reference["prior"]), reference["restored"]) < TOLERANCE


def test_mimo_unet_restores_the_smaller_scales_too():
    reference = golden.arrays("mimo_unet_plus")
    pyramid = _published("mimo_unet_plus").pyramid(reference["image"], reference["prior"])
    for got, scale in zip(pyramid, ("quarter", "half", "restored"), strict=True):
        assert golden.difference(got, reference[scale]) < TOLERANCE


@both_backbones
def test_an_exported_backbone_restores_the_same_at_any_size(network):
    module, reference = _published(network), golden.arrays(network)
    image, prior = reference["image"], reference["prior"]
    session = _in_onnx_runtime(module, {"frame": image, "prior": prior}, ["restored"], {"frame": _sides(module.MULTIPLE), "prior": None})
    assert golden.difference(golden.run(session, {"frame": image, "prior": prior})[0], reference["restored"]) < TOLERANCE
    for size in ((128, 64), (64, 64), (32, 160)):
        other = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) - 0.5
        assert golden.difference(golden.run(session, {"frame": other, "prior": prior})[0], module(other, prior)) < TOLERANCE


def test_the_published_blur_encoder_gives_the_published_latent(latents):
    reference = golden.arrays("blurdm")
    assert golden.difference(latents[0](reference["image"]), reference["z_blur"]) < TOLERANCE


def test_the_published_estimators_give_the_published_sharp_prior_in_five_steps(latents):
    encoder, estimators = latents
    reference, schedule = golden.arrays("blurdm"), Schedule.released()
    z_0 = sample(schedule, estimators, encoder(reference["image"]), reference["noise"], even_times(schedule.steps, schedule.steps))
    assert golden.difference(z_0, reference["z_0"]) < TOLERANCE


def test_the_exported_blur_encoder_gives_the_same_at_any_size(latents):
    encoder, image = latents[0], golden.arrays("blurdm")["image"]
    session = _in_onnx_runtime(_OfOnePicture(encoder), {"frame": image}, ["z_blur"], {"frame": _sides(encoder.MULTIPLE)})
    for frame in (image, torch.rand(1, 3, 44, 28, generator=torch.Generator().manual_seed(1)) - 0.5):
        assert golden.difference(golden.run(session, {"frame": frame})[0], encoder(frame)) < TOLERANCE


def test_the_exported_estimators_give_the_same(latents):
    reference = golden.arrays("blurdm")
    inputs = {"z_t": reference["z_0"], "z_blur": reference["z_blur"], "t": torch.tensor([4.0]), "s": torch.tensor([3.0])}
    session = _in_onnx_runtime(latents[1], inputs, ["blur_residual", "noise_residual"], dict.fromkeys(inputs))
    inputs["t"] = torch.tensor([2.0])
    for got, want in zip(golden.run(session, inputs), latents[1](**inputs), strict=True):
        assert golden.difference(got, want) < TOLERANCE


@both_small
@pytest.mark.parametrize("prior", [16, None])
def test_a_small_backbone_trains_at_wide_and_at_high_sizes(backbone, prior):
    torch.manual_seed(0)
    module = backbone(prior, **SMALL[backbone])
    for rows, columns in ((1, 3), (5, 2)):
        frame = torch.rand(2, 3, rows * module.MULTIPLE, columns * module.MULTIPLE) - 0.5
        given = None if prior is None else torch.randn(2, prior, requires_grad=True)
        restored = module(frame, given)
        assert restored.shape == frame.shape
        module.zero_grad()
        (restored - frame).abs().mean().backward()
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        assert all(g.isfinite().all() for g in gradients)
        assert sum(g.abs().sum() for g in gradients) > 0
        assert given is None or given.grad.abs().sum() > 0


@both_small
def test_every_parameter_is_trained(backbone):
    torch.manual_seed(0)
    module = backbone(16, **SMALL[backbone])
    frame, prior = torch.rand(1, 3, 32, 64) - 0.5, torch.randn(1, 16)
    restored = module.pyramid(frame, prior) if backbone is MimoUNet else (module(frame, prior),)
    sum(r.square().mean() for r in restored).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


@both_small
def test_mixed_precision_in_channels_last_stays_close(backbone):
    torch.manual_seed(0)
    module = backbone(16, **SMALL[backbone])
    frame, prior = torch.rand(2, 3, 64, 32) - 0.5, torch.randn(2, 16)
    want = module(frame, prior).detach()
    module = module.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        restored = module(frame.to(memory_format=torch.channels_last), prior)
    restored.square().mean().backward()
    assert restored.dtype == torch.float32
    assert golden.difference(restored.detach(), want) < 0.02
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


@both_small
def test_the_prior_modulates_every_decoder_block(backbone):
    torch.manual_seed(0)
    module = backbone(16, **SMALL[backbone])
    fusions = [p for name, p in module.named_parameters() if name.endswith("kv.weight")]
    assert len(fusions) == (3 if backbone is MimoUNet else 2 * sum(SMALL[backbone]["depth"]))
    module(torch.rand(1, 3, 32, 64) - 0.5, torch.randn(1, 16)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in fusions)


@pytest.mark.parametrize(("backbone", "fusion"), [(MimoUNet, 114_688), (Stripformer, 2_555_904)])
def test_the_network_without_prior_lacks_the_fusion_and_nothing_else(backbone, fusion):
    with torch.device("meta"):
        fused, plain = backbone(), backbone(prior=None)
    assert set(plain.state_dict()) == {name for name in fused.state_dict() if not name.endswith("kv.weight")}
    assert _parameters(fused) - _parameters(plain) == fusion


def test_the_latent_networks_have_the_published_number_of_parameters(latents):
    assert _parameters(latents[0]) == 1_146_688
    assert _parameters(latents[1]) == 921_088


def test_the_oracle_encoder_sees_the_sharp_picture_and_normalises_its_batch():
    torch.manual_seed(0)
    oracle = PublishedBlurEncoder(images=2, latent=16, width=8, depth=2)
    blurred, sharp = torch.rand(2, 3, 16, 24) - 0.5, torch.rand(2, 3, 16, 24) - 0.5
    z = oracle(blurred, sharp)
    z.sum().backward()
    assert z.shape == (2, 16)
    assert all(p.grad.isfinite().all() for p in oracle.parameters())
    assert not torch.equal(z, oracle(blurred, blurred))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in oracle.modules()) == 4
    assert not any(isinstance(m, nn.BatchNorm2d) for m in PublishedBlurEncoder(latent=16, width=8, depth=2).modules())


def test_an_encoder_refuses_another_number_of_pictures():
    picture = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="built for 1 picture"):
        PublishedBlurEncoder(latent=16, width=8, depth=1)(picture, picture)
    with pytest.raises(ValueError, match="built for 2 picture"):
        PublishedBlurEncoder(images=2, latent=16, width=8, depth=1)(picture)


@pytest.mark.parametrize(("network", "sizes", "message"), [
    (MimoUNet, {"width": 7}, "width must be an even number"),
    (MimoUNet, {"width": 0}, "width must be an even number"),
    (MimoUNet, {"depth": 0}, "depth must be at least 1"),
    (MimoUNet, {"prior": 0}, "prior must be at least 1"),
    (Stripformer, {"width": 9}, "width must be an even number"),
    (Stripformer, {"depth": 6}, "depth must be two numbers"),
    (Stripformer, {"depth": (6,)}, "depth must be two numbers"),
    (Stripformer, {"depth": (6, 0)}, "depth must be two numbers"),
    (Stripformer, {"prior": -1}, "prior must be at least 1"),
    (PublishedBlurEncoder, {"images": 3}, "images must be 1"),
    (PublishedBlurEncoder, {"latent": 0}, "latent must be at least 1"),
    (PublishedEstimators, {"steps": 0}, "steps must be at least 1"),
    (PublishedEstimators, {"depth": -1}, "depth must be at least 1"),
])
def test_sizes_that_cannot_be_built_are_refused_by_name(network, sizes, message):
    with pytest.raises(ValueError, match=message):
        network(**sizes)


@both_small
def test_a_prior_that_does_not_fit_the_network_is_refused(backbone):
    fused, plain = backbone(16, **SMALL[backbone]), backbone(None, **SMALL[backbone])
    frame = torch.zeros(1, 3, 32, 32)
    with pytest.raises(ValueError, match=r"built for \[B, 16\], got None"):
        fused(frame, None)
    with pytest.raises(ValueError, match=r"built for \[B, 16\], got shape \(1, 8\)"):
        fused(frame, torch.zeros(1, 8))
    with pytest.raises(ValueError, match="built without fusion"):
        plain(frame, torch.zeros(1, 16))
