"""Training configurations: TOML in, checked, unknown keys refused."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

from .losses import IMAGE_LOSSES
from .networks import BACKBONES, ENCODERS, ESTIMATORS, ORACLES
from .networks.regions import WHOLE

PRIORS = ("none", "mlp", "blurdm", "oracle")


class ConfigError(Exception):
    """A configuration that cannot be trained; the message names file and key."""


@dataclass(frozen=True)
class Stage:
    """One stage: number (0..3, see objectives.py), optimiser steps, batches of `batch` crops of `crop` px, learning rate from `rate` to `final_rate`
    along a cosine, loss.

    telling_share of the examples are drawn from the visibly blurred patches, the rest from all, sharp ones included. even_lengths: the former with paths of
    all lengths alike (batches.py, LENGTHS) instead of as they are stored.
    prior_weight (stage 3): how much of the stage 2 loss is kept beside the image loss; the paper keeps none.
    spread_weight: how much the point spread in the prior counts, for backbones that deconvolve. remade_share: of the examples, how
    many are blurred anew (see remade.py) instead of taken as stored.
    kept (stage 2, spectral encoder): how many patches' mean spectra are kept and learnt from again and again (see spectra.py); 0 for
    patches as they come. pictures (stage 2): of how many sharp pictures a frame blurred anew is put together (see remade.py).
    real_share (stage 3): how many examples are real blur (see real.py). consistency_weight (stages 2 and 3): how much
    it counts that another sub-schedule ends elsewhere. frozen: beginnings of the names of parameters that stay as they are, such as "encoder."; statistics
    of a frozen encoder's inputs stay as well."""

    number: int
    steps: int
    crop: int
    batch: int
    rate: float
    final_rate: float
    loss: str
    telling_share: float
    prior_weight: float = 0.0
    spread_weight: float = 0.0
    remade_share: float = 0.0
    kept: int = 0
    pictures: int = 1
    real_share: float = 0.0
    even_lengths: bool = False
    consistency_weight: float = 0.0
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """What is built. backbone, encoder, oracle, estimators: tables with `network`, a name of the registries in networks/, and that
    network's sizes; a model that is not trained here has no oracle.

    prior: none (no fusion at all), mlp (a plain MLP in place of the diffusion), blurdm, oracle (what no camera has: for comparison).
    blur_residual, noise_residual: whether the sampler takes that residual away. random_schedules: whether training samples with random
    sub-schedules of 1..T jumps, or always with T. tile: side of the only frame size that the exported graphs take, 0 for any size.
    schedule: released (as coded) or printed (as in the paper); a checkpoint is bound to its own. regions: rows and columns of the grid of
    regions that have a prior each (see networks/regions.py); training gives each crop one, that of the patch around it."""

    latent: int
    backbone: dict
    encoder: dict
    oracle: dict | None = None
    estimators: dict = field(default_factory=lambda: {"network": "jumps"})
    prior: str = "blurdm"
    blur_residual: bool = True
    noise_residual: bool = True
    random_schedules: bool = True
    tile: int = 0
    schedule: str = "released"
    regions: tuple[int, int] = WHOLE


@dataclass(frozen=True)
class Config:
    """whole_patch_prior: the encoder sees the whole patch that a crop was cut from, as in use it sees whole frames.
    reduction: the backbone's pictures are means of so many px each way, as at a working scale of the element; what the encoder sees is not."""

    name: str
    seed: int
    ema: float
    whole_patch_prior: bool
    model: Model
    stage: tuple[Stage, ...]
    reduction: int = 1


def _build(cls, table: dict, where: str):
    known = {f.name: f for f in fields(cls)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}' (known: {', '.join(sorted(known))})")
    for key, entry in known.items():
        if key not in table and entry.default is MISSING and entry.default_factory is MISSING:
            raise ConfigError(f"{where}: missing key '{key}'")
    return cls(**table)


def _grid(model: dict, path: Path) -> dict:
    grid = model.get("regions", WHOLE)
    if not isinstance(grid, (list, tuple)) or len(grid) != 2 or not all(isinstance(n, int) and n >= 1 for n in grid):
        raise ConfigError(f"{path} [model]: regions must be two whole numbers from 1 on, rows and columns, got {grid}")
    return {"regions": tuple(grid)} if "regions" in model else {}


def _check_network(where: str, table: dict, registry: dict) -> None:
    name = table.get("network")
    if name not in registry:
        raise ConfigError(f"{where}: network '{name}' is unknown; choose one of {', '.join(sorted(registry))}")


def _check_stage(path: Path, stage: Stage) -> None:
    if stage.number not in range(4):
        raise ConfigError(f"{path}: stage number {stage.number} is not one of 0, 1, 2, 3")
    if stage.kept and stage.number != 2:
        raise ConfigError(f"{path}: 'kept' is for stage 2, not for stage {stage.number}")
    if stage.pictures < 1 or (stage.pictures > 1 and not stage.kept):
        raise ConfigError(f"{path}: 'pictures' must be 1 or more, and more than 1 only beside 'kept', got {stage.pictures}")
    if stage.real_share and stage.number != 3:
        raise ConfigError(f"{path}: 'real_share' is for stage 3, not for stage {stage.number}: nothing is known of how real exposures moved")
    losses = {0: ("spread",), 2: ("latent",)}.get(stage.number, tuple(IMAGE_LOSSES))
    if stage.loss not in losses:
        raise ConfigError(f"{path}: stage {stage.number} cannot use loss '{stage.loss}' (choose: {', '.join(losses)})")


def read_config(table: dict, path: Path) -> Config:
    """The configuration in a table already parsed; `path` is for the messages."""
    table = dict(table)
    table["stage"] = tuple(_build(Stage, s, f"{path} [[stage]]") for s in table.get("stage", []))
    if isinstance(table.get("model"), dict):
        table["model"] = _build(Model, table["model"] | _grid(table["model"], path), f"{path} [model]")
    config = _build(Config, table, str(path))
    for part, registry in (("backbone", BACKBONES), ("encoder", ENCODERS), ("oracle", ORACLES), ("estimators", ESTIMATORS)):
        if getattr(config.model, part) is not None:
            _check_network(f"{path} [model] {part}", getattr(config.model, part), registry)
    if config.model.prior not in PRIORS:
        raise ConfigError(f"{path} [model]: prior '{config.model.prior}' is not one of {', '.join(PRIORS)}")
    if config.model.schedule not in ("released", "printed"):
        raise ConfigError(f"{path} [model]: schedule '{config.model.schedule}' is not 'released' or 'printed'")
    if config.stage and config.model.oracle is None and config.model.prior != "none":
        raise ConfigError(f"{path} [model]: missing key 'oracle', which stage 1 trains")
    for stage in config.stage:
        _check_stage(path, stage)
        if stage.kept and (config.model.encoder["network"] != "spectral" or (config.model.oracle or {}).get("network") != "exposure"):
            raise ConfigError(f"{path}: 'kept' keeps spectra and point spreads: it needs encoder 'spectral' and oracle 'exposure'")
    return config


def load_config(path: Path) -> Config:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return read_config(table, path)
