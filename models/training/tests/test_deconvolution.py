"""A prior that holds the exposure's point spread takes the blur back; and exposures remade while training are exposures."""

import numpy as np
import pytest
import torch

from training.exposure import Camera, Layer, expose, point_spread, random_motion, sub_frames, to_linear, to_srgb
from training.networks.deconvolution import PriorDeconvolution
from training.remade import SpreadPool, blur_anew, exposed_regions, random_spread

SIDE, MARGIN = 128, 24


def _scene(seed: int) -> torch.Tensor:
    """Something with edges, flat parts and texture, in linear light [3, h, w]."""
    draw = torch.Generator().manual_seed(seed)
    side = SIDE + 2 * MARGIN
    coarse, fine = (torch.rand(1, 1, side // pixels, side // pixels, generator=draw) for pixels in (8, 2))
    enlarged = [torch.nn.functional.interpolate(x, (side, side)) for x in (coarse, fine)]
    return to_linear(0.2 + 0.4 * enlarged[0] + 0.2 * enlarged[1])[0].repeat(3, 1, 1)


def _exposed(length: float, seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """(blurred, sharp, point spread) of an even blur; the pictures in sRGB [1, 3, 128, 128]."""
    motion = random_motion(np.random.default_rng(seed), length, (SIDE, SIDE))
    motion.turn = motion.zoom = 0.0
    blurred, sharp = expose(sub_frames([Layer(_scene(seed), motion)], (SIDE, SIDE)))
    return to_srgb(blurred)[None], to_srgb(sharp)[None], point_spread(motion.path_at((0, 0), SIDE), 12)


def _knowing(spread: np.ndarray) -> PriorDeconvolution:
    """A deconvolution whose prior says this, whatever the prior."""
    deconvolution = PriorDeconvolution(4)
    with torch.no_grad():
        deconvolution.spread_out.weight.zero_()
        deconvolution.spread_out.bias.copy_(torch.from_numpy(spread).flatten().clamp_min(1e-9).log())
    return deconvolution.requires_grad_(False)


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.mark.parametrize("length", [4, 8, 14])
def test_a_known_blur_is_taken_back(length):
    gains = []
    for seed in (1, 2, 3, 4, 5):
        blurred, sharp, spread = _exposed(length, seed)
        gains.append(_psnr(blurred + _knowing(spread)(blurred, torch.zeros(1, 4)), sharp) - _psnr(blurred, sharp))
    assert min(gains) > 0.5
    assert np.mean(gains) > 1.5


def test_a_frame_that_the_prior_calls_sharp_stays_as_it_is():
    frame, _, _ = _exposed(4, 1)
    sharp = np.zeros((25, 25), np.float32)
    sharp[12, 12] = 1
    assert _knowing(sharp)(frame, torch.zeros(1, 4)).abs().max() < 1e-5


@pytest.mark.parametrize("length", [8, 14])
def test_the_frame_tells_which_way_its_path_ran(length):
    right = []
    for seed in range(8):
        blurred, sharp, spread = _exposed(length, seed)
        true, turned = (_knowing(np.ascontiguousarray(way))(blurred, torch.zeros(1, 4)) for way in (spread, spread[::-1, ::-1]))
        assert torch.allclose(true, turned, atol=1e-5), "a path and that path turned by half a circle are one to the prior"
        wrong = _knowing(np.ascontiguousarray(spread[::-1, ::-1]))
        wrong.way = lambda *_: 1.0
        right.append(_psnr(blurred + true, sharp) > _psnr(blurred + wrong(blurred, torch.zeros(1, 4)), sharp))
    assert sum(right) >= 7


def test_a_spread_turned_by_half_a_circle_is_as_near():
    _, _, spread = _exposed(9, 5)
    turned = torch.from_numpy(np.ascontiguousarray(spread[::-1, ::-1]))[None]
    assert _knowing(spread).distance(torch.zeros(1, 4), turned) < 1e-2 < _knowing(spread).distance(torch.zeros(1, 4), turned.transpose(1, 2))


@pytest.mark.parametrize("share", [1, 4])
@pytest.mark.parametrize("size", [(16, 16), (32, 48), (64, 80), (112, 128)])
def test_every_window_is_filtered_as_the_fourier_transform_would(size, share):
    _, _, spread = _exposed(9, 5)
    frame = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(3)).expand(1, 3, *size)
    deconvolution = _knowing(spread)
    deconvolution.share_out.bias.fill_(np.log(share))
    deconvolution.way = lambda *_: 1.0
    got = deconvolution(frame, torch.zeros(1, 4))[0, 0].numpy()

    kernel = np.zeros((64, 64))
    kernel[:25, :25] = spread[::-1, ::-1]
    transfer = np.fft.fft2(np.roll(kernel, (-12, -12), (0, 1)))
    frequency = np.fft.fftfreq(64)
    ratio = 3 * (frequency[:, None] ** 2 + frequency**2) + 1e-3
    inverse = transfer.conj() * (1 - transfer) / (abs(transfer) ** 2 + share * ratio)
    inverse[32] = inverse[:, 32] = 0
    taper = np.minimum((np.minimum(np.arange(64), np.arange(64)[::-1]) + 0.5) / 16, 1)
    missing = [side % 32 for side in size]
    luma = np.pad(np.pad(frame[0, 0].numpy(), 15, mode="reflect"), [(1, 1 + m) for m in missing], mode="edge")
    want = np.zeros([side + m for side, m in zip(size, missing, strict=True)])
    for y in range(0, want.shape[0], 32):
        for x in range(0, want.shape[1], 32):
            window = luma[y : y + 64, x : x + 64]
            filtered = np.fft.ifft2(np.fft.fft2((window - window.mean()) * np.outer(taper, taper)) * inverse).real
            want[y : y + 32, x : x + 32] = filtered[16:48, 16:48]
    assert np.abs(got - want[: size[0], : size[1]]).max() < 1e-5 * np.abs(want).max() + 1e-5


def test_what_noise_hides_in_a_flat_window_is_brought_back_in_a_busy_one():
    """Learnt on exposures whose left half is faint, with noise: it pays to sharpen the right half more."""
    torch.manual_seed(2)
    faint = torch.ones(SIDE)
    faint[: SIDE // 2] = 0.1
    blurred, sharp, spread = _exposed(9, 5)
    blurred, sharp = (0.5 + (side - 0.5) * faint for side in (blurred, sharp))
    noisy = blurred + 0.01 * torch.randn(8, 1, SIDE, SIDE)
    deconvolution = _knowing(spread)
    learnt = [p.requires_grad_() for n, p in deconvolution.named_parameters() if n.startswith(("share_", "noise."))]
    prior = torch.zeros(8, 4)

    def error():
        return (noisy + deconvolution(noisy, prior) - sharp).square().mean()

    alike = float(error().detach())
    optimiser = torch.optim.Adam(learnt, 2e-2)
    for _ in range(60):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    with torch.no_grad():
        done = deconvolution(noisy, prior).square().mean((0, 1, 2)) / faint**2
    assert float(error().detach()) < 0.9 * alike
    assert done[: SIDE // 2 - 32].mean() < 0.5 * done[SIDE // 2 + 32 :].mean()


def test_a_prior_learns_to_hold_a_point_spread():
    torch.manual_seed(1)
    deconvolution, spreads = PriorDeconvolution(8), torch.from_numpy(np.stack([_exposed(n, n)[2] for n in (3, 9)]))
    prior = torch.eye(2, 8)
    optimiser = torch.optim.Adam(deconvolution.parameters(), 1e-2)
    before = deconvolution.distance(prior, spreads)
    for _ in range(200):
        optimiser.zero_grad()
        deconvolution.distance(prior, spreads).backward()
        optimiser.step()
    assert deconvolution.distance(prior, spreads) < 0.2 * before
    assert torch.allclose(deconvolution.spread(prior).sum((1, 2)), torch.ones(2))


def test_a_picture_blurred_anew_is_what_the_exposure_would_have_been():
    scene = _scene(4)
    motion = random_motion(np.random.default_rng(6), 9, (SIDE, SIDE))
    motion.turn = motion.zoom = 0.0
    blurred, _ = expose(sub_frames([Layer(scene, motion)], (SIDE, SIDE)))
    picture = (to_srgb(scene) * 255).round().byte().permute(1, 2, 0).numpy()
    again = blur_anew(picture, point_spread(motion.path_at((0, 0), SIDE), 12), Camera(), np.random.default_rng())[MARGIN:-MARGIN, MARGIN:-MARGIN]
    want = (to_srgb(blurred) * 255).permute(1, 2, 0).numpy()
    assert np.abs(again - want).mean() < 1.5


def test_a_picture_blurred_along_no_path_stays_sharp():
    picture = (to_srgb(_scene(7)) * 255).round().byte().permute(1, 2, 0).numpy()
    still = point_spread(np.zeros((33, 2)), 12)
    assert np.abs(blur_anew(picture, still, Camera(), np.random.default_rng()).astype(int) - picture).max() <= 1


def test_spreads_of_random_paths_hold_all_the_light_and_are_never_short_of_any():
    rng = np.random.default_rng(3)
    for _ in range(200):
        spread = random_spread(rng, 256)
        assert spread.sum() == pytest.approx(1, abs=1e-5)
        assert spread.min() >= 0
    batch = SpreadPool(rng, 256, 20).next(50, rng)
    assert batch.shape == (50, 25, 25)
    assert torch.allclose(batch.sum((1, 2)), torch.ones(50), atol=1e-5)


def test_long_spreads_are_drawn_as_often_as_short_ones():
    rng = np.random.default_rng(4)
    extents = np.array([np.ptp(np.argwhere(spread > 1e-3), axis=0).max() for spread in SpreadPool(rng, 256, 400).next(400, rng).numpy()])
    assert 0.6 < (extents >= 8).sum() / (extents < 8).sum() < 1.7


def test_regions_of_a_frame_are_blurred_each_where_it_lies_and_their_spreads_are_averaged():
    picture = (to_srgb(_scene(7)) * 255).round().byte().permute(1, 2, 0).numpy()
    seen_alike = seen_apart = False
    for seed in range(30):
        regions, spread = exposed_regions([picture] * 4, np.random.default_rng(seed))
        assert len(regions) == 4
        assert spread.shape == (25, 25)
        assert spread.sum() == pytest.approx(1, abs=1e-5)
        apart = max(np.abs(regions[0].astype(float) - region).mean() for region in regions)
        noise = spread.max() > 0.99
        seen_alike |= apart == 0
        seen_apart |= apart > 2 and not noise
    assert seen_alike
    assert seen_apart
