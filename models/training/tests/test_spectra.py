"""Spectra kept for stage 2 are the spectra of the pictures that they stand for."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.batches import Batches
from training.config import Stage, load_config
from training.networks import SpectralEncoder
from training.spectra import SpectraPool, keeping_stage, mirrored, transposed

CONFIGS = Path(__file__).parents[1] / "configs"
STAGE = Stage(number=2, steps=10, crop=64, batch=4, rate=1e-3, final_rate=1e-5, loss="latent", telling_share=1.0, kept=12)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    noise = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.avg_pool2d(noise, (1, 5), 1, (0, 2))


@pytest.mark.parametrize(("turn", "of_spectra", "near"), [(lambda x: x.flip(2), mirrored, 1e-3), (lambda x: x.transpose(2, 3), transposed, 0.1)])
def test_turned_spectra_are_the_spectra_of_the_turned_picture(pictures, turn, of_spectra, near):
    encoder = SpectralEncoder()
    own, turned = encoder.mean_spectra(pictures), encoder.mean_spectra(turn(pictures))
    assert (own - turned).abs().max() > 1
    assert (of_spectra(own) - turned).abs().max() < near


@pytest.mark.parametrize("stage", [STAGE, replace(STAGE, pictures=3, remade_share=0.5)])
def test_an_interrupted_pool_goes_on_where_it_was_and_holds_the_same(store, tmp_path, stage):
    whole = SpectraPool(tmp_path / "whole", Batches(store, True), stage)
    SpectraPool(tmp_path / "half", Batches(store, True), stage)
    for file in (tmp_path / "half").glob("*.npy"):
        np.load(file, mmap_mode="r+")[8:] = 0
    again = SpectraPool(tmp_path / "half", Batches(store, True), stage)
    for a, b in zip(whole.next(20, np.random.default_rng(2)), again.next(20, np.random.default_rng(2)), strict=True):
        assert torch.equal(a, b)
        assert a.any(dim=-1).any()


def test_a_pool_of_another_number_is_made_anew(store, tmp_path):
    for kept in (12, 24):
        assert len(SpectraPool(tmp_path, Batches(store, True), replace(STAGE, kept=kept))) == kept


def test_a_frame_of_regions_has_the_spectra_of_all_its_windows(pictures):
    encoder = SpectralEncoder()
    assert torch.allclose(encoder.spectra_of_regions(pictures[:1]), encoder.mean_spectra(pictures[:1]))
    whole, halves = encoder.mean_spectra(pictures[:1, :, :, :192]), torch.stack([pictures[0, :, :, :96], pictures[0, :, :, 96:192]])
    together = encoder.spectra_of_regions(halves)
    # Not the windows that lie across both.
    assert (together - whole).abs().mean() < 0.5 < (encoder.mean_spectra(pictures[1:]) - whole).abs().max()


def test_spectra_can_be_kept_ahead_of_a_run(store, tmp_path):
    config = tmp_path / "c.toml"
    text = (CONFIGS / "nano.toml").read_text()
    config.write_text(re.sub(r"(?m)^kept = .*$", "kept = 12", re.sub(r"(?m)^pictures = .*$", "pictures = 2", text)))
    command = [sys.executable, "-m", "training.spectra", "--config", config, "--patches", store, "--out", tmp_path / "spectra"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("12 spectra")
    ahead = np.load(tmp_path / "spectra/spectra.npy")
    stage = keeping_stage(load_config(config), config)
    SpectraPool(tmp_path / "run", Batches(store, True), stage)
    assert ahead.any(axis=(1, 2, 3)).all()
    assert np.array_equal(ahead, np.load(tmp_path / "run/spectra.npy"))
    refused = subprocess.run([*command[:4], CONFIGS / "small.toml", *command[5:]], check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "no stage keeps spectra" in refused.stderr
