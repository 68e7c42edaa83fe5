"""MAXIM-3S: the package's weights, and what the network makes with and without BlurDM's prior."""

import sys
from dataclasses import replace
from pathlib import Path

import golden
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from training.import_checkpoint import CheckpointError
from training.import_maxim import MODEL, load_maxim, main, with_weights
from training.networks.maxim import Maxim
from training.networks.maxim_scales import Reduced
from training.tensorflow_js import Constant, read_constants

PACKAGE = Path("build/maxim")
TOLERANCE = 1e-5
"""Ten times tighter than the promise."""

SMALL = {"width": 4, "stages": 2}


@pytest.fixture(scope="module")
def package() -> Path:
    if not (PACKAGE / MODEL).is_file():
        pytest.skip(f"{PACKAGE} is not there: fetch it as models/training/README.md says")
    return PACKAGE


@pytest.fixture(scope="module")
def constants(package) -> list[Constant]:
    return read_constants(package / MODEL)


def _random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _small(prior: int | None) -> Maxim:
    torch.manual_seed(0)
    return Maxim(prior, **SMALL)


def test_the_imported_network_restores_what_the_package_restores(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["import", "--package", str(package), "--out", str(tmp_path / "maxim.safetensors")])
    main()
    network = Maxim(prior=None)
    network.load_state_dict(load_file(tmp_path / "maxim.safetensors"))
    reference = golden.arrays("maxim_3s")
    with torch.no_grad():
        restored = network(reference["x"].permute(0, 3, 1, 2) / 255, None)
    assert (restored.permute(0, 2, 3, 1) - reference["y"]).abs().max() < TOLERANCE


def _without(constants: list[Constant], reader: str) -> list[Constant]:
    left = [constant for constant in constants if not constant.reader.endswith(reader)]
    assert len(left) < len(constants)
    return left


def _changed(constants: list[Constant], reader: str, change) -> list[Constant]:
    assert any(constant.reader.endswith(reader) for constant in constants)
    return [replace(constant, values=change(constant.values)) if constant.reader.endswith(reader) else constant for constant in constants]


@pytest.mark.parametrize(("change", "message"), [
    (lambda c: _without(c, "stage_2_output_conv_0/Conv2D"), "1 missing: stages.2.head.weight"),
    (lambda c: _without(c, "UpSampleRatio_10/Conv_0/jit_fn_/AddV2"), "1 missing: stages.0.decoder.2.merge.rescale.1.bias"),
    (lambda c: [*c, Constant("backbone/stage_3_head/MatMul", "MatMul", np.ones(2, np.float32))], "1 not part of the network: backbone/stage_3_head/MatMul"),
    (lambda c: _changed(c, "stage_0_input_conv_1/Conv2D", lambda v: v[:1]), r"stages.0.shallow.1.weight \[64, 3, 1, 3\] instead of \[64, 3, 3, 3\]"),
    (lambda c: _changed(c, "stage_0_global_block_0/input_proj/jit_fn_/AddV2", lambda v: v * np.nan), "1 not finite: stages.0.bottleneck.0.enter.bias"),
    (lambda c: [], r"2750 missing: .* and 2745 more"),
])
def test_weights_that_do_not_fit_are_refused_by_name(constants, change, message):
    with torch.device("meta"):
        network = Maxim(prior=None)
    with pytest.raises(CheckpointError, match=message):
        with_weights(network, change(constants), PACKAGE / MODEL)


def test_a_folder_without_the_package_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"models/model\.json: there is no such file"):
        load_maxim(tmp_path)


def test_the_published_network_has_22_million_parameters_and_nine_fusions():
    with torch.device("meta"):
        fused, plain = Maxim(), Maxim(prior=None)
    assert sum(p.numel() for p in plain.parameters()) == 22_207_605
    assert set(plain.state_dict()) == {name for name in fused.state_dict() if ".kv." not in name}
    assert sum(name.endswith(".kv.weight") for name in fused.state_dict()) == 9


def test_a_prior_of_ones_changes_nothing_at_the_start():
    plain, fused = _small(None), _small(16)
    fused.load_state_dict(plain.state_dict(), strict=False)
    frame = _random(2, 3, 64, 128)
    with torch.no_grad():
        assert golden.difference(fused(frame, torch.ones(2, 16)), plain(frame, None)) < 1e-6


def test_the_prior_reaches_the_picture_through_every_fusion():
    network = _small(16)
    network(_random(1, 3, 64, 64), torch.randn(1, 16)).square().mean().backward()
    fused = [p for name, p in network.named_parameters() if ".kv." in name]
    assert len(fused) == 3 * SMALL["stages"]
    assert all(p.grad.abs().sum() > 0 for p in fused)
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_reducing_is_bilinear_resizing_with_antialiasing():
    x = _random(2, 40, 24, 3)
    for factor in (2, 4):
        wanted = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=1 / factor, mode="bilinear", antialias=True)
        assert torch.allclose(Reduced(3, factor)(x), wanted.permute(0, 2, 3, 1), atol=1e-6)


@pytest.mark.parametrize(("sizes", "message"), [
    ({"width": 30}, "width must be a multiple of 4 from 4 up, got 30"),
    ({"width": 0}, "width must be a multiple of 4"),
    ({"stages": 0}, "stages must be at least 1"),
    ({"prior": 0}, "prior must be at least 1"),
])
def test_sizes_that_cannot_be_built_are_refused_by_name(sizes, message):
    with pytest.raises(ValueError, match=message):
        Maxim(**sizes)


def test_a_frame_that_is_not_padded_is_refused():
    with pytest.raises(ValueError, match="multiples of 64, got 64 x 96; pad it"):
        _small(None)(torch.zeros(1, 3, 64, 96), None)


def test_a_prior_that_does_not_fit_the_network_is_refused():
    frame = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"built for \[B, 16\], got None"):
        _small(16)(frame, None)
    with pytest.raises(ValueError, match="built without fusion"):
        _small(None)(frame, torch.zeros(1, 16))
