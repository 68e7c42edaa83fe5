"""The folders that data sets come in, and what is wrong with them, said before any long work starts."""

import shutil

import numpy as np
import pictures
import pytest
from PIL import Image

from training.errors import EvaluationError
from training.evaluate import evaluate
from training.layouts import check_pictures, find_pairs

PUBLISHED = {
    "exposures": pictures.exposures,
    "gopro": pictures.gopro,
    "hide": pictures.hide,
    "realblur-j": lambda folder: pictures.realblur(folder, "J"),
    "realblur-r": lambda folder: pictures.realblur(folder, "R"),
}


def _names(pairs) -> list[str]:
    return [pair.name for pair in pairs]


def test_gopro_is_read_scene_by_scene_and_its_gamma_blur_left_alone(tmp_path):
    pairs = find_pairs(pictures.gopro(tmp_path), "gopro")
    assert _names(pairs) == ["GOPR0384_11_00/000001", "GOPR0384_11_00/000002", "GOPR0384_11_00/000003", "GOPR0854_11_00/000007", "GOPR0854_11_00/000008"]
    assert [pair.scene for pair in pairs] == ["GOPR0384_11_00"] * 3 + ["GOPR0854_11_00"] * 2
    assert all(pair.blurred.parent.name == "blur" and pair.sharp.parent.name == "sharp" and pair.blurred.name == pair.sharp.name for pair in pairs)


def test_the_folder_test_of_gopro_can_be_given_itself(tmp_path):
    pictures.gopro(tmp_path)
    assert find_pairs(tmp_path / "test", "gopro") == find_pairs(tmp_path, "gopro")


def test_hide_takes_the_truth_of_both_halves_from_one_folder_that_may_hold_more(tmp_path):
    pairs = find_pairs(pictures.hide(tmp_path), "hide")
    assert _names(pairs) == ["test-close-ups/1fromGOPR0974", "test-close-ups/2fromGOPR0974", "test-long-shot/55fromGOPR1089"]
    assert all(pair.sharp.parent == tmp_path / "GT" and not pair.scene for pair in pairs)


@pytest.mark.parametrize("kind", ["J", "R"])
def test_realblur_is_read_as_its_list_says_truth_first(tmp_path, kind):
    pairs = find_pairs(pictures.realblur(tmp_path, kind), f"realblur-{kind.lower()}")
    assert _names(pairs) == ["scene050/blur/blur_1", "scene051/blur/blur_1"]
    assert all(pair.sharp.name == "gt_1.png" and pair.blurred.name == "blur_1.png" for pair in pairs)


def test_exposures_say_how_long_their_blur_is(tmp_path):
    assert [pair.length for pair in find_pairs(pictures.exposures(tmp_path))] == [0, 4, 16]


@pytest.mark.parametrize("layout", ["gopro", "hide", "realblur-j", "realblur-r"])
@pytest.mark.parametrize("sides", [("input", "target"), ("blur", "sharp")])
@pytest.mark.parametrize("parent", ["", "test"])
def test_the_repackaged_form_of_every_test_set_is_read(tmp_path, layout, sides, parent):
    pictures.flat(tmp_path / parent, *sides)
    pairs = find_pairs(tmp_path, layout)
    assert [(p.blurred, p.sharp) for p in pairs] == [(tmp_path / parent / sides[0] / n, tmp_path / parent / sides[1] / n) for n in ("1.png", "2.png")]


def test_repackaged_frames_of_gopro_know_their_scene_by_name(tmp_path):
    names = ("GOPR0384_11_00-000001.png", "GOPR0384_11_00-000002.png", "GOPR0854_11_00-000001.png", "other.png")
    assert [pair.scene for pair in find_pairs(pictures.flat(tmp_path, names=names), "gopro")] == ["GOPR0384_11_00", "GOPR0384_11_00", "GOPR0854_11_00", ""]


def test_hidden_files_of_an_archive_are_no_pictures(tmp_path):
    folder = pictures.flat(tmp_path)
    (folder / "input" / "._1.png").write_bytes(b"resource fork")
    assert len(find_pairs(folder, "hide")) == 2


NAMED_BY_THE_OTHER = [(layout, side) for layout in PUBLISHED for side in ("blurred", "sharp") if (layout, side) != ("hide", "blurred")]
"""Where a side that is gone leaves a trace: HIDE's folder of truths may hold more than is asked for."""


