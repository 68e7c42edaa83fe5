"""Reads the constants of a TensorFlow.js graph model, without TensorFlow: model.json and the shards beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .import_checkpoint import CheckpointError

BYTES = 4
"""Of a number of the types that are read, float32 and int32."""

MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Constant:
    """Numbers, and the operation that reads them: its name, in which its layer is, and its kind."""

    reader: str
    kind: str
    values: np.ndarray


def read_constants(model: Path) -> list[Constant]:
    """All constants of more than one float32 number. Raises CheckpointError, which names the file, for one that is missing, damaged, or not such a model."""
    try:
        description = json.loads(model.read_bytes())
        nodes = description["modelTopology"]["node"]
        groups = description["weightsManifest"]
        readers = {source.split(":")[0]: node for node in nodes for source in node.get("input", ())}
        stored = {name: values for group in groups for name, values in _read_group(model, group).items() if values.size > 1}
        return [Constant(readers[name]["name"], readers[name]["op"], values) for name, values in stored.items() if name in readers]
    except FileNotFoundError as error:
        raise CheckpointError(f"{error.filename}: there is no such file") from error
    except OSError as error:
        raise CheckpointError(f"{error.filename}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{model}: damaged, or not a TensorFlow.js graph model ({type(error).__name__}: {error})") from error


def _read_group(model: Path, group: dict) -> dict[str, np.ndarray]:
    """The float32 arrays of a group, by name. Its numbers lie one after the other in its files."""
    files = [_beside(model, path) for path in group["paths"]]
    sizes = [math.prod(entry["shape"]) for entry in group["weights"]]
    if any(entry["dtype"] not in ("float32", "int32") or "quantization" in entry for entry in group["weights"]) or min(sizes, default=0) < 0:
        raise CheckpointError(f"{model}: has constants that are not float32 or int32 as they are; take the package's own files")
    wanted = BYTES * sum(sizes)
    if wanted > MOST_BYTES or sum(file.stat().st_size for file in files) != wanted:
        raise CheckpointError(f"{model}: describes {wanted} bytes, and {', '.join(file.name for file in files[:1])} and those after it do not have as many; "
                              "unpack the package again")
    content = b"".join(file.read_bytes() for file in files)
    arrays, place = {}, 0
    for entry, size in zip(group["weights"], sizes, strict=True):
        if entry["dtype"] == "float32":
            arrays[entry["name"]] = np.frombuffer(content, "<f4", size, place).reshape(entry["shape"])
        place += BYTES * size
    return arrays


def _beside(model: Path, name: str) -> Path:
    if Path(name).name != name:
        raise CheckpointError(f"{model}: names '{name}' for a file, which does not lie beside it")
    return model.parent / name
