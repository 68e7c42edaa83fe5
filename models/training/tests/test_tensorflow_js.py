"""TensorFlow.js graphs: what is read of model.json and its shards, and what is refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.import_checkpoint import CheckpointError
from training.tensorflow_js import read_constants

KERNEL, BIAS = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8, 9], np.float32)


def _description() -> dict:
    weights = [{"name": "kernel", "shape": [2, 3], "dtype": "float32"}, {"name": "axis", "shape": [], "dtype": "int32"},
               {"name": "bias", "shape": [3], "dtype": "float32"}]
    nodes = [{"name": "kernel", "op": "Const"}, {"name": "layer/product", "op": "Einsum", "input": ["x", "kernel:0"]},
             {"name": "layer/sum", "op": "AddV2", "input": ["layer/product", "bias"]}]
    return {"modelTopology": {"node": nodes}, "weightsManifest": [{"paths": ["shard1.bin", "shard2.bin"], "weights": weights}]}


def _written(folder: Path, description: object) -> Path:
    content = KERNEL.tobytes() + np.int32(1).tobytes() + BIAS.tobytes()
    (folder / "shard1.bin").write_bytes(content[:10])
    (folder / "shard2.bin").write_bytes(content[10:])
    (folder / "model.json").write_text(json.dumps(description))
    return folder / "model.json"


def test_constants_have_their_numbers_and_the_operation_that_reads_them(tmp_path):
    kernel, bias = read_constants(_written(tmp_path, _description()))
    assert (kernel.reader, kernel.kind) == ("layer/product", "Einsum")
    assert (bias.reader, bias.kind) == ("layer/sum", "AddV2")
    assert np.array_equal(kernel.values, KERNEL)
    assert np.array_equal(bias.values, BIAS)


def _change(description: dict, key: str, value: object) -> dict:
    description["weightsManifest"][0]["weights"][0][key] = value
    return description


@pytest.mark.parametrize(("change", "message"), [
    (lambda d: _change(d, "shape", [2, 4]), "describes 48 bytes, and shard1.bin and those after it do not have as many"),
    (lambda d: _change(d, "shape", [-2, 3]), "not float32 or int32"),
    (lambda d: _change(d, "shape", "wide"), "not a TensorFlow.js graph model"),
    (lambda d: _change(d, "dtype", "float16"), "not float32 or int32"),
    (lambda d: _change(d, "quantization", {"dtype": "uint8"}), "not float32 or int32"),
    (lambda d: d["weightsManifest"][0]["paths"].__setitem__(0, "../shard1.bin"), "names '../shard1.bin' for a file, which does not lie beside it"),
    (lambda d: d["weightsManifest"][0]["paths"].__setitem__(1, "shard3.bin"), "shard3.bin: there is no such file"),
    (lambda d: d.pop("weightsManifest"), "not a TensorFlow.js graph model"),
    (lambda d: d["modelTopology"].update(node=3), "not a TensorFlow.js graph model"),
])
def test_a_graph_that_is_not_what_it_claims_is_an_error_that_names_it(tmp_path, change, message):
    description = _description()
    change(description)
    with pytest.raises(CheckpointError, match=message):
        read_constants(_written(tmp_path, description))


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00"])
def test_a_file_that_is_no_graph_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.json"):
        read_constants(tmp_path / "model.json")


def test_a_folder_without_a_graph_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.json: there is no such file"):
        read_constants(tmp_path / "model.json")
