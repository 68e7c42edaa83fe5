"""Trains a model through the paper's three stages; interrupted, the same command goes on from its last checkpoint.

    python -m training.train --config models/training/configs/nano.toml --patches PATCHES --validation VALIDATION --out RUN

RUN gets checkpoint.pt, log.jsonl, curve.png. CPU and CUDA run the same code; bfloat16 autocast of the backbone where there are units for
its matrix products, on CUDA and on CPUs with AMX (a step of blurdm-nano took 113 ms instead of 172, of blurdm-small 208 instead of 444): with
AVX-512 alone it made a step of blurdm-nano slower (218 against 135 ms for 8 crops of 160 px on one core).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .batches import Batches
from .compact import unpack
from .config import Config, ConfigError, Stage, load_config
from .curve import draw_curve
from .diffusion import even_times
from .errors import EvaluationError
from .model import BlurDm
from .networks.blocks import PriorFusion
from .networks.multi_scale_nano import initialised_from_nano
from .objectives import Objective
from .remade import POOL, SpreadPool
from .spectra import SpectraPool
from .watching import Validation

CHECKPOINT_EVERY_S = 120
VALIDATE_EVERY = 1000


def initial_value(own: torch.Tensor, start: torch.Tensor, parts: int = 1) -> torch.Tensor:
    """What a tensor begins with: `start` where the shapes agree, and where a layer has become wider since, what computes the same as before:
    new outputs are random, as drawn, and count nothing in the layer that they are inputs of (Chen, Goodfellow and Shlens, "Net2Net", ICLR 2016).
    parts: how many layers of the same shape lie one after the other in it, each of which has become wider by itself."""
    if own.shape == start.shape:
        return start
    if own.dim() not in (1, 2, 4) or own.dim() != start.dim() or any(a < b for a, b in zip(own.shape, start.shape, strict=True)):
        return own
    if parts > 1:
        return torch.cat([initial_value(*pair) for pair in zip(own.chunk(parts), start.chunk(parts), strict=True)])
    wider = own.clone()
    if own.dim() > 1:
        wider[:, start.shape[1] :] = 0
    wider[tuple(slice(0, side) for side in start.shape)] = start
    return wider


def initial_values(model: torch.nn.Module, start: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`model`'s tensors with those of `start` that have their names (see `initial_value`)."""
    # A fusion's gains and offsets lie one after the other.
    halves = {f"{name}.linear.{kind}" for name, module in model.named_modules() if isinstance(module, PriorFusion) for kind in ("weight", "bias")}
    return {name: initial_value(value, start[name], 2 if name in halves else 1) if name in start else value for name, value in model.state_dict().items()}


PRIOR_PARTS = ("oracle.", "encoder.", "mapping.", "backbone.deconvolution.")
"""What makes the prior and what reads the blur out of it: the same in models whose U-Nets differ."""


def starting_weights(start: Path, prior: Path | None = None) -> dict[str, torch.Tensor]:
    """Tensors of a bundle's weights.safetensors, or of one that training.compact wrote, in single precision, those of PRIOR_PARTS
    from the file `prior` where one is given."""
    weights = unpack(load_file(start))
    if prior:
        weights |= {name: value for name, value in unpack(load_file(prior)).items() if name.startswith(PRIOR_PARTS)}
    return initialised_from_nano(weights)


