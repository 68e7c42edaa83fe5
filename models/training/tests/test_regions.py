"""Each region of a frame has a prior of its own, found around its middle; where all are alike it is as if there was one."""

import numpy as np
import pytest
import torch

from training.networks import SpectralEncoder
from training.networks.deconvolution import PriorDeconvolution
from training.networks.nano import NanoBackbone
from training.networks.regions import mixture, nearness

GRID = (2, 3)


def _noise(*size: int) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))


def _sideways(frame: torch.Tensor) -> torch.Tensor:
    """Blurred along its lines."""
    return torch.nn.functional.avg_pool2d(frame, (1, 9), 1, (0, 4))


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_every_place_is_restored_with_mixtures_of_the_nearest_regions(n):
    at = (torch.arange(n) + 0.5) / n
    shares = mixture(at, 3)
    assert torch.allclose(shares.sum(1), torch.ones(n))
    assert (shares >= 0).all()
    assert ((shares > 0).sum(1) <= 2).all()
    assert torch.equal(shares.argmax(1), (at * 3).floor().long().clamp(0, 2)) or n == 2
    assert torch.equal(mixture(torch.tensor([1 / 6, 0.5, 5 / 6, 0.0, 1.0]), 3).argmax(1), torch.tensor([0, 1, 2, 0, 2]))
    assert torch.equal(nearness(torch.tensor([1 / 6, 0.5, 5 / 6]), 3).argmax(1), torch.arange(3))


@pytest.mark.parametrize("size", [(16, 16), (67, 300), (360, 640)])
def test_a_grid_of_one_region_sees_what_the_whole_frame_shows(size):
    encoder, frame = SpectralEncoder().eval(), _noise(*size)
    assert torch.allclose(encoder.by_region(frame)[:, 0], encoder(frame), atol=1e-5)
    by_region = SpectralEncoder(regions=GRID).eval().by_region(frame)
    assert by_region.shape == (1, 6, 64)
    assert by_region.isfinite().all()


def test_a_blur_on_one_side_is_found_on_that_side():
    frame = _noise(360, 640)
    frame = torch.cat([_sideways(frame)[..., :320], frame[..., 320:]], dim=3)
    encoder = SpectralEncoder(regions=GRID)
    spectra = encoder.spectra_by_region(frame)[0, :, 0].unflatten(0, GRID)
    alone = [encoder.mean_spectra(side)[0, 0] for side in (_sideways(_noise(360, 640)), _noise(360, 640))]
    apart = (alone[0] - alone[1]).abs().mean()
    for row in spectra:
        assert (row[0] - alone[0]).abs().mean() < 0.25 * apart
        assert (row[2] - alone[1]).abs().mean() < 0.25 * apart


def _backbone(regions: tuple[int, int]) -> NanoBackbone:
    torch.manual_seed(3)
    backbone = NanoBackbone(8, channels=(8, 8, 8), regions=regions).eval()
    for layer in (backbone.deconvolution.spread_out, backbone.deconvolution.doubt_out, backbone.deconvolution.share_out, backbone.head):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return backbone.requires_grad_(False)


@pytest.mark.parametrize("size", [(16, 16), (48, 112), (192, 320)])
def test_regions_with_one_prior_are_restored_as_a_frame_with_that_prior(size):
    whole, regional = _backbone((1, 1)), _backbone(GRID)
    frame, prior = _noise(*size), torch.randn(1, 8, generator=torch.Generator().manual_seed(5))
    # What the half-turn is told by differs with the windows around a region.
    for backbone in (whole, regional):
        backbone.deconvolution.way = lambda *_: 1.0
    assert torch.allclose(regional(frame, prior.repeat(1, 6)), whole(frame, prior), atol=1e-5)


def test_the_prior_of_a_region_changes_what_lies_there_and_nothing_at_the_far_side():
    deconvolution = _backbone(GRID).deconvolution
    deconvolution.share_out.weight.zero_()
    deconvolution.way = lambda *_: 1.0
    frame, priors = _noise(192, 320), torch.zeros(1, 6, 8)
    before = deconvolution(frame, priors.flatten(1))
    priors[:, (2, 5)] = 1.0
    change = (deconvolution(frame, priors.flatten(1)) - before).abs().mean((0, 1, 2)).numpy()
    assert change[260:].min() > 1e-4
    assert change[: 320 // 2 - 32].max() < 1e-3 * change[260:].mean()


def test_each_region_tells_by_itself_which_way_its_path_ran():
    bent = np.zeros((25, 25), np.float32)
    for x in range(-6, 7):
        bent[12 + x * x // 8 - 2, 12 + x] = 1 / 13
    kernel = torch.from_numpy(bent[::-1, ::-1].copy())[None, None]
    coarse = torch.nn.functional.interpolate(torch.rand(1, 1, 24, 40, generator=torch.Generator().manual_seed(4)), scale_factor=8)

    def blurred(turned):
        return torch.nn.functional.conv2d(torch.nn.functional.pad(coarse, (12,) * 4, mode="reflect"), kernel.flip(2, 3) if turned else kernel)

    frame = torch.cat([blurred(False)[..., :160], blurred(True)[..., 160:]], dim=3)
    deconvolution = PriorDeconvolution(4, regions=(1, 2))
    with torch.no_grad():
        deconvolution.spread_out.weight.zero_()
        deconvolution.spread_out.bias.copy_(torch.from_numpy(bent).flatten().clamp_min(1e-9).log())
        restored = frame + deconvolution.of_luma(frame, torch.zeros(1, 8))

    def error(x, side):
        return (x - coarse)[..., side].square().mean()

    for side in (np.s_[16:112], np.s_[208:304]):
        assert error(restored, side) < 0.7 * error(frame, side)


def test_everything_is_made_on_the_device_that_the_frame_is_on():
    """The meta device stands in for a GPU: what stayed behind on the CPU would not go together with it."""
    frame = torch.zeros(1, 3, 96, 128, device="meta")
    assert SpectralEncoder(regions=GRID).to("meta").by_region(frame).device.type == "meta"
    deconvolution = PriorDeconvolution(4, regions=GRID).to("meta")
    assert deconvolution.of_luma(frame[:, :1], torch.zeros(1, 24, device="meta")).device.type == "meta"
