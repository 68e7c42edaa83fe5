"""Spectra kept for stage 2 are the spectra of the pictures that they stand for."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training.batches import Batches
from training.config import Stage
from training.networks import SpectralEncoder
from training.spectra import SpectraPool, mirrored, transposed

STAGE = Stage(number=2, steps=10, crop=64, batch=4, rate=1e-3, final_rate=1e-5, loss="latent", telling_share=1.0, kept=12)


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    noise = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.avg_pool2d(noise, (1, 5), 1, (0, 2))


@pytest.mark.parametrize("turn, of_spectra, near", ((lambda x: x.flip(2), mirrored, 1e-3), (lambda x: x.transpose(2, 3), transposed, 0.1)))
def test_turned_spectra_are_the_spectra_of_the_turned_picture(pictures, turn, of_spectra, near):
    encoder = SpectralEncoder()
    own, turned = encoder.mean_spectra(pictures), encoder.mean_spectra(turn(pictures))
    assert (own - turned).abs().max() > 1
    assert (of_spectra(own) - turned).abs().max() < near


def test_an_interrupted_pool_goes_on_where_it_was_and_holds_the_same(store, tmp_path):
    whole = SpectraPool(tmp_path / "whole", Batches(store, True), STAGE)
    SpectraPool(tmp_path / "half", Batches(store, True), STAGE)
    for file in (tmp_path / "half").glob("*.npy"):
        np.load(file, mmap_mode="r+")[8:] = 0
    again = SpectraPool(tmp_path / "half", Batches(store, True), STAGE)
    for a, b in zip(whole.next(20, np.random.default_rng(2)), again.next(20, np.random.default_rng(2))):
        assert torch.equal(a, b) and a.any(dim=-1).any()


def test_a_pool_of_another_number_is_made_anew(store, tmp_path):
    for kept in (12, 24):
        assert len(SpectraPool(tmp_path, Batches(store, True), replace(STAGE, kept=kept))) == kept
