"""The study's saved results: read, checked, and compared picture by picture."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from .metrics import interval

MAIN_ARMS = {
    "none": "the backbone alone, without any fusion",
    "mlp": "a prior that a plain MLP makes of the blur encoder's latent; as many parameters as both residual estimators together",
    "blurdm": "a prior that BlurDM samples from the blur encoder's latent",
    "oracle": "a prior made of the true exposure, which no camera knows",
}
PART_ARMS = {
    "blurdm, T steps only in training": "training samples with all T steps, instead of a random sub-schedule of 1 to T jumps",
    "blurdm, no blur residual": "the sampler takes no blur residual away",
    "blurdm, no noise residual": "the sampler takes no noise residual away",
    "oracle of the paper": "an oracle of the paper's kind, which sees the blurred and the sharp picture instead of the exposure",
    "blurdm, oracle of the paper": "BlurDM taught by the oracle of the paper's kind",
}
ARMS = MAIN_ARMS | PART_ARMS
"""{arm: what it is}, in the order of the report."""

REMEDY = "delete the file and run `python -m training.study run` again"


class ResultError(OSError):
    """A saved result that cannot be read or is not of this study; the message names the file, the reason and what to do."""


@dataclass(frozen=True)
class Result:
    """One run. parameters: of all that restoring a picture uses; seconds: of the stages that the run has for itself; psnr: {key: dB of every picture},
    with the keys of `Study.scores`; examples: {stage: what a step learns from} where the run's configuration says so;
    encoder: SHA-256 of the file that the blur encoder started from; reduction: by how much the exposures were made smaller for the backbone."""

    path: Path
    seconds: float
    parameters: int
    backbone_parameters: int
    examples: dict[int, str]
    encoder: str
    reduction: int
    log: list[dict]
    psnr: dict[str, np.ndarray]

    @cached_property
    def steps(self) -> dict[int, int]:
        """{stage: its last step}."""
        return {row["stage"]: row["step"] for row in self.log}


@dataclass(frozen=True)
class Difference:
    """dB of one row over another: mean and 95 % interval over pictures, and {seed: mean over pictures}."""

    mean: float
    low: float
    high: float
    seeds: dict[int, float]

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def compare(scores: dict[int, np.ndarray], others: dict[int, np.ndarray], pictures: np.ndarray | slice = slice(None)) -> Difference | None:
    """Of {seed: PSNR of every picture}, over the seeds that both have; None where there is no such seed."""
    apart = {seed: scores[seed][pictures] - others[seed][pictures] for seed in sorted(scores.keys() & others.keys())}
    if not apart:
        return None
    means = np.mean(list(apart.values()), axis=0)
    return Difference(float(means.mean()), *map(float, interval(means)), {seed: float(values.mean()) for seed, values in apart.items()})


@dataclass(frozen=True)
class Study:
    """names, lengths (px) and identity (dB, of the blurred input) of the pictures; results: {(backbone, arm): {seed: result}}."""

    names: list[str]
    lengths: np.ndarray
    identity: np.ndarray
    results: dict[tuple[str, str], dict[int, Result]]

    @property
    def backbones(self) -> list[str]:
        return sorted({backbone for backbone, _ in self.results})

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for runs in self.results.values() for seed in runs})

    @property
    def every_result(self) -> list[Result]:
        return [result for runs in self.results.values() for result in runs.values()]

    @cached_property
    def sampler_steps(self) -> int:
        """T of the BlurDM rows; 0 where none was run."""
        return max((int(key.split()[0]) for result in self.every_result for key in result.psnr if key), default=0)

    def runs(self, backbone: str, arm: str) -> dict[int, Result]:
        return self.results.get((backbone, arm), {})

    def scores(self, backbone: str, arm: str, steps: int = 1) -> dict[int, np.ndarray]:
        """{seed: PSNR of every picture}, dB; BlurDM with that many sampler steps and zero noise."""
        return {seed: result.psnr[f"{steps} steps" if arm.startswith("blurdm") else ""] for seed, result in self.runs(backbone, arm).items()}

    def noisy_scores(self, backbone: str, arm: str) -> dict[int, np.ndarray]:
        """{seed: PSNR [noise seeds, pictures]}, dB, of BlurDM with T steps and random noise."""
        return {seed: np.array([values for key, values in result.psnr.items() if "noise" in key]) for seed, result in self.runs(backbone, arm).items()}


def load_results(folder: Path) -> Study:
    """Raises ResultError where a file is missing, damaged, of other pictures, of another study or of an unknown arm."""
    path = folder / "pictures.json"
    pictures = _read(path)
    names, lengths = (_field(path, pictures, key, list) for key in ("names", "lengths"))
    identity = _numbers(path, "identity", _field(path, pictures, "identity", list), len(names))
    study = Study(names, _numbers(path, "lengths", lengths, len(names)), identity, {})
    for path in sorted(folder.glob("*.json")):
        if path.name != "pictures.json":
            _add(study, path)
    if not study.results:
        raise ResultError(f"{folder}: no run has a result yet; `python -m training.study run` makes them")
    return study


def _add(study: Study, path: Path) -> None:
    table = _read(path)
    backbone, arm, seed = (_field(path, table, key, kind) for key, kind in (("backbone", str), ("arm", str), ("seed", int)))
    if arm not in ARMS:
        raise ResultError(f"{path}: unknown arm '{arm}' (known: {'; '.join(ARMS)}); {REMEDY}")
    runs = study.results.setdefault((backbone, arm), {})
    if seed in runs:
        raise ResultError(f"{path}: the same backbone, arm and seed as {runs[seed].path.name}; delete the file that is not of this study")
    result = _result(path, table, arm, len(study.names))
    for other in runs.values():
        if (other.parameters, other.backbone_parameters, other.psnr.keys()) != (result.parameters, result.backbone_parameters, result.psnr.keys()):
            raise ResultError(f"{path}: other parameters or sampler steps than {other.path.name}, which is the same arm with another seed; {REMEDY}")
    runs[seed] = result
    for other in study.every_result:
        if other.encoder != result.encoder:
            raise ResultError(f"{path}: its blur encoder started from other weights than that of {other.path.name}; {REMEDY}")
        if other.reduction != result.reduction:
            raise ResultError(f"{path}: its exposures were reduced by {result.reduction}, those of {other.path.name} by {other.reduction}; {REMEDY}")
        for stage in other.steps.keys() & result.steps.keys():
            if other.steps[stage] != result.steps[stage]:
                raise ResultError(f"{path}: {result.steps[stage]} steps of stage {stage}, where {other.path.name} has {other.steps[stage]}: "
                                  f"rows of unlike training cannot be compared; {REMEDY}")


def _result(path: Path, table: dict, arm: str, pictures: int) -> Result:
    parameters, config = (_field(path, table, key, dict) for key in ("parameters", "config"))
    log = [{key: _field(path, row, key, kind) for key, kind in (("stage", int), ("step", int), ("loss", float))} for row in _field(path, table, "log", list)]
    stages = [{key: _field(path, row, key, int) for key in ("number", "batch", "crop", "kept")} for row in config.get("stage", [])]
    psnr = {key: _numbers(path, f"psnr '{key}'", values, pictures) for key, values in _field(path, table, "psnr", dict).items()}
    _check_keys(path, arm, set(psnr))
    return Result(path, float(_field(path, table, "seconds", (int, float))), _field(path, parameters, "all", int), _field(path, parameters, "backbone", int),
                  {row["number"]: _examples(row) for row in stages}, _field(path, table, "encoder", str), config.get("reduction", 1), log, psnr)


def _examples(stage: dict[str, int]) -> str:
    return f"{stage['batch']} of {stage['kept']} kept spectra" if stage["kept"] else f"{stage['batch']} crops of {stage['crop']} px"


def _check_keys(path: Path, arm: str, keys: set[str]) -> None:
    """BlurDM has 1 to T steps, and T steps with noise seeds; everything else one list."""
    if not arm.startswith("blurdm"):
        known = keys == {""}
    else:
        steps = {int(match[1]) for key in keys if (match := re.fullmatch(r"(\d+) steps", key))}
        noisy = {key for key in keys if re.fullmatch(rf"{max(steps, default=0)} steps, noise \d+", key)}
        known = bool(noisy) and steps == set(range(1, len(steps) + 1)) and len(keys) == len(steps) + len(noisy)
    if not known:
        raise ResultError(f"{path}: psnr has '{', '.join(sorted(keys))}', which is not what arm '{arm}' is scored at; {REMEDY}")


def _read(path: Path) -> dict:
    try:
        table = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ResultError(f"{path} is missing; `python -m training.study run` makes it") from error
    except (OSError, ValueError) as error:
        raise ResultError(f"{path} cannot be read ({error}); {REMEDY}") from error
    if not isinstance(table, dict):
        raise ResultError(f"{path} is not a result of the study: not a table; {REMEDY}")
    return table


def _field(path: Path, table: object, key: str, kind: type | tuple[type, ...]):
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ResultError(f"{path}: '{key}' is missing or not what the study writes; {REMEDY}")
    return value


def _numbers(path: Path, name: str, values: object, count: int) -> np.ndarray:
    if not isinstance(values, list) or len(values) != count or not count:
        found = len(values) if isinstance(values, list) else "no"
        raise ResultError(f"{path}: {name} has {found} values, where the study has {count} pictures; {REMEDY}")
    if not all(isinstance(value, (int, float)) and np.isfinite(value) for value in values):
        raise ResultError(f"{path}: {name} holds something that is not a finite number; {REMEDY}")
    return np.array(values, float)
