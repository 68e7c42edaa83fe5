"""The study: every backbone at reduced size without a prior, with a plain MLP, with BlurDM and with the oracle; and BlurDM taken apart.

    python -m training.study run    --config models/training/configs/study.toml --patches PATCHES --validation VALIDATION
                                    --encoder models/blurdm-nano/weights.safetensors --out RUNS --results models/study
    python -m training.study report --results models/study --out models/STUDY.md

`run` trains what has no result yet, one run after the other, and may be interrupted at any time; with --backbones two of it share the work.
Every run leaves models/study/NAME.json: its configuration, seed, log and the PSNR of every validation picture. `report` makes tables and
plots of those files alone. Arms of one backbone and seed start from one stage 1, see the same patches and take the same steps.

The blur encoder, which the MLP and BlurDM both have, starts from trained weights: it took blurdm-nano hours to learn, which no run here has.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .batches import Batches
from .config import Config, ConfigError, Model, Stage
from .diffusion import even_times
from .metrics import psnr
from .model import BlurDm
from .spectra import SpectraPool
from .study_pictures import Picture, study_pictures
from .study_report import write_report
from .train import Trainer

MAIN_ARMS = ("none", "mlp", "blurdm", "oracle")
STAGES = {"none": (1, 3), "mlp": (1, 2, 3), "blurdm": (1, 2, 3), "oracle": (1, 3)}
NOISE_SEEDS = 3
ROUNDING_DB = 5e-4
"""Exposures made again on another machine differed in single grey levels, and by 0.0001 dB in two of 90 pictures."""


@dataclass(frozen=True)
class Arm:
    """A row of the study: what it changes in the model, and whether its stage 1 is its own (another oracle)."""

    name: str
    changes: dict = field(default_factory=dict)
    own_first_stage: bool = False


ARMS = (
    *(Arm(kind, {"prior": kind}) for kind in MAIN_ARMS),
    Arm("blurdm, T steps only in training", {"random_schedules": False}),
    Arm("blurdm, no blur residual", {"blur_residual": False}),
    Arm("blurdm, no noise residual", {"noise_residual": False}),
    Arm("oracle of the paper", {"prior": "oracle", "oracle": {"network": "strided"}}, own_first_stage=True),
    Arm("blurdm, oracle of the paper", {"oracle": {"network": "strided"}}, own_first_stage=True),
)


@dataclass(frozen=True)
class Run:
    backbone: str
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        return f"{self.backbone}-{self.arm.name.replace(', ', '-').replace(' ', '_')}-{self.seed}"


@dataclass(frozen=True)
class Place:
    """What every run uses. out: checkpoints and kept spectra; encoder: weights that the blur encoder starts from, and their SHA-256."""

    patches: Path
    out: Path
    encoder: dict
    encoder_hash: str

    @property
    def spectra(self) -> Path:
        return self.out / "spectra"


def load_encoder(path: Path) -> tuple[dict, str]:
    """(the blur encoder's tensors in a bundle's weights.safetensors, SHA-256 of the file)."""
    weights = {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items() if name.startswith("encoder.")}
    if not weights:
        raise ConfigError(f"{path}: no tensors of a blur encoder in it; give a bundle's weights.safetensors")
    return weights, hashlib.sha256(path.read_bytes()).hexdigest()


def load_study(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def runs(study: dict) -> list[Run]:
    """In the order of their worth: a seed of everything before the next seed."""
    return [Run(backbone, arm, seed) for seed in study["seeds"] for backbone in study["backbones"] for arm in ARMS
            if arm.name in MAIN_ARMS or backbone == study["ablated"]]


def _chosen(study: dict, backbones: list[str] | None) -> list[Run]:
    for backbone in backbones or []:
        if backbone not in study["backbones"]:
            raise ConfigError(f"--backbones: '{backbone}' is not in the study; choose of {', '.join(study['backbones'])}")
    return [run for run in runs(study) if backbones is None or run.backbone in backbones]


def run_config(study: dict, run: Run, stages: tuple[int, ...]) -> Config:
    model = Model(latent=study["latent"], backbone={"network": run.backbone, **study["backbones"][run.backbone]}, encoder={"network": "spectral"},
                  oracle={"network": "exposure"})
    model = replace(model, **run.arm.changes)
    losses = {1: "paper", 2: "latent", 3: "paper"}
    stage = tuple(Stage(number=n, loss=losses[n], telling_share=1.0, **study[f"stage{n}"]) for n in stages)
    if model.oracle["network"] != "exposure":
        # It must see pictures.
        stage = tuple(replace(s, kept=0, remade_share=0.0) for s in stage)
    return Config(name=run.name, seed=run.seed, ema=0.99, whole_patch_prior=True, model=model, stage=stage, reduction=study["reduction"])


def first_stage(study: dict, run: Run, place: Place) -> Trainer:
    """Stage 1, trained; the arms of a backbone and seed share it where they can."""
    kind = run.arm.changes.get("prior", "blurdm")
    shared = "own" if run.arm.own_first_stage else "none" if kind == "none" else "shared"
    # Nothing but the oracle's prior is used in stage 1, so every kind of prior starts from the same weights.
    config = run_config(study, run, (1,))
    if kind != "none":
        config = replace(config, model=replace(config.model, prior="oracle"))
    folder = place.out / f"{run.backbone}-stage1-{shared}-{run.seed}"
    trainer = Trainer(config, place.patches, None, folder, torch.device("cpu"))
    trainer.run()
    return trainer


def train(study: dict, run: Run, place: Place) -> tuple[BlurDm, list[dict], float]:
    """(the trained model, the log of all its stages, seconds of training after stage 1)."""
    first = first_stage(study, run, place)
    kind = run.arm.changes.get("prior", "blurdm")
    config = run_config(study, run, STAGES[kind][1:])
    start = first.ema.state_dict() | place.encoder
    trainer = Trainer(config, place.patches, None, place.out / run.name, torch.device("cpu"), start, place.spectra)
    trainer.run()
    log = [json.loads(line) for folder in (first.out, trainer.out) for line in (folder / "log.jsonl").read_text().splitlines()]
    return trainer.ema.eval(), log, trainer.seconds


@torch.no_grad()
def scores(model: BlurDm, pictures: list[Picture]) -> dict[str, list[float]]:
    """PSNR of every picture: under "" for a model without steps; per number of steps, with zero and with random noise, for BlurDM."""
    if model.kind != "blurdm":
        prior = {"none": lambda p: None, "oracle": lambda p: model.oracle_prior(p.example), "mlp": lambda p: model.prior(p.example.context, [])}[model.kind]
        return {"": [_score(model, p, prior(p)) for p in pictures]}
    total = model.schedule.steps
    found = {f"{n} steps": [_score(model, p, model.prior(p.example.context, even_times(total, n))) for p in pictures] for n in range(1, total + 1)}
    for seed in range(NOISE_SEEDS):
        noise = torch.randn(1, model.latent, generator=torch.Generator().manual_seed(seed))
        found[f"{total} steps, noise {seed}"] = [_score(model, p, model.prior(p.example.context, even_times(total, total), noise)) for p in pictures]
    return found


def _score(model: BlurDm, picture: Picture, prior: torch.Tensor | None) -> float:
    restored = model.restore(picture.example.blurred, prior)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    return psnr(restored, picture.truth)


def run_study(study: dict, chosen: list[Run], place: Place, validation: Path, results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    pictures = study_pictures(validation, study["reduction"])
    _keep_pictures(results / "pictures.json", {"names": [p.name for p in pictures], "lengths": [p.length for p in pictures],
                                               "identity": [round(psnr(p.blurred, p.truth), 4) for p in pictures]})
    _keep_spectra(study, place)
    for run in chosen:
        path = results / f"{run.name}.json"
        if path.is_file():
            continue
        print(f"{run.name}", flush=True)
        model, log, seconds = train(study, run, place)
        result = {"backbone": run.backbone, "arm": run.arm.name, "seed": run.seed, "seconds": round(seconds, 1), "encoder": place.encoder_hash,
                  "parameters": {"backbone": _count(model.backbone), "all": sum(_count(m) for m in _used(model))},
                  "config": asdict(run_config(study, run, STAGES[model.kind])), "log": log,
                  "psnr": {k: [round(v, 4) for v in vs] for k, vs in scores(model, pictures).items()}}
        _write(path, result)
        print(f"{run.name}: {np.mean(next(iter(result['psnr'].values()))):.3f} dB after {seconds:.0f} s", flush=True)


def _keep_spectra(study: dict, place: Place) -> None:
    """Makes what every stage 2 learns from before the first of them, so that none counts the time."""
    (stage,) = run_config(study, runs(study)[0], (2,)).stage
    if stage.kept:
        SpectraPool(place.spectra, Batches(place.patches, whole_patch=True), stage)


def _keep_pictures(path: Path, pictures: dict) -> None:
    """Notes what the results are scored on; raises ConfigError when results of other pictures lie there already."""
    if not path.is_file():
        _write(path, pictures)
    elif not _same_pictures(json.loads(path.read_text()), pictures):
        raise ConfigError(f"{path}: the results there were scored on other pictures; give --results an empty folder")


def _same_pictures(noted: dict, pictures: dict) -> bool:
    """Whether they are the same pictures, as far as another processor rounds a value of an exposure otherwise."""
    same_names = all(noted.get(key) == pictures[key] for key in ("names", "lengths"))
    return same_names and np.allclose(noted["identity"], pictures["identity"], rtol=0, atol=ROUNDING_DB)


def _write(path: Path, content: dict) -> None:
    path.with_suffix(".new").write_text(json.dumps(content))
    path.with_suffix(".new").replace(path)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _used(model: BlurDm) -> list[torch.nn.Module]:
    """The parts that restoring a picture uses."""
    parts = {"none": (), "oracle": ("oracle",)}.get(model.kind, ("encoder", "mapping"))
    return [model.backbone, *(getattr(model, part, None) for part in parts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train what has no result yet")
    for name in ("config", "patches", "validation", "out", "results"):
        run.add_argument(f"--{name}", type=Path, required=True)
    run.add_argument("--encoder", type=Path, required=True, help="weights.safetensors of the bundle whose blur encoder the runs start from")
    run.add_argument("--backbones", nargs="+", help="only these, for two runs side by side (default: all)")
    report = commands.add_parser("report", help="make tables and plots of the results")
    report.add_argument("--results", type=Path, required=True)
    report.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        if args.command == "run":
            torch.set_num_threads(1)
            study = load_study(args.config)
            place = Place(args.patches, args.out, *load_encoder(args.encoder))
            run_study(study, _chosen(study, args.backbones), place, args.validation, args.results)
        else:
            write_report(args.results, args.out)
    except (ConfigError, OSError, SafetensorError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
