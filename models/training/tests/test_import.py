"""Published checkpoints become bundles, and files that are not what they claim to be are refused by name before any work starts."""

import argparse
import os
import pickle
import tomllib

import numpy as np
import onnxruntime
import pytest
import torch
from golden import names

from training.config import Model
from training.export import Origin, write_bundle
from training.import_checkpoint import CheckpointError, load_published, main, published_model, read_checkpoint
from training.model import BlurDm

SMALL = Model(latent=16, backbone={"network": "mimo-unet", "width": 8, "depth": 1}, encoder={"network": "published", "width": 8, "depth": 1},
              estimators={"network": "published", "depth": 1})


def _published_state(seed: int = 0) -> tuple[BlurDm, dict]:
    """A small model with random weights, and the dict that the authors' training would have saved of it."""
    torch.manual_seed(seed)
    model = BlurDm(SMALL).eval()
    state = {"model_state": {f"module.{k}": v for k, v in model.backbone.state_dict().items()},
             "model_dm_state": {**{f"condition_encoder.{k}": v for k, v in model.encoder.state_dict().items()}, **model.mapping.state_dict()},
             "args": argparse.Namespace(lr=1e-4, name="blurdm"), "epoch": 3000}
    return model, state


def _saved(tmp_path, state: dict, legacy: bool = False):
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_a_published_checkpoint_is_loaded_tensor_by_tensor(tmp_path, legacy):
    model, state = _published_state()
    loaded = load_published(SMALL, _saved(tmp_path, state, legacy))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True))


def test_the_two_parts_may_lie_in_files_of_their_own(tmp_path):
    model, state = _published_state()
    torch.save({"model_dm_state": state.pop("model_dm_state")}, tmp_path / "dm.pth")
    loaded = load_published(SMALL, _saved(tmp_path, state), tmp_path / "dm.pth")
    assert torch.equal(loaded.mapping.lcr_model.resmlp[0].weight, model.mapping.lcr_model.resmlp[0].weight)


def test_an_imported_model_becomes_a_bundle_whose_graphs_keep_the_contract(tmp_path):
    _, state = _published_state()
    model = load_published(SMALL, _saved(tmp_path, state))
    write_bundle("imported", "mimo-unet", model, Origin("1.0.0", "as published", ("GoPro",), (), {}), tmp_path / "bundle")
    manifest = tomllib.loads((tmp_path / "bundle/manifest.toml").read_text())
    assert manifest["prior"]["dim"] == 16
    assert manifest["backbone"]["multiple"] == 8
    session = onnxruntime.InferenceSession(tmp_path / "bundle/residuals.onnx", providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["z_t", "z_blur", "t", "s"]
    backbone = onnxruntime.InferenceSession(tmp_path / "bundle/backbone.onnx", providers=["CPUExecutionProvider"])
    frame = np.random.default_rng(1).integers(0, 256, (1, 45, 77, 4), dtype=np.uint8)
    assert backbone.run(None, {"frame": frame, "prior": np.zeros((1, 16), np.float32)})[0].shape == frame.shape


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s["model_state"].pop("module.feat_extract.0.main.0.bias"), "1 missing: feat_extract.0.main.0.bias"),
    (lambda s: s["model_state"].update(extra=torch.ones(2)), "1 not part of the network: extra"),
    (lambda s: s["model_dm_state"].update({"condition_encoder.mlp.2.bias": torch.ones(3)}), r"condition_encoder.mlp.2.bias \[3\] instead of \[16\]"),
    (lambda s: s["model_dm_state"]["lcr_model.resmlp.0.bias"].fill_(float("nan")), "1 not finite: lcr_model.resmlp.0.bias"),
    (lambda s: s.pop("model_dm_state"), "has no 'model_dm_state'"),
    (lambda s: s.update(model_state=[1, 2]), "'model_state' is not a dict of named tensors"),
])
def test_a_checkpoint_that_does_not_fit_is_refused_by_the_names_of_its_tensors(tmp_path, change, message):
    _, state = _published_state()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        load_published(SMALL, _saved(tmp_path, state))


class _Hostile:
    def __init__(self, victim):
        self.victim = str(victim)

    def __reduce__(self):
        return os.mkdir, (self.victim,)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run_it(tmp_path, form):
    victim, path = tmp_path / "executed", tmp_path / "net.pth"
    state = {"model_state": {}, "args": _Hostile(victim)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="mkdir" if form != "pickle" else "net.pth"):
        read_checkpoint(path)
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off", bytes(range(256)) * 8])
def test_a_file_that_is_no_checkpoint_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.pth"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_an_error_that_names_it(tmp_path):
    _, state = _published_state()
    path = _saved(tmp_path, state)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=r"net\.pth"):
        read_checkpoint(path)


def test_an_unknown_backbone_is_refused_before_the_file_is_opened(tmp_path, monkeypatch, capsys):
    options = ["--backbone", "resnet", "--checkpoint", str(tmp_path / "none"), "--out", str(tmp_path), "--name", "x", "--licence", "x"]
    monkeypatch.setattr("sys.argv", ["import", *options])
    with pytest.raises(SystemExit):
        main()
    assert "unknown backbone 'resnet'" in capsys.readouterr().err


@pytest.mark.parametrize("backbone", ["mimo-unet", "stripformer", "fftformer", "loformer"])
def test_published_models_have_the_published_number_of_parameters(backbone):
    listed = {"mimo-unet": "mimo_unet_plus", "loformer": "loformer_s"}.get(backbone, backbone)
    wanted = sum(int(np.prod(shape)) for network in (listed, "blurdm") for shape in names(network).values())
    with torch.device("meta"):
        assert sum(p.numel() for p in BlurDm(published_model(backbone)).parameters()) == wanted
