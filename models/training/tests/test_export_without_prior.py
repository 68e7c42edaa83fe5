"""A model without prior becomes a bundle of its backbone alone, at any size, and a MAXIM with one keeps the graph contract."""

import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from training.config import Model
from training.export import Origin, export_graphs, write_bundle
from training.graphs import BackboneGraph
from training.model import BlurDm

SMALL = {"network": "maxim", "width": 4, "stages": 1}
SIZES = ((16, 70), (130, 64))


def _model(prior: str) -> BlurDm:
    torch.manual_seed(0)
    encoder, estimators = {"network": "published", "width": 8, "depth": 1}, {"network": "published", "depth": 1}
    return BlurDm(Model(latent=16, backbone=SMALL, encoder=encoder, estimators=estimators, prior=prior)).eval().requires_grad_(False)


def _session(graph: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def _frame(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (1, *size, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> tuple[BlurDm, Path]:
    model, out = _model("none"), tmp_path_factory.mktemp("bundle")
    write_bundle("plain", "maxim", model, Origin("1.0.0", "MIT", ("made up",), (), {}), out)
    return model, out


def test_the_manifest_has_neither_prior_nor_schedule_and_names_what_is_there(bundle):
    manifest = tomllib.loads((bundle[1] / "manifest.toml").read_text())
    assert not {"prior", "schedule"} & set(manifest)
    assert manifest["backbone"] == {"name": "maxim", "multiple": 64, "variants": {"fp32": "backbone.onnx", "fp16": "backbone.fp16.onnx"}}
    assert set(manifest["files"]) == {"backbone.onnx", "backbone.fp16.onnx", "weights.safetensors"}
    assert {path.name for path in bundle[1].iterdir()} == {*manifest["files"], "manifest.toml", "reference"}
    assert not (bundle[1] / "reference/latents.json").exists()


@pytest.mark.parametrize("file", ["backbone.onnx", "backbone.fp16.onnx"])
def test_the_graph_takes_the_frame_alone_and_copies_its_fourth_byte(bundle, file):
    session = _session(bundle[1] / file)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("frame", "tensor(uint8)", [1, "height", "width", 4])]
    assert [i.name for i in session.get_outputs()] == ["restored"]
    frame = _frame((45, 77))
    restored = session.run(None, {"frame": frame})[0]
    assert restored.shape == frame.shape
    assert np.array_equal(restored[..., 3], frame[..., 3])


@pytest.mark.parametrize("size", SIZES)
def test_the_graph_restores_what_the_network_restores_at_other_sizes(bundle, size):
    model, out = bundle
    frame = _frame(size)
    restored = _session(out / "backbone.onnx").run(None, {"frame": frame})[0]
    assert np.abs(restored.astype(int) - BackboneGraph(model)(torch.from_numpy(frame)).numpy()).max() <= 1


def test_a_maxim_with_prior_takes_frame_and_prior_at_any_size(tmp_path):
    model = _model("blurdm")
    export_graphs(model, tmp_path)
    session = _session(tmp_path / "backbone.onnx")
    assert [i.name for i in session.get_inputs()] == ["frame", "prior"]
    prior = torch.randn(1, 16)
    for size in SIZES:
        frame = _frame(size)
        restored = session.run(None, {"frame": frame, "prior": prior.numpy()})[0]
        assert np.abs(restored.astype(int) - BackboneGraph(model)(torch.from_numpy(frame), prior).numpy()).max() <= 1
