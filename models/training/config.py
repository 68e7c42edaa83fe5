"""Training configurations: TOML in, checked, unknown keys refused."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from .losses import IMAGE_LOSSES


class ConfigError(Exception):
    """A configuration that cannot be trained; the message names file and key."""


@dataclass(frozen=True)
class Stage:
    """One stage: number (1..3), optimiser steps, learning rate from `rate` to `final_rate` along a cosine, loss.

    telling_share of the examples are drawn from the visibly blurred patches, the rest from all, sharp ones included."""

    number: int
    steps: int
    rate: float
    final_rate: float
    loss: str
    telling_share: float


@dataclass(frozen=True)
class Config:
    name: str
    seed: int
    latent: int
    crop: int
    batch: int
    ema: float
    backbone: dict
    stage: tuple[Stage, ...]


def _build(cls, table: dict, where: str):
    known = {f.name for f in fields(cls)}
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}' (known: {', '.join(sorted(known))})")
    for key in known - table.keys():
        raise ConfigError(f"{where}: missing key '{key}'")
    return cls(**table)


def load_config(path: Path) -> Config:
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    table["stage"] = tuple(_build(Stage, s, f"{path} [[stage]]") for s in table.get("stage", []))
    config = _build(Config, table, str(path))
    for stage in config.stage:
        if stage.number not in (1, 2, 3):
            raise ConfigError(f"{path}: stage number {stage.number} is not 1, 2 or 3")
        if (stage.loss == "latent") != (stage.number == 2) or (stage.number != 2 and stage.loss not in IMAGE_LOSSES):
            raise ConfigError(f"{path}: stage {stage.number} cannot use loss '{stage.loss}' (stage 2: latent; others: {', '.join(IMAGE_LOSSES)})")
    return config