class Trainer:
    """Trains `config` in `out`. start: weights of parts trained before, which the model begins with where it has tensors of
    their names (see `initial_value`); spectra: where kept spectra lie, for runs that share them (default: in `out`)."""

    def __init__(self, config: Config, patches: Path | list[Path], validation: Path | list[Path] | None, out: Path, device: torch.device,
                 start: dict | None = None, spectra: Path | None = None, real: Path | None = None, data: Path | None = None):
        torch.manual_seed(config.seed)
        self.config, self.out, self.device = config, out, device
        self._spectra_folder = spectra or out / "spectra"
        # Not to(memory_format=...), which fails on the five dimensions of FFTformer's masks.
        self.model = torch.nn.utils.convert_conv2d_weight_memory_format(BlurDm(config.model).to(device), torch.channels_last)
        if start is not None:
            self.model.load_state_dict(initial_values(self.model, start))
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        first, *others = [patches] if isinstance(patches, Path) else patches
        self.batches = Batches(first, config.whole_patch_prior, reduction=config.reduction, real=real, scales=self.model.scales, others=tuple(others))
        self.objective = Objective(config, self.model, device)
        folders = [validation] if isinstance(validation, Path) else validation or []
        self.validation = Validation(folders, data, device, self.model.scales) if folders or data else None
        self.position = (0, 0)  # stage index, step within it
        self.seconds = 0.0
        self.optimiser: torch.optim.Optimizer | None = None
        out.mkdir(parents=True, exist_ok=True)
        self._resume()

    def _resume(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.is_file():
            (self.out / "log.jsonl").write_text("")
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self._check(state, path)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.position, self.seconds = tuple(state["position"]), state["seconds"]
        self.batches.rng.bit_generator.state, self.objective.rng.bit_generator.state = json.loads(state["rng"])
        self._optimiser_state = state["optimiser"]
        self._forget_log_after(self.seconds)
        print(f"going on from stage {self.config.stage[min(self.position[0], len(self.config.stage) - 1)].number}, step {self.position[1]}", flush=True)

    _optimiser_state: dict | None = None

    def _check(self, state: dict, path: Path) -> None:
        """Raises ConfigError for a checkpoint of another configuration."""
        own = self.model.state_dict()
        differing = [name for name in sorted(own.keys() | state["model"].keys())
                     if name not in own or name not in state["model"] or own[name].shape != state["model"][name].shape]
        if differing:
            raise ConfigError(f"{path} is of another configuration: '{differing[0]}' and {len(differing) - 1} more tensors differ. "
                              "Give another --out, or that configuration")
        if state["position"][0] > len(self.config.stage):
            raise ConfigError(f"{path} is of another configuration: it has passed stage {state['position'][0]} of {len(self.config.stage)}")

    def _forget_log_after(self, seconds: float) -> None:
        """What was logged after the checkpoint is trained and logged again."""
        log = self.out / "log.jsonl"
        rows = [line for line in log.read_text().splitlines() if line and json.loads(line)["seconds"] <= round(seconds, 1)]
        log.write_text("".join(row + "\n" for row in rows))

    def _save(self) -> None:
        path = self.out / "checkpoint.pt"
        torch.save({"model": self.model.state_dict(), "ema": self.ema.state_dict(), "position": list(self.position), "seconds": self.seconds,
                    "optimiser": self.optimiser.state_dict() if self.optimiser else None,
                    "rng": json.dumps([self.batches.rng.bit_generator.state, self.objective.rng.bit_generator.state])},
                   path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def run(self) -> None:
        for index, stage in enumerate(self.config.stage):
            if index >= self.position[0]:
                self._run_stage(index, stage, self.position[1] if index == self.position[0] else 0)
        print(f"done: {self.out / 'checkpoint.pt'} after {self.seconds:.0f} s of training", flush=True)

    def _run_stage(self, index: int, stage: Stage, first: int) -> None:
        if first == 0:
            # A stage starts from the averaged weights of the one before it, and sees the same crops whatever came before.
            self.model.load_state_dict(self.ema.state_dict())
            self.batches.rng = np.random.default_rng([self.config.seed, stage.number])
            self.objective.rng = np.random.default_rng([self.config.seed, stage.number, 1])
            torch.manual_seed(self.config.seed)
        parameters = self._learning(stage)
        self.optimiser = torch.optim.AdamW(parameters, lr=stage.rate, betas=(0.9, 0.999), weight_decay=1e-4)
        if first and self._optimiser_state:
            self.optimiser.load_state_dict(self._optimiser_state)
        saved, loss_sum, loss_count = time.monotonic(), 0.0, 0
        for step in range(first, stage.steps):
            started = time.monotonic()
            warm = min((step + 1) / 200, 1.0)
            rate = stage.final_rate + (stage.rate - stage.final_rate) * 0.5 * (1 + math.cos(math.pi * step / stage.steps))
            for group in self.optimiser.param_groups:
                group["lr"] = rate * warm
            loss = self._loss(stage)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            self.optimiser.step()
            self._average(min(self.config.ema, (step + 1) / (step + 10)))
            self.position = (index, step + 1)
            loss_sum, loss_count = loss_sum + float(loss.detach()), loss_count + 1
            self.seconds += time.monotonic() - started
            if (step + 1) % 100 == 0 or step + 1 == stage.steps:
                row = {"stage": stage.number, "step": step + 1, "loss": loss_sum / loss_count, "rate": rate, "seconds": round(self.seconds, 1)}
                loss_sum, loss_count = 0.0, 0
                if self.validation and stage.number in (1, 3) and ((step + 1) % VALIDATE_EVERY == 0 or step + 1 == stage.steps):
                    row |= self.validation(self._restorer(stage), self._exposure_known(stage))
                self._log(row)
            if time.monotonic() - saved > CHECKPOINT_EVERY_S:
                self._save()
                draw_curve(self.out / "log.jsonl", self.out / "curve.png")
                saved = time.monotonic()
        self.position = (index + 1, 0)
        self._optimiser_state = None
        self._save()
        draw_curve(self.out / "log.jsonl", self.out / "curve.png")

    def _learning(self, stage: Stage) -> list[torch.nn.Parameter]:
        """The stage's parameters without the frozen ones, which get no gradients."""
        frozen = tuple(stage.frozen)
        names = [name for name, _ in self.model.named_parameters()]
        for prefix in frozen:
            if not any(name.startswith(prefix) for name in names):
                raise ConfigError(f"stage {stage.number}: nothing is called '{prefix}', which 'frozen' names (choose beginnings of names such as '{names[0]}')")
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not (frozen and name.startswith(frozen)))
        self.model.train()
        if hasattr(self.model, "encoder") and not any(p.requires_grad for p in self.model.encoder.parameters()):
            self.model.encoder.eval()
        elif hasattr(self.model, "encoder") and len(self.model.scales) > 1:
            # A few examples at several scales are no sample of the spectra that frames have: their statistics stay as they are.
            for module in self.model.encoder.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()
        return [parameter for parameter in self.model.stage_parameters(stage.number) if parameter.requires_grad]

    def _loss(self, stage: Stage) -> torch.Tensor:
        if stage.number == 0:
            return self.objective.exposures(self._spreads(stage).next(stage.batch, self.batches.rng).to(self.device))
        if stage.kept:
            return self.objective.spectra(stage, *(part.to(self.device) for part in self._kept_spectra(stage).next(stage.batch, self.batches.rng)))
        example = self.batches.next(stage, self.device)
        return self.objective(stage, example)

    def _spreads(self, stage: Stage) -> SpreadPool:
        if self._pool is None:
            self._pool = SpreadPool(np.random.default_rng([self.config.seed, 0]), self.batches.side, min(POOL, stage.steps * stage.batch))
        return self._pool

    _pool: SpreadPool | None = None

    def _kept_spectra(self, stage: Stage) -> SpectraPool:
        if self._spectra is None:
            self._spectra = SpectraPool(self._spectra_folder, self.batches, stage)
        return self._spectra

    _spectra: SpectraPool | None = None

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for mean, value in zip(self.ema.parameters(), self.model.parameters(), strict=True):
            mean.lerp_(value, 1 - keep)
        for mean, value in zip(self.ema.buffers(), self.model.buffers(), strict=True):
            mean.copy_(value)

    def _exposure_known(self, stage: Stage) -> bool:
        return self.config.model.prior == "oracle" or (stage.number == 1 and self.config.model.prior != "none")

    def _restorer(self, stage: Stage):
        kind = self.config.model.prior
        self.ema.eval()
        if kind == "none":
            return lambda example: self.ema.restore(example.blurred, None)
        if stage.number == 1 or kind == "oracle":
            return lambda example: self.ema.restore(example.blurred, self.ema.oracle_prior(example))
        times = even_times(self.ema.schedule.steps, 1)
        return lambda example: self.ema(example.blurred, times)

    def _log(self, row: dict) -> None:
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(" ".join(f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--patches", type=Path, nargs="+", required=True, help="stores of training.patches, of each of which as many examples are made")
    parser.add_argument("--validation", type=Path, nargs="+", help="folders of training.validation to watch; the first is what `gain` is the mean over")
    parser.add_argument("--data", type=Path, help="the footage folder, whose real validation pairs to watch")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a bundle's weights.safetensors to begin with instead of random numbers")
    parser.add_argument("--start-prior", type=Path, help="weights.safetensors of another bundle, whose prior and deconvolution to begin with (with --start)")
    parser.add_argument("--real", type=Path, help="a store of training.real, for stages with real_share")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    if args.start_prior and not args.start:
        parser.error("--start-prior needs --start")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        start = starting_weights(args.start, args.start_prior) if args.start else None
        Trainer(load_config(args.config), args.patches, args.validation, args.out, torch.device(args.device), start, real=args.real, data=args.data).run()
    except (ConfigError, EvaluationError, OSError, SafetensorError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
