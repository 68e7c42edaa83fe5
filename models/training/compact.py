"""A run's averaged weights in a small file to go on from elsewhere: large matrices in 8 bits a number with a scale for each row, the others in half precision.

    python -m training.compact --run RUN --config CONFIG --out FOLDER

writes FOLDER/weights.safetensors, config.toml, log.jsonl and curve.png; `training.train --start FOLDER/weights.safetensors` begins with them. The optimiser's
state is not kept.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from .config import ConfigError, load_config
from .model import BlurDm

LARGE = 1 << 16
"""Numbers of a tensor from which on it is stored in 8 bits."""

SCALE = ".row_scale"


def pack(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    packed = {}
    for name, value in weights.items():
        if value.is_floating_point() and value.dim() >= 2 and value.numel() >= LARGE:
            rows = value.flatten(1)
            scale = rows.abs().amax(1).clamp_min(1e-12) / 127
            packed[name] = (rows / scale[:, None]).round().to(torch.int8).reshape(value.shape)
            packed[name + SCALE] = scale
        else:
            packed[name] = (value.half() if value.is_floating_point() and value.dim() >= 2 else value).contiguous()
    return packed


def unpack(packed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """In single precision, also of a bundle's weights.safetensors, in which nothing has 8 bits."""
    weights = {}
    for name, value in packed.items():
        if name.endswith(SCALE):
            continue
        if name + SCALE in packed:
            value = (value.flatten(1).float() * packed[name + SCALE][:, None]).reshape(value.shape)
        weights[name] = value.float() if value.is_floating_point() else value
    return weights


def write(run: Path, config: Path, out: Path) -> None:
    """Raises ConfigError for a checkpoint of another configuration."""
    state = torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)
    own = {name: value.shape for name, value in BlurDm(load_config(config).model).state_dict().items()}
    if own != {name: value.shape for name, value in state["ema"].items()}:
        raise ConfigError(f"{run / 'checkpoint.pt'} is not of the configuration {config}")
    out.mkdir(parents=True, exist_ok=True)
    save_file(pack(state["ema"]), out / "weights.safetensors")
    for source, name in ((config, "config.toml"), (run / "log.jsonl", "log.jsonl"), (run / "curve.png", "curve.png")):
        shutil.copyfile(source, out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("run", "config", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    try:
        write(args.run, args.config, args.out)
    except (ConfigError, OSError, SafetensorError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{args.out / 'weights.safetensors'}: {(args.out / 'weights.safetensors').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
