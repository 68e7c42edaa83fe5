"""An int8 variant has ranges of the length that serves the whole graph best."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.convolutions import light_linear_convolutions
from training.quantise import narrow_ranges

WIDE = 4.0
"""The range of the input in the quantised graph; values are in 0..1."""


def _graph(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    sides = [1, "height", "width", 4]
    inputs, outputs = ([helper.make_tensor_value_info(name, TensorProto.UINT8, sides)] for name in ("frame", "restored"))
    initial = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, initial), opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    return model


def _numbers() -> list[onnx.NodeProto]:
    return [helper.make_node("Cast", ["frame"], ["numbers"], to=TensorProto.FLOAT), helper.make_node("Div", ["numbers", "levels"], ["shares"]),
            helper.make_node("Transpose", ["shares"], ["planes"], perm=[0, 3, 1, 2])]


def _bytes() -> list[onnx.NodeProto]:
    return [helper.make_node("Transpose", ["mixed"], ["pixels"], perm=[0, 2, 3, 1]), helper.make_node("Mul", ["pixels", "levels"], ["scaled"]),
            helper.make_node("Clip", ["scaled", "black", "levels"], ["clipped"]), helper.make_node("Cast", ["clipped"], ["restored"], to=TensorProto.UINT8)]


@pytest.fixture
def pair(tmp_path) -> tuple[Path, onnx.ModelProto]:
    """A convolution that mixes channels, and its int8 variant whose input has too wide a range."""
    rng = np.random.default_rng(1)
    mixing = rng.uniform(0, 0.5, (4, 4, 1, 1)).astype(np.float32)
    bias = rng.uniform(0, 0.1, 4).astype(np.float32)
    common = {"levels": np.float32(255).reshape(()), "black": np.float32(0).reshape(())}
    exact = _graph([*_numbers(), helper.make_node("Conv", ["planes", "mixing", "bias"], ["mixed"]), *_bytes()], common | {"mixing": mixing, "bias": bias})
    scale, of_weights = np.float32(WIDE / 255).reshape(()), (np.abs(mixing).max((1, 2, 3)) / 127).astype(np.float32)
    quantised = _graph([
        *_numbers(), helper.make_node("QuantizeLinear", ["planes", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("DequantizeLinear", ["weights", "of_weights", "weights_zero"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["offsets", "of_offsets", "offsets_zero"], ["b"], axis=0),
        helper.make_node("Conv", ["d", "w", "b"], ["mixed"]), *_bytes(),
    ], common | {
        "scale": scale, "zero": np.uint8(0).reshape(()), "of_weights": of_weights, "weights_zero": np.zeros(4, np.int8),
        "weights": np.rint(mixing / of_weights[:, None, None, None]).astype(np.int8), "of_offsets": scale * of_weights, "offsets_zero": np.zeros(4, np.int32),
        "offsets": np.rint(bias / (scale * of_weights)).astype(np.int32),
    })
    onnx.save(exact, tmp_path / "exact.onnx")
    return tmp_path / "exact.onnx", quantised


def _restored(model: bytes, frame: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"frame": frame})[0].astype(float)


def test_a_range_that_is_too_wide_is_narrowed_and_one_that_fits_is_left(pair):
    exact, quantised = pair
    frames = [{"frame": np.random.default_rng(seed).integers(0, 256, (1, 40, 50, 4), dtype=np.uint8)} for seed in range(3)]
    unseen = np.random.default_rng(9).integers(0, 256, (1, 64, 64, 4), dtype=np.uint8)
    wanted = _restored(exact.read_bytes(), unseen)
    before = np.abs(_restored(quantised.SerializeToString(), unseen) - wanted).mean()
    narrow_ranges(quantised, exact, frames)
    initial = {value.name: numpy_helper.to_array(value) for value in quantised.graph.initializer}
    assert 1.0 <= initial["scale"] * 255 < 0.6 * WIDE
    assert np.abs(_restored(quantised.SerializeToString(), unseen) - wanted).mean() < 0.6 * before
    narrowed = initial["scale"].copy()
    narrow_ranges(quantised, exact, frames)
    assert next(numpy_helper.to_array(value) for value in quantised.graph.initializer if value.name == "scale") == narrowed


def test_the_scale_of_a_bias_stays_the_product_of_the_others(pair):
    exact, quantised = pair
    bias = next(numpy_helper.to_array(value) for value in onnx.load(exact).graph.initializer if value.name == "bias")
    step = next(numpy_helper.to_array(value) for value in quantised.graph.initializer if value.name == "of_offsets").max()
    narrow_ranges(quantised, exact, [{"frame": np.random.default_rng(1).integers(0, 256, (1, 40, 50, 4), dtype=np.uint8)}])
    initial = {value.name: numpy_helper.to_array(value) for value in quantised.graph.initializer}
    assert np.array_equal(initial["of_offsets"], initial["scale"] * initial["of_weights"])
    assert np.allclose(initial["offsets"] * initial["of_offsets"], bias, atol=step)


def test_small_convolutions_that_no_activation_comes_before_are_light():
    nodes = [helper.make_node("Pad", ["planes", "pads"], ["padded"]), helper.make_node("Conv", ["padded", "small"], ["a"], name="enlarging"),
             helper.make_node("Relu", ["planes"], ["positive"]), helper.make_node("Conv", ["positive", "small"], ["b"], name="in a block"),
             helper.make_node("Conv", ["planes", "large"], ["c"], name="heavy")]
    weights = {"small": np.zeros((8, 1, 3, 3), np.float32), "large": np.zeros((8, 64, 1, 1), np.float32)}
    assert light_linear_convolutions(_graph(nodes, weights).graph) == ["enlarging"]