@pytest.mark.parametrize(("layout", "side"), NAMED_BY_THE_OTHER)
def test_a_missing_side_is_an_error_that_names_it_and_not_a_row_less(tmp_path, layout, side):
    folder = PUBLISHED[layout](tmp_path)
    missing = getattr(find_pairs(folder, layout)[1], side)
    missing.unlink()
    with pytest.raises(EvaluationError, match=missing.name):
        find_pairs(folder, layout)


@pytest.mark.parametrize("side", ["input", "target"])
def test_unequal_names_of_two_folders_are_an_error_that_names_the_one_that_is_alone(tmp_path, side):
    folder = pictures.flat(tmp_path)
    pictures.save(folder / side / "extra.png", pictures.texture())
    with pytest.raises(EvaluationError, match=rf"{'target' if side == 'input' else 'input'}/extra\.png is missing"):
        find_pairs(folder, "gopro")


@pytest.mark.parametrize("layout", PUBLISHED)
def test_an_empty_folder_and_one_that_is_not_there_are_errors_that_name_it(tmp_path, layout):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(EvaluationError, match=str(folder)):
            find_pairs(folder, layout)


def test_an_empty_half_of_hide_is_an_error(tmp_path):
    shutil.rmtree(pictures.hide(tmp_path) / "test" / "test-long-shot")
    with pytest.raises(EvaluationError, match="test-long-shot"):
        find_pairs(tmp_path, "hide")


def test_a_scene_without_its_sharp_folder_is_an_error(tmp_path):
    shutil.rmtree(pictures.gopro(tmp_path) / "test" / "GOPR0854_11_00" / "sharp")
    with pytest.raises(EvaluationError, match=r"GOPR0854_11_00/sharp/000007\.png"):
        find_pairs(tmp_path, "gopro")


@pytest.mark.parametrize(("text", "said"), [("only/one.png\n", "line 1"), ("\n\n", "names no picture")])
def test_a_list_of_realblur_that_is_not_one_is_an_error_that_names_the_line(tmp_path, text, said):
    (tmp_path / "RealBlur_J_test_list.txt").write_text(text)
    with pytest.raises(EvaluationError, match=rf"RealBlur_J_test_list\.txt.*{said}"):
        find_pairs(tmp_path, "realblur-j")


def test_an_exposure_whose_name_has_no_length_is_an_error(tmp_path):
    pictures.save_pair(tmp_path / "road_blurred.png", tmp_path / "road_sharp.png")
    with pytest.raises(EvaluationError, match=r"road_blurred\.png does not say"):
        find_pairs(tmp_path)


def test_exposures_of_which_none_is_blurred_are_an_error(tmp_path):
    pictures.save_pair(tmp_path / "road-00_blurred.png", tmp_path / "road-00_sharp.png")
    with pytest.raises(EvaluationError, match="nothing is blurred"):
        find_pairs(tmp_path)


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


BROKEN = {
    "cut short": (_truncated, "cannot be read"),
    "no picture": (lambda path: path.write_text("not found"), "cannot be read"),
    "of another size": (lambda path: pictures.save(path, pictures.texture(size=(96, 120))), "120x96, but .* 128x96|128x96, but .* 120x96"),
    "too small": (lambda path: pictures.save(path, pictures.texture(size=(16, 20))), "20x16: scoring needs 32x32"),
    "a JPEG": (lambda path: Image.fromarray(pictures.texture()).save(path, "JPEG"), "JPEG of mode RGB"),
    "grey": (lambda path: Image.fromarray(pictures.texture()).convert("L").save(path), "PNG of mode L"),
    "of 16 bits": (lambda path: Image.fromarray(np.zeros((96, 128), np.uint16)).save(path), "PNG of mode I;16"),
}


@pytest.mark.parametrize("side", ["input", "target"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_picture_that_cannot_be_scored_stops_the_evaluation_before_anything_is_restored(tmp_path, side, fault):
    folder = pictures.flat(tmp_path / "images")
    spoil, said = BROKEN[fault]
    spoil(folder / side / "2.png")
    with pytest.raises(EvaluationError, match=said) as error:
        evaluate("gopro", folder, None, tmp_path / "out", (1,))
    assert f"{side}/2.png" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", PUBLISHED)
def test_whole_pictures_of_equal_size_pass(tmp_path, layout):
    pairs = find_pairs(PUBLISHED[layout](tmp_path), layout)
    check_pictures(pairs)
    assert len(pairs) >= 2
