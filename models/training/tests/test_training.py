"""From pictures to a bundle, in a minute: patches, the stages, resuming, export, parity, and what goes wrong."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from training import patches, validation
from training.batches import Batches
from training.config import ConfigError, load_config
from training.convolutions import last_convolutions, light_linear_convolutions
from training.evaluate import EvaluationError, find_pairs
from training.export import ExportError, check_parity, load_model
from training.exposure import Layer, expose, point_spread, random_motion, sub_frames
from training.graphs import BackboneGraph
from training.halve import halve
from training.macs import per_pixel
from training.model import BlurDm
from training.networks import ExposureOracle
from training.networks.separable import SeparableBackbone
from training.sources import MissingSources, training_sources, validation_sources
from training.train import initial_value, initial_values, starting_weights

CONFIGS = Path(__file__).parent.parent / "configs"


def _run(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-W", "ignore", "-m", f"training.{module}", *map(str, arguments)], check=False, capture_output=True, text=True)


@pytest.fixture(scope="session")
def trained(store, footage, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    validation.write(*footage, folder / "validation", size=(96, 128))
    run = _run("train", "--config", CONFIGS / "smoke.toml", "--patches", store, "--validation", folder / "validation", "--out", folder, "--device", "cpu")
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="session")
def bundle(trained, store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "losses.json").write_text('{"int8": 0.0421, "bf16": 0.01}')
    run = _run("export", "--config", CONFIGS / "smoke.toml", "--checkpoint", trained / "checkpoint.pt", "--out", folder,
               "--patches", store, "--losses", folder / "losses.json")
    assert run.returncode == 0, run.stderr
    return folder


def test_no_validation_picture_is_trained_on(footage):
    train = {s.path for s in training_sources(*footage)}
    held_out = {s.path for s in validation_sources(*footage)}
    assert train
    assert held_out
    assert not train & held_out


def test_patches_are_the_same_when_made_again(store, footage, tmp_path):
    run = _run("patches", "--data", footage[0], "--photos", footage[1], "--out", tmp_path, "--count", 4, "--size", 128, "--workers", 1)
    assert run.returncode == 0, run.stderr
    for again, before in zip(patches.open_store(tmp_path), patches.open_store(store), strict=True):
        assert np.array_equal(again, before[:4])


def test_sharp_patches_are_pairs_of_equals(store):
    blurred, sharp, length, _, _ = patches.open_store(store)
    for i in np.flatnonzero(length == 0):
        assert np.array_equal(blurred[i], sharp[i])
    assert any(not np.array_equal(blurred[i], sharp[i]) for i in np.flatnonzero(length > 4))


def test_the_stages_run_and_leave_checkpoint_log_and_curve(trained):
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert {row["stage"] for row in rows} == {0, 1, 2, 3}
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert any("gain" in row for row in rows)
    assert Image.open(trained / "curve.png").size[0] > 100


def test_an_interrupted_training_goes_on_from_its_checkpoint(trained):
    run = _run("train", "--config", CONFIGS / "smoke.toml", "--patches", trained.parent / "none", "--out", trained, "--device", "cpu")
    assert run.returncode != 0  # patches are needed to go on
    state = torch.load(trained / "checkpoint.pt", weights_only=True)
    assert state["position"] == [4, 0]


def test_the_exported_graphs_compute_what_the_network_computes(bundle):
    manifest = tomllib.loads((bundle / "manifest.toml").read_text())
    assert set(manifest["files"]) == {"prior_encoder.onnx", "residuals.onnx", "backbone.onnx", "backbone.fp16.onnx", "backbone.int8.onnx",
                                      "weights.safetensors"}
    assert (bundle / "reference" / "latents.json").is_file()
    text = b"".join((bundle / name).read_bytes() for name in manifest["files"])
    assert str(Path.home()).encode() not in text
    assert b"site-packages" not in text


@pytest.mark.parametrize(("size", "regions"), [((64, 96), 1), ((64, 96), 6), ((67, 101), 6), ((16, 16), 6)])
def test_the_graph_of_bytes_restores_what_the_backbone_restores(trained, size, regions):
    model = load_model(load_config(CONFIGS / "smoke.toml"), trained / "checkpoint.pt")
    draw = torch.Generator().manual_seed(5)
    frame = torch.randint(0, 256, (1, *size, 4), generator=draw, dtype=torch.uint8)
    # A head of noise, since a minute of training leaves it near nothing.
    torch.nn.init.normal_(model.backbone.head.weight, std=0.05, generator=draw)
    prior = torch.randn(1, regions * 64, generator=draw)
    restored = BackboneGraph(model)(frame, prior)
    height, width = (-(-side // 16) * 16 for side in size)
    picture = torch.nn.functional.pad(frame[..., :3].permute(0, 3, 1, 2) / 255, (0, width - size[1], 0, height - size[0]), mode="reflect")
    wanted = (model.restore(picture, prior)[0, :, : size[0], : size[1]].permute(1, 2, 0) * 255).round().clamp(0, 255)
    difference = (restored[0, ..., :3] - wanted).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 1e-3
    assert torch.equal(restored[..., 3], frame[..., 3])
    assert (wanted - frame[0, ..., :3]).abs().mean() > 3


def test_an_int8_variant_is_calibrated_on_patches_and_its_loss_stands_in_the_manifest(bundle):
    manifest = tomllib.loads((bundle / "manifest.toml").read_text())
    assert manifest["backbone"]["variants"] == {"fp32": "backbone.onnx", "fp16": "backbone.fp16.onnx", "int8": "backbone.int8.onnx"}
    assert manifest["backbone"]["losses"] == {"int8": 0.042, "bf16": 0.01}
    assert "backbone.int8.onnx" in manifest["files"]
    graphs = {precision: onnx.load(bundle / file).graph for precision, file in manifest["backbone"]["variants"].items()}
    exact, quantised = ([node for node in graphs[precision].node if node.op_type == "Conv"] for precision in ("fp32", "int8"))
    dequantised = {output for node in graphs["int8"].node if node.op_type == "DequantizeLinear" for output in node.output}
    light = light_linear_convolutions(graphs["fp32"])
    left = {node.name for node in quantised if node.input[1] not in dequantised}
    assert len(quantised) == len(exact)
    # What takes the deconvolution's output to the colours is exact, and so is the sum that is added to the frame.
    last = last_convolutions(graphs["int8"])
    assert len(last) == 2
    assert len(left) < len(quantised) / 2
    assert left == {*light, *left.intersection(last)}
    assert len(left.intersection(last)) == 1
    outputs = {node.output[0] for node in quantised if node.name in last}
    assert {node.op_type for node in graphs["int8"].node if outputs.intersection(node.input)} == {"Add"}


def test_an_fp16_variant_halves_the_middle_of_the_backbone_and_nothing_around_it(bundle):
    exact = onnx.load(bundle / "backbone.onnx")
    halved = halve(onnx.load(bundle / "backbone.onnx"))
    stored = {value.name: value.data_type for value in halved.graph.initializer}
    convolutions = [node for node in halved.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert all(stored[node.input[1]] == onnx.TensorProto.FLOAT16 for node in convolutions)
    products = [node for node in halved.graph.node if node.op_type in ("MatMul", "Gemm")]
    assert products
    assert not any(stored.get(name) == onnx.TensorProto.FLOAT16 for node in products for name in node.input)

    def ports(graph):
        return [(p.name, p.type.tensor_type.elem_type) for p in (*graph.input, *graph.output)]

    assert ports(halved.graph) == ports(exact.graph)


def test_norms_of_a_halved_backbone_stay_exact():
    torch.manual_seed(1)
    block = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.GroupNorm(1, 4), torch.nn.LayerNorm(16),
                                torch.nn.Conv2d(4, 3, 3, padding=1)).eval()
    program = torch.onnx.export(block, (torch.zeros(1, 3, 16, 16),), dynamo=True, verbose=False, opset_version=18)
    halved = halve(program.model_proto)
    types = {value.name: value.type.tensor_type.elem_type for value in onnx.shape_inference.infer_shapes(halved).graph.value_info}
    norms = [node for node in halved.graph.node if node.op_type == "LayerNormalization"]
    assert norms
    assert all(types[node.output[0]] == onnx.TensorProto.FLOAT for node in norms)


def test_a_network_that_differs_from_its_graph_is_not_exported(trained, bundle):
    model = load_model(load_config(CONFIGS / "smoke.toml"), trained / "checkpoint.pt")
    model.encoder.linear2.bias.add_(0.5)
    with pytest.raises(ExportError, match="prior_encoder"):
        check_parity(model, bundle)


@pytest.mark.parametrize(("name", "budget"), [("nano", 14_000), ("small", 60_000)])
def test_our_models_stay_within_their_budget_and_have_no_layer_norm(name, budget):
    config = load_config(CONFIGS / f"{name}.toml")
    macs = per_pixel(config)
    assert 1_000 < macs["backbone"] <= budget
    assert 100 < macs["prior"] <= 2_000
    assert not any(isinstance(m, torch.nn.LayerNorm) for m in BlurDm(config.model).modules())


def test_the_prior_reaches_every_decoder_block():
    model = BlurDm(load_config(CONFIGS / "smoke.toml").model)
    blocks = [block for chain in (model.backbone.decoder1, model.backbone.decoder2) for block in chain]
    fusions = [fusion for block in blocks for fusion in (block.outer, block.inner)]
    for layer in (*(fusion.linear for fusion in fusions), model.backbone.head):
        torch.nn.init.normal_(layer.weight)
    prior = torch.zeros(1, 64, requires_grad=True)
    model.backbone(torch.rand(1, 3, 32, 32), prior).sum().backward()
    assert all(fusion.linear.weight.grad is not None for fusion in fusions)
    assert prior.grad.abs().sum() > 0


def test_without_a_prior_there_is_nothing_of_it_in_the_network():
    config = load_config(CONFIGS / "smoke.toml").model
    model = BlurDm(replace(config, prior="none"))
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"backbone"}
    assert not any("linear" in name for name, _ in model.named_parameters())
    assert model(torch.rand(1, 3, 32, 32), []).shape == (1, 3, 32, 32)


def test_the_plain_mapping_has_as_many_parameters_as_both_estimators():
    config = load_config(CONFIGS / "smoke.toml").model

    def count(kind):
        return sum(p.numel() for p in BlurDm(replace(config, prior=kind)).mapping.parameters())

    assert count("mlp") == pytest.approx(count("blurdm"), rel=0.01)


def test_crops_come_with_the_spread_of_their_own_exposure(store):
    stage = load_config(CONFIGS / "smoke.toml").stage[1]
    example = Batches(store, whole_patch=True, seed=4).next(replace(stage, batch=16, telling_share=0.5), torch.device("cpu"))
    assert example.spread.shape == (16, 25, 25)
    assert torch.allclose(example.spread.sum((1, 2)), torch.ones(16), atol=1e-5)
    assert example.context.shape[2:] == (128, 128)
    assert example.blurred.shape[2:] == (96, 96)


def test_short_paths_are_drawn_as_often_as_long_ones_where_a_stage_wants_that(store):
    batches = Batches(store, whole_patch=True, seed=4)
    batches._length = np.concatenate([np.full(2, 3.0), np.full(22, 50.0)]).astype(np.float32)
    batches._error = np.full(24, 30.0, np.float32)
    batches._error[-1] = 500.0
    batches._look()
    stage = replace(load_config(CONFIGS / "smoke.toml").stage[1], telling_share=1.0)
    drawn = np.array([[batches._length[batches._index(replace(stage, even_lengths=even))] for _ in range(400)] for even in (True, False)])
    assert 0.4 < (drawn[0] == 3.0).mean() < 0.6
    # Of what is stored only the last one is telling.
    assert (drawn[1] == 50.0).all()


def test_turning_a_crop_turns_its_spread():
    """Blurring the sharp side with the spread gives the blurred side, however the crop was turned."""
    size, rng = (64, 64), np.random.default_rng(2)
    scene = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(1))
    motion = random_motion(rng, 9, size)
    motion.turn = motion.zoom = 0.0
    blurred, _ = expose(sub_frames([Layer(scene, motion)], size))
    spread = point_spread(motion.path_at((0, 0), size[0]), 12)

    def turn(plane):
        return np.ascontiguousarray(np.flip(plane, -1).swapaxes(-1, -2))

    kernel = torch.from_numpy(turn(spread))[None, None].expand(3, 1, 25, 25)
    again = torch.nn.functional.conv2d(torch.from_numpy(turn(scene.numpy()))[None], kernel, groups=3)[0, :, 12:-12, 12:-12]
    assert (again - torch.from_numpy(turn(blurred.numpy()))).abs().mean() < 0.02


@pytest.mark.parametrize(("text", "message"), [
    ('network = "nano"', "network 'resnet' is unknown; choose one of"), ("channels = [16, 16, 32]", "network 'nano': .*depth")])
def test_an_unknown_network_or_size_is_named_before_anything_starts(tmp_path, text, message):
    wrong = {'network = "nano"': 'network = "resnet"', "channels = [16, 16, 32]": "depth = 3"}[text]
    path = tmp_path / "wrong.toml"
    path.write_text((CONFIGS / "smoke.toml").read_text().replace(text, wrong, 1))
    with pytest.raises(ConfigError, match=message):
        BlurDm(load_config(path).model)


def test_an_unknown_configuration_key_is_named(tmp_path):
    text = (CONFIGS / "smoke.toml").read_text()
    (tmp_path / "wrong.toml").write_text("colour = 1\n" + text)
    with pytest.raises(ConfigError, match="colour"):
        load_config(tmp_path / "wrong.toml")


def test_missing_pictures_are_named_before_anything_starts(tmp_path):
    with pytest.raises(MissingSources, match="carnd"):
        training_sources(tmp_path, tmp_path)


def test_a_validation_side_that_is_missing_is_an_error(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a-04_blurred.png")
    with pytest.raises(EvaluationError, match=r"a-04_sharp\.png"):
        find_pairs(tmp_path)


def test_a_network_grown_wider_begins_as_what_it_was():
    torch.manual_seed(1)
    narrow, wide = (ExposureOracle(latent=8, hidden=hidden) for hidden in (32, 48))
    spread = torch.rand(3, 25, 25)
    assert not torch.allclose(narrow(spread), wide(spread))
    start = narrow.state_dict()
    wide.load_state_dict({name: initial_value(value, start[name]) for name, value in wide.state_dict().items()})
    assert torch.allclose(narrow(spread), wide(spread), atol=1e-6)
    assert torch.equal(initial_value(wide.last.weight, torch.zeros(9, 9)), wide.last.weight), "a narrower one cannot hold it"


def test_a_u_net_grown_wider_begins_as_what_it_was():
    torch.manual_seed(1)
    blocks = {"encoder": (1, 1), "middle": 1, "decoder": (1, 1), "detail": 4, "scales": (1, 2)}
    narrow, wide = (SeparableBackbone(8, channels, **blocks).eval() for channels in ((8, 16, 16), (12, 20, 24)))
    for value in narrow.parameters():
        # An untrained head and fusion would agree whatever the features are.
        torch.nn.init.normal_(value, std=0.1)
    frame, prior = torch.rand(1, 3, 64, 64), torch.randn(1, 16)
    wide.load_state_dict(initial_values(wide, narrow.state_dict()))
    assert (narrow(frame, prior) - frame).abs().max() > 0.01
    assert torch.allclose(narrow(frame, prior), wide(frame, prior), atol=1e-5)


def test_a_model_begins_with_its_own_u_net_and_the_prior_of_another(tmp_path):
    names = ("encoder.linear1.weight", "mapping.first.weight", "oracle.embedding.0.bias", "backbone.deconvolution.noise.bias", "backbone.stem.weight")
    for file, value in (("own", 1.0), ("other", 2.0)):
        save_file({name: torch.full((3,), value).half() for name in names}, tmp_path / file)
    loaded = starting_weights(tmp_path / "own", tmp_path / "other")
    assert {name: float(value[0]) for name, value in loaded.items()} == dict.fromkeys(names, 2.0) | {"backbone.stem.weight": 1.0}
    assert all(value.dtype == torch.float32 for value in loaded.values())


def test_a_prior_to_begin_with_needs_a_model_around_it(tmp_path):
    run = _run("train", "--config", CONFIGS / "smoke.toml", "--patches", tmp_path, "--out", tmp_path, "--start-prior", tmp_path / "weights")
    assert run.returncode == 2
    assert "--start-prior needs --start" in run.stderr
