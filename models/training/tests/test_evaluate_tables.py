"""The tables: the paper's figures, and ours beside them."""

from pathlib import Path

import numpy as np
import pytest

from training.layouts import Pair
from training.paper import BACKBONES, TEST_SETS
from training.tables import Result, methods_table, paper_table, summary, table

METHODS = ("identity", "unsharp", "wiener", "blurdm, 1 step", "blurdm, 5 steps")
SETTINGS = {"unsharp": (1, 0.3), "wiener": (0.8, 0.03)}


def _result(layout: str, count: int = 40, lengths: tuple[int | None, ...] = (None,), leave_out: tuple[str, ...] = (), **more: float) -> Result:
    """Every method 0.5 dB above the one before it, on average."""
    pairs = [Pair(f"picture {i}", Path(), Path(), length=lengths[i % len(lengths)]) for i in range(count)]
    spread = np.random.default_rng(0).normal(0, 1, count)
    means = {"ssim": 0.9, "ssim_volume": 0.95, "lpips": 0.11, "lpips_squashed": 0.0123, "temporal_error": 2.5}

    def scores(rank, i):
        return {"psnr": 30 + 0.5 * rank + spread[i], **means, "sharp_psnr": 70.0 if rank == 0 else 50 + spread[i], **more}

    def kept(row):
        return {metric: value for metric, value in row.items() if metric not in leave_out}

    return Result(layout, pairs, SETTINGS, {method: [kept(scores(rank, i)) for i in range(count)] for rank, method in enumerate(METHODS)})


def _cells(markdown: str, first: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("| ").split("|")]


@pytest.mark.parametrize("layout", TEST_SETS)
@pytest.mark.parametrize(("metric", "half_a_digit"), [("psnr", 0.006), ("ssim", 0.0011), ("lpips", 0.00006)])
def test_the_gains_that_the_paper_states_follow_from_its_rows(layout, metric, half_a_digit):
    paper = TEST_SETS[layout]
    gains = [getattr(with_prior, metric) - getattr(alone, metric) for alone, with_prior in paper.rows]
    assert len(gains) == len(BACKBONES)
    assert np.mean(gains) == pytest.approx(getattr(paper.gain, metric), abs=half_a_digit)


def test_our_columns_stand_beside_the_papers_with_an_interval():
    markdown = paper_table(_result("gopro"))
    assert _cells(markdown, "GoPro")[1:3] == ["MIMO-UNet", "+ BlurDM"]
    assert _cells(markdown, "GoPro")[-2:] == ["this bundle, 1 step (95 %)", "this bundle, 5 steps (95 %)"]
    psnr = _cells(markdown, "PSNR, dB")
    assert psnr[1:9] == ["32.44", "32.93", "33.09", "33.53", "34.21", "34.34", "33.54", "33.70"]
    mean, low, high = (float(word.strip("()")) for word in psnr[-1].replace("to ", "").split())
    assert low < mean < high
    assert mean == pytest.approx(32, abs=0.5)
    assert high - low == pytest.approx(4 / 40**0.5, abs=0.2)
    assert _cells(markdown, "LPIPS")[-1] == "0.0123 (0.0123 to 0.0123)"


def test_the_papers_ssim_is_the_volume_for_gopro_and_the_masked_one_for_realblur():
    assert _cells(paper_table(_result("gopro")), "SSIM")[-1].startswith("0.950")
    assert _cells(paper_table(_result("realblur-j", leave_out=("ssim_volume", "temporal_error"), converged=1.0)), "SSIM")[-1].startswith("0.900")


def test_part_of_a_test_set_is_said_to_be_no_match_for_the_paper():
    assert "40 pictures, where the test set has 1111: not to be compared" in paper_table(_result("gopro"))
    assert "All 1111 pictures." in paper_table(_result("gopro", 1111))


def test_what_was_not_measured_is_said_and_never_a_figure():
    markdown = table(_result("gopro", leave_out=("lpips", "lpips_squashed")))
    assert _cells(markdown, "LPIPS")[-1] == "not measured"
    assert "LPIPS was not measured" in markdown


def test_alignments_that_did_not_converge_are_counted_and_named():
    result = _result("realblur-r", leave_out=("ssim_volume", "temporal_error"), converged=1.0)
    assert "Every picture could be aligned." in methods_table(result)
    result.methods["wiener"][3]["converged"] = 0.0
    assert "did not converge, whose pictures count unaligned: 1 (wiener: picture 3)." in methods_table(result)


def test_temporal_error_and_harm_to_sharp_frames_stand_beside_the_scores():
    markdown = methods_table(_result("gopro"))
    header, row = _cells(markdown, "method"), _cells(markdown, "blurdm, 5 steps")
    by_name = dict(zip(header, row, strict=True))
    assert by_name["mean temporal error"] == "2.50"
    sharp = _result("gopro").sharp_values("blurdm, 5 steps")
    assert by_name["sharp frames, dB"] == f"{np.mean(sharp):.1f} (lowest {min(sharp):.1f})"
    assert by_name["gain, dB (95 %)"] == "+2.00 (+2.00 to +2.00)"
    assert _cells(markdown, "identity")[-1] == "identical"


def test_exposures_have_a_column_per_length_and_sharp_ones_count_for_harm_alone():
    result = _result("exposures", lengths=(0, 4, 16), leave_out=("temporal_error",))
    markdown = table(result)
    assert _cells(markdown, "method")[1:4] == ["4 px", "16 px", "mean PSNR"]
    assert "Pictures: 13 of 4 px, 13 of 16 px; 14 sharp." in markdown
    blurred = [scores["psnr"] for pair, scores in zip(result.pairs, result.methods["identity"], strict=True) if pair.length]
    assert _cells(markdown, "identity")[3] == f"{np.mean(blurred):.2f}"


def test_the_manifest_gets_the_gain_of_every_number_of_steps_on_exposures():
    scores = summary(_result("exposures", lengths=(0, 4)))
    assert set(scores) == {"blurred_psnr", "sharp_frames_psnr", "gain_1", "gain_5"}
    assert (scores["gain_1"], scores["gain_5"]) == (1.5, 2.0)


def test_the_manifest_gets_the_papers_metrics_of_a_test_set():
    scores = summary(_result("hide", leave_out=("temporal_error",)))
    assert set(scores) == {"hide_psnr", "hide_ssim", "hide_lpips", "hide_blurred_psnr", "hide_sharp_frames_psnr"}
    assert (scores["hide_ssim"], scores["hide_lpips"]) == (0.95, 0.0123)
    assert scores["hide_psnr"] == pytest.approx(scores["hide_blurred_psnr"] + 1.5)
