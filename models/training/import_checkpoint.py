"""Makes a bundle of a published BlurDM checkpoint.

    python -m training.import_checkpoint --backbone mimo-unet --checkpoint net.pth --out models/NAME --name NAME --licence LICENCE

A published checkpoint is a pickled dict: `model_state` holds the backbone with its prior fusion, `model_dm_state` the blur encoder and
both residual estimators, and an args object may lie beside them. Where the two were saved apart, --latent-checkpoint names the file
with the second. Nothing in the file is executed: a pickle that asks for anything but tensors and plain containers is refused.
The schedule is not in such files; they are bound to the one of the released code (diffusion.Schedule.released).
"""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from pathlib import Path

import torch

from .config import ConfigError, Model
from .export import ExportError, Origin, write_bundle
from .model import BlurDm

PUBLISHED = ("mimo-unet", "stripformer", "fftformer", "loformer")
TILES = {"loformer": 384}
"""LoFormer's cosine transforms are constants for one size: it restores tiles of the size it was trained on."""

BACKBONE_KEY, LATENT_KEY = "model_state", "model_dm_state"
NAMES_SHOWN = 5


class CheckpointError(Exception):
    """A file that is not the checkpoint asked for; the message names the file and what is wrong with it."""


def published_model(backbone: str) -> Model:
    """The configuration of a published network at its published size."""
    return Model(latent=256, backbone={"network": backbone}, encoder={"network": "published"},
                 estimators={"network": "published"}, tile=TILES.get(backbone, 0))


def read_checkpoint(path: Path) -> dict:
    """The dict in the file. Raises CheckpointError for a file that is missing, damaged, of another kind, or that wants code to run."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refusal(str(error))}") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: damaged, or not a PyTorch checkpoint ({str(error).splitlines()[0] if str(error) else type(error).__name__})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, and a published checkpoint is a dict with '{BACKBONE_KEY}'")
    return state


def _refusal(message: str) -> str:
    wanted = re.search(r"(?:GLOBAL|global:?|class)\s+([A-Za-z_][\w.]*\.[\w]+)", message)
    if wanted:
        return f"refused: it asks for '{wanted.group(1)}' to be loaded, and a checkpoint needs nothing but tensors, containers and an argparse.Namespace"
    return f"damaged, or not a PyTorch checkpoint ({message.splitlines()[0]})"


def _tensors(path: Path, state: dict, key: str) -> dict[str, torch.Tensor]:
    """The named tensors under `key`, without the prefix that DataParallel writes."""
    if key not in state:
        raise CheckpointError(f"{path}: has no '{key}' (it holds {', '.join(map(str, list(state)[:NAMES_SHOWN])) or 'nothing'})")
    tensors = state[key]
    if not isinstance(tensors, dict) or not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in tensors.items()):
        raise CheckpointError(f"{path}: '{key}' is not a dict of named tensors")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _published_name(name: str) -> tuple[str, str]:
    """(key of the checkpoint, name in it) of a parameter of BlurDm."""
    part, rest = name.split(".", 1)
    return {"backbone": (BACKBONE_KEY, rest), "encoder": (LATENT_KEY, f"condition_encoder.{rest}"), "mapping": (LATENT_KEY, rest)}[part]


def load_published(config: Model, checkpoint: Path, latent_checkpoint: Path | None = None) -> BlurDm:
    """The model with the checkpoint's weights.

    Raises CheckpointError naming every kind of mismatch: tensors that are missing, that no part of the network takes, that have
    another shape or are not finite numbers."""
    model = BlurDm(config)
    files = {BACKBONE_KEY: checkpoint, LATENT_KEY: latent_checkpoint or checkpoint}
    states = {path: read_checkpoint(path) for path in dict.fromkeys(files.values())}
    found = {(key, name): tensor for key, path in files.items() for name, tensor in _tensors(path, states[path], key).items()}
    wanted = {_published_name(name): (name, tensor) for name, tensor in model.state_dict().items()}
    faults = [
        *listed("missing", [name for key, name in wanted if (key, name) not in found]),
        *listed("not part of the network", [name for key, name in found if (key, name) not in wanted]),
        *listed("of another shape", [f"{spot[1]} {list(found[spot].shape)} instead of {list(tensor.shape)}" for spot, (_, tensor) in wanted.items()
                                      if spot in found and found[spot].shape != tensor.shape]),
        *listed("not finite", [spot[1] for spot, tensor in found.items() if spot in wanted and not torch.isfinite(tensor).all()]),
    ]
    if faults:
        raise CheckpointError(f"{checkpoint}: not a checkpoint of {config.backbone['network']} with BlurDM: {'; '.join(faults)}")
    model.load_state_dict({name: found[spot].float() for spot, (name, _) in wanted.items()})
    return model.eval().requires_grad_(False)


def listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:NAMES_SHOWN])}{more}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", required=True, help=f"one of {', '.join(PUBLISHED)}")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--latent-checkpoint", type=Path, help=f"the file with {LATENT_KEY}, where it is not in --checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--licence", required=True, help="of the weights, as their authors give it")
    parser.add_argument("--data", default="as the checkpoint's authors say", help="what the weights were trained on")
    parser.add_argument("--version", default="1.0.0")
    args = parser.parse_args()
    if args.backbone not in PUBLISHED:
        parser.error(f"unknown backbone '{args.backbone}': choose one of {', '.join(PUBLISHED)}")
    try:
        config = published_model(args.backbone)
        model = load_published(config, args.checkpoint, args.latent_checkpoint)
        write_bundle(args.name, args.backbone, model, Origin(args.version, args.licence, (args.data,), (), {}), args.out, config.tile)
    except (CheckpointError, ConfigError, ExportError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{args.out}: {args.name} imported, and equal to PyTorch in ONNX Runtime")


if __name__ == "__main__":
    main()
