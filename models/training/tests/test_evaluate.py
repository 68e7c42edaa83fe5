"""The whole way: folders in, through the element, scores out."""

import json
import subprocess
import sys

import numpy as np
import pictures
import pytest

from training.element import check_element, restore_through_element
from training.errors import EvaluationError
from training.evaluate import evaluate
from training.layouts import find_pairs, read_picture
from training.metrics import psnr, temporal_error
from training.scoring import Restored, Scorer, score_pictures

SETTINGS = {"unsharp": (1, 0.3), "wiener": (0.8, 0.03)}


@pytest.fixture(scope="module")
def element() -> None:
    try:
        check_element(None)
    except EvaluationError as error:
        pytest.skip(f"restoring needs the element: {error}")


def _evaluate(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-W", "error", "-m", "training.evaluate", *map(str, arguments)], check=False, capture_output=True, text=True)


def _as_if_restored(folder, pairs) -> list:
    """Pictures that a restoration might have left: sharper than the blurred ones, each with its own flaw."""
    return [pictures.save(folder / f"{i}.png", pictures.blurred(read_picture(p.sharp), 0.3 + 0.1 * i)) for i, p in enumerate(pairs)]


@pytest.fixture
def gopro(tmp_path) -> tuple[list, Restored]:
    pairs = find_pairs(pictures.gopro(tmp_path / "images"), "gopro")
    files = _as_if_restored(tmp_path / "restored", pairs)
    return pairs, Restored({"blurdm, 1 step": files}, {"blurdm, 1 step": [p.sharp for p in pairs]})


def test_every_picture_is_scored_against_its_own_truth_beside_the_baselines(gopro):
    pairs, restored = gopro
    scores = score_pictures(pairs, restored, Scorer(SETTINGS, None, aligned=False))
    assert list(scores) == ["identity", "unsharp", "wiener", "blurdm, 1 step"]
    for method, files in (("identity", [p.blurred for p in pairs]), ("blurdm, 1 step", restored.blurred["blurdm, 1 step"])):
        assert [row["psnr"] for row in scores[method]] == [psnr(read_picture(f), read_picture(p.sharp)) for f, p in zip(files, pairs, strict=True)]


def test_the_temporal_error_is_taken_between_frames_of_one_scene_and_never_across_scenes(gopro):
    pairs, restored = gopro
    rows = score_pictures(pairs, restored, Scorer(SETTINGS, None, aligned=False))["blurdm, 1 step"]
    assert ["temporal_error" in row for row in rows] == [False, True, True, False, True]
    frames = [read_picture(f) for f in restored.blurred["blurdm, 1 step"]]
    assert rows[2]["temporal_error"] == temporal_error(frames[2], frames[1], read_picture(pairs[2].sharp), read_picture(pairs[1].sharp))


def test_harm_is_measured_on_the_sharp_side_put_through_the_same_method(gopro):
    pairs, restored = gopro
    scores = score_pictures(pairs, restored, Scorer(SETTINGS, None, aligned=False))
    assert {row["sharp_psnr"] for row in scores["identity"] + scores["blurdm, 1 step"]} == {70}
    assert all(row["sharp_psnr"] < 60 for row in scores["wiener"])


def test_realblur_pictures_of_differing_sizes_are_aligned_before_they_are_scored(tmp_path):
    pairs = find_pairs(pictures.realblur(tmp_path, "J"), "realblur-j")

    def darker(p):
        return (0.7 * read_picture(p.sharp)).round().astype(np.uint8)

    files = [pictures.save(tmp_path / "restored" / f"{i}.png", darker(p)) for i, p in enumerate(pairs)]
    rows = score_pictures(pairs, Restored({"blurdm, 1 step": files}), Scorer(SETTINGS, None, aligned=True))["blurdm, 1 step"]
    assert all(row["converged"] == 1 and row["psnr"] > 45 for row in rows)
    assert all(psnr(read_picture(f), read_picture(p.sharp)) < 20 for f, p in zip(files, pairs, strict=True))


def test_scores_do_not_depend_on_how_many_processes_make_them(gopro):
    pairs, restored = gopro
    scorer = Scorer(SETTINGS, None, aligned=False)
    assert score_pictures(pairs, restored, scorer, workers=2) == score_pictures(pairs, restored, scorer, workers=1)


def test_a_bundle_that_is_none_is_an_error_before_anything_is_restored(element, tmp_path):
    with pytest.raises(EvaluationError, match=r"manifest\.toml"):
        evaluate("hide", pictures.flat(tmp_path / "images"), tmp_path, tmp_path / "out", (1,))
    assert not (tmp_path / "out").exists()


def test_a_plugin_that_is_not_found_is_an_error_that_says_what_to_set(element, tmp_path, monkeypatch):
    for variable in ("GST_PLUGIN_PATH", "GST_PLUGIN_PATH_1_0"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("GST_REGISTRY", str(tmp_path / "registry.bin"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(EvaluationError, match=r"no element blurdm.*GST_PLUGIN_PATH"):
        check_element(None)


def test_pictures_of_several_sizes_go_through_the_element_and_come_back_in_order(element, tmp_path):
    pairs = find_pairs(pictures.realblur(tmp_path / "images", "J"), "realblur-j")
    pairs = [pairs[0], pairs[1], pairs[0]]
    files = restore_through_element(pairs, None, 1, tmp_path / "out")
    restored = [read_picture(f) for f in files]
    assert [r.shape for r in restored] == [read_picture(p.blurred).shape for p in pairs]
    assert np.array_equal(restored[0], restored[2])
    assert all(psnr(r, read_picture(p.blurred)) > 20 for r, p in zip(restored, pairs, strict=True))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.png", "00001.png", "00002.png"]


def test_any_folder_name_will_do(element, tmp_path):
    folder = tmp_path / """it's 100 %d, "really" """
    pairs = find_pairs(pictures.flat(folder / "images"), "hide")
    assert all(f.is_file() for f in restore_through_element(pairs, None, 1, folder / "out"))


def test_what_the_element_says_is_passed_on_when_it_fails(element, tmp_path):
    pairs = find_pairs(pictures.flat(tmp_path / "images"), "hide")
    with pytest.raises(EvaluationError, match=r"restored 0 of 2 pictures(.|\n)*steps"):
        restore_through_element(pairs, None, 99, tmp_path / "out")


def test_steps_that_the_bundle_cannot_make_are_an_error_before_the_long_work(element, tmp_path):
    with pytest.raises(EvaluationError, match="steps"):
        evaluate("hide", pictures.flat(tmp_path / "images"), None, tmp_path / "out", (1, 99))
    assert not (tmp_path / "out" / "steps1").exists()


def test_the_command_writes_tables_means_and_every_picture(element, tmp_path):
    pictures.gopro(tmp_path / "images")
    run = _evaluate("--layout", "gopro", "--images", tmp_path / "images", "--out", tmp_path / "out", "--steps", 1, 2, "--workers", 1)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out" / "scores.md").read_text() == run.stdout
    assert "| GoPro | MIMO-UNet |" in run.stdout
    assert "this bundle, 2 steps (95 %)" in run.stdout
    every = json.loads((tmp_path / "out" / "pictures.json").read_text())
    assert set(every) == {"identity", "unsharp", "wiener", "blurdm, 1 step", "blurdm, 2 steps"}
    means = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert means["gopro_psnr"] == pytest.approx(np.mean([row["psnr"] for row in every["blurdm, 1 step"].values()]), abs=1e-3)
    assert means["gopro_sharp_frames_psnr"] > 20
    assert means["gopro_temporal_error"] > 0


def test_the_command_scores_exposures_as_validation_without_more_words(element, tmp_path):
    run = _evaluate("--validation", pictures.exposures(tmp_path / "images"), "--out", tmp_path / "out", "--workers", 1)
    assert run.returncode == 0, run.stderr
    assert set(json.loads((tmp_path / "out" / "scores.json").read_text())) == {"blurred_psnr", "sharp_frames_psnr", "gain_1", "gain_2", "gain_5"}
    assert "| method | 4 px | 16 px | mean PSNR | gain, dB (95 %) | mean SSIM |" in run.stdout


def test_the_command_ends_with_one_line_that_names_the_fault(tmp_path):
    folder = pictures.hide(tmp_path / "images")
    (folder / "GT" / "2fromGOPR0974.png").unlink()
    run = _evaluate("--layout", "hide", "--images", folder, "--out", tmp_path / "out")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert "GT/2fromGOPR0974.png is missing" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()
