"""Backbones that deconvolve at several scales: one of separable convolutions, and one with nano's U-Net."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from training import compact
from training.batches import Batches
from training.config import ConfigError, load_config
from training.export import export_graphs
from training.exposure import point_spread
from training.graphs import BackboneGraph, PriorEncoderGraph, ScalesGraph
from training.model import BlurDm
from training.networks.blocks import PriorFusion
from training.networks.cells import enlarging
from training.networks.luma_of_bytes import LumaOfBytes
from training.networks.multi_scale_nano import balanced
from training.networks.separable import SeparableBackbone
from training.networks.transforms import luma
from training.objectives import Objective
from training.train import starting_weights

CONFIGS = Path(__file__).parent.parent / "configs"


SMALLER = {
    "separable-nano": {"channels": [8, 16, 16], "encoder": [1, 1], "middle": 1, "decoder": [1, 1]},
    "separable-nano-detail": {"channels": [8, 16, 16], "encoder": [1, 1], "middle": 1, "decoder": [1, 1], "detail": 12},
    "multi-scale-nano": {"channels": [16, 16, 32]},
}


@pytest.fixture(params=SMALLER)
def model(request) -> BlurDm:
    """With weights of noise, since an untrained head makes no change."""
    torch.manual_seed(1)
    config = load_config(CONFIGS / f"{request.param}.toml").model
    model = BlurDm(replace(config, backbone=config.backbone | SMALLER[request.param])).eval().requires_grad_(False)
    for name, value in model.backbone.named_parameters():
        if name == "detail.out.weight":
            torch.nn.init.normal_(value, std=0.02)
        if name.startswith("head") and value.dim() == 4:
            torch.nn.init.normal_(value, std=0.2 if "separable" in request.param else 0.03)
    return model


@pytest.mark.parametrize("size", [(64, 96), (67, 101), (16, 16)])
def test_the_graph_of_bytes_restores_what_the_backbone_restores(model, size):
    draw = torch.Generator().manual_seed(5)
    frame = torch.randint(0, 256, (1, *size, 4), generator=draw, dtype=torch.uint8)
    prior = torch.randn(1, model.regions * 64, generator=draw)
    restored = BackboneGraph(model)(frame, prior)
    height, width = (-(-side // 16) * 16 for side in size)
    picture = F.pad(frame[..., :3].permute(0, 3, 1, 2) / 255, (0, width - size[1], 0, height - size[0]), mode="replicate")
    wanted = (model.restore(picture, prior)[0, :, : size[0], : size[1]].permute(1, 2, 0) * 255).round().clamp(0, 255)
    difference = (restored[0, ..., :3] - wanted).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 1e-3
    assert torch.equal(restored[..., 3], frame[..., 3])
    assert (wanted - frame[0, ..., :3]).abs().mean() > 3


@pytest.mark.parametrize("model", ["separable-nano-detail", "multi-scale-nano"], indirect=True)
def test_the_exported_graphs_run_at_sizes_that_they_were_not_exported_at(model, tmp_path):
    export_graphs(model, tmp_path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    frame = np.random.default_rng(1).integers(0, 256, (1, 180, 322, 4), dtype=np.uint8)
    def run(name, **inputs):
        return onnxruntime.InferenceSession(tmp_path / f"{name}.onnx", options, providers=["CPUExecutionProvider"]).run(None, inputs)[0]
    prior = run("prior_encoder", frame=frame)
    wanted = PriorEncoderGraph(model)(torch.from_numpy(frame)).numpy()
    assert np.abs(prior - wanted).max() < 1e-3 * np.abs(wanted).max()
    restored, exact = run("backbone", frame=frame, prior=prior), BackboneGraph(model)(torch.from_numpy(frame), torch.from_numpy(prior)).numpy()
    assert (np.abs(restored.astype(int) - exact) <= 1).mean() > 0.999
    shares, wanted = run("scales", prior=prior), ScalesGraph(model)(torch.from_numpy(prior)).numpy()
    assert shares.shape == (1, len(model.scales))
    assert np.abs(shares - wanted).max() < 1e-4
    assert abs(shares.sum() - 1) < 1e-4


def test_what_is_flat_stays_flat_whatever_the_weights(model):
    frame, prior = torch.full((1, 3, 640, 640), 0.4), torch.randn(1, 64 * len(model.scales))
    # Further from the border than the network's layers reach.
    change = (model.restore(frame, prior) - frame)[0, :, 304:336, 304:336]
    assert change.std((1, 2)).max() < 1e-5
    textured = torch.rand(1, 3, 192, 256)
    assert (model.restore(textured, prior) - textured).abs().mean() > 1e-3


def test_balanced_convolutions_answer_alike_in_every_phase():
    weight, bias = balanced(torch.randn(12, 5, 3, 3), torch.randn(12), 4)
    sums = weight.sum((2, 3)).unflatten(0, (3, 4))
    assert torch.allclose(sums, sums.mean(1, keepdim=True).expand_as(sums), atol=1e-5)
    assert torch.equal(bias.unflatten(0, (3, 4))[:, 0], bias.unflatten(0, (3, 4))[:, 3])


@pytest.mark.parametrize("cell", [1, 2])
def test_blocks_are_enlarged_bilinearly(cell):
    picture = torch.rand(1, 1, 16, 24)
    blocks = F.conv2d(F.pixel_unshuffle(picture, cell), enlarging(cell), padding=1)
    wanted = F.interpolate(picture, scale_factor=2, mode="bilinear")
    assert torch.allclose(F.pixel_shuffle(blocks, 2 * cell)[..., 4:-4, 4:-4], wanted[..., 4:-4, 4:-4], atol=1e-6)


def test_luma_of_bytes_is_that_of_the_reduced_picture():
    picture = torch.randint(0, 256, (1, 4, 16, 24)).float()
    for scale, grey in zip((1, 2, 4), LumaOfBytes((1, 2, 4))(picture), strict=True):
        assert torch.allclose(grey, F.avg_pool2d(luma(picture[:, :3] / 255), scale), atol=1e-6)


def test_the_prior_reaches_every_block(model):
    model.requires_grad_(True)
    prior = torch.randn(1, 64 * len(model.scales))
    for module in model.backbone.modules():
        if isinstance(module, PriorFusion):
            torch.nn.init.normal_(module.linear.weight, std=0.1)
    model.backbone(torch.rand(1, 3, 64, 64), prior).sum().backward()
    fusions = [module for module in model.backbone.modules() if isinstance(module, PriorFusion)]
    assert len(fusions) >= 5
    assert all(fusion.linear.weight.grad.abs().sum() > 0 for fusion in fusions)


def test_blur_is_taken_back_at_the_scale_whose_square_holds_it():
    backbone = SeparableBackbone(64)

    def shares(length):
        path = np.stack([np.linspace(-length / 2, length / 2, 33), np.zeros(33)], 1)
        spreads = [torch.from_numpy(point_spread(path / scale, 12)) for scale in backbone.SCALES[1:]]
        return backbone.share(torch.zeros(1, 3, 1, 64), torch.stack(spreads)[None, :, None])[0, :, 0]

    assert shares(4)[0] > 0.9
    assert 0.3 < shares(14)[0] < 0.7
    assert shares(26)[1] > 0.6
    assert 0.3 < shares(40)[2] < 0.7
    assert shares(80)[2] > 0.8
    assert shares(20).sum().item() == pytest.approx(1)


def test_examples_of_several_scales_have_a_point_spread_each(store):
    stage = replace(load_config(CONFIGS / "smoke.toml").stage[1], batch=16, telling_share=1.0, remade_share=0.5)
    spread = Batches(store, whole_patch=True, seed=4, scales=(1, 2)).next(stage, torch.device("cpu")).spread
    assert spread.shape == (16, 2, 25, 25)
    known = ~spread.isnan().flatten(2).any(2)
    assert torch.allclose(spread[known].sum((1, 2)), torch.ones(int(known.sum())), atol=1e-5)
    both = known.all(1)
    assert both.sum() > 4
    assert (spread[both, 1].amax((1, 2)) >= spread[both, 0].amax((1, 2)) - 1e-6).all()


def test_a_path_that_a_scale_cannot_hold_has_no_point_spread_there(store):
    batches = Batches(store, whole_patch=True, seed=4, scales=(1, 2))
    path = np.stack([np.linspace(-20, 20, 33), np.zeros(33)], 1)
    assert np.isnan(batches._spread(path)).all()
    assert batches._spread(path / 2).sum() == pytest.approx(1, abs=1e-5)


def test_a_step_of_stage_3_learns_at_every_scale(store):
    config = load_config(CONFIGS / "separable-nano.toml")
    model = BlurDm(config.model)
    stage = replace(config.stage[0], batch=2, crop=64, real_share=0.0)
    objective = Objective(config, model, torch.device("cpu"))
    objective.rng = np.random.default_rng(7)
    torch.nn.init.normal_(model.backbone.share.out.weight, std=0.1)
    objective(stage, Batches(store, whole_patch=True, seed=4, scales=model.scales).next(stage, torch.device("cpu"))).backward()
    assert all(parameter.grad is not None for name, parameter in model.backbone.named_parameters())
    assert model.encoder.linear2.weight.grad.abs().sum() > 0
    assert model.backbone.share.hidden.weight.grad.abs().sum() > 0


def test_point_spreads_are_of_the_halved_frame(store):
    stage = replace(load_config(CONFIGS / "smoke.toml").stage[1], batch=16, telling_share=1.0, remade_share=0.0)
    extents = []
    for scales in ((1,), (2,)):
        spread = Batches(store, whole_patch=True, seed=4, scales=scales).next(stage, torch.device("cpu")).spread
        assert torch.allclose(spread.sum((1, 2)), torch.ones(16), atol=1e-5)
        distance = torch.hypot(*torch.meshgrid(torch.arange(-12.0, 13), torch.arange(-12.0, 13), indexing="ij"))
        extents.append((spread * distance).sum((1, 2)).mean())
    assert extents[1] < 0.65 * extents[0]


def test_the_consistency_of_sub_schedules_is_part_of_the_loss(store):
    config = load_config(CONFIGS / "smoke.toml")
    model = BlurDm(config.model)
    losses = []
    for weight in (0.0, 1.0):
        stage = replace(config.stage[2], kept=0, consistency_weight=weight, spread_weight=0.0)
        objective = Objective(config, model, torch.device("cpu"))
        objective.rng = np.random.default_rng(7)
        torch.manual_seed(1)
        losses.append(objective(stage, Batches(store, whole_patch=True, seed=4).next(stage, torch.device("cpu"))).item())
    assert losses[1] > losses[0]


def test_a_run_is_kept_in_a_small_file_that_another_begins_with(tmp_path):
    config = CONFIGS / "separable-nano.toml"
    torch.manual_seed(2)
    model = BlurDm(load_config(config).model)
    torch.save({"ema": model.state_dict()}, tmp_path / "checkpoint.pt")
    for name in ("log.jsonl", "curve.png"):
        (tmp_path / name).write_text("")
    compact.write(tmp_path, config, tmp_path / "kept")
    assert (tmp_path / "kept/weights.safetensors").stat().st_size < 8e6
    loaded = starting_weights(tmp_path / "kept/weights.safetensors")
    for name, value in model.state_dict().items():
        assert loaded[name].shape == value.shape
        if value.is_floating_point():
            assert (loaded[name] - value).abs().max() <= 0.005 * value.abs().max() + 1e-6
    with pytest.raises(ConfigError, match="not of the configuration"):
        compact.write(tmp_path, CONFIGS / "nano.toml", tmp_path / "kept")
