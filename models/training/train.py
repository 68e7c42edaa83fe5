"""Trains a model through the paper's three stages; interrupted, the same command goes on from its last checkpoint.

    python -m training.train --config models/training/configs/nano.toml --patches PATCHES --validation VALIDATION --out RUN

RUN gets checkpoint.pt, log.jsonl, curve.png. CPU (bfloat16 autocast where the processor has it) and CUDA run the same code.
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
from PIL import Image

from .config import Config, ConfigError, Stage, load_config
from .curve import draw_curve
from .diffusion import even_times, random_times
from .losses import IMAGE_LOSSES, charbonnier
from .model import BlurDm
from .patches import open_store

CHECKPOINT_EVERY_S = 120
VALIDATE_EVERY = 1000
VALIDATION_LENGTHS = ("04", "10", "16")
TELLING_LENGTH = 3.0
TELLING_ERROR = 60.0
"""A patch is telling when its path (px) and its error (grey levels squared) are at least these. With the flat and the sharp ones
among them a network stayed at the identity for its first thousand steps (gain 0.02 dB after 525); with telling ones alone it had
0.18 dB by then."""


class Batches:
    """Random crops of the patch store, flipped, transposed and with colours permuted, the same for blurred and sharp."""

    def __init__(self, folder: Path, crop: int, batch: int, seed: int):
        self._blurred, self._sharp, length = open_store(folder)
        self._ready = np.flatnonzero(~np.isnan(length))
        if not len(self._ready):
            raise ConfigError(f"{folder}: no patches made yet (python -m training.patches)")
        self._telling = self._ready[(length[self._ready] >= TELLING_LENGTH) & (self._errors() >= TELLING_ERROR)]
        if not len(self._telling):
            raise ConfigError(f"{folder}: no patch is blurred enough to learn from")
        self._crop, self._batch = crop, batch
        self.telling_share = 1.0
        self.rng = np.random.default_rng(seed)

    def _errors(self) -> np.ndarray:
        """Mean squared error between the sides of every finished patch, in grey levels squared, from every third pixel."""
        thin = lambda store, i: store[i, ::3, ::3].astype(np.float32)
        return np.array([np.mean((thin(self._blurred, i) - thin(self._sharp, i)) ** 2) for i in self._ready])

    def next(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = [self._pair() for _ in range(self._batch)]
        both = [torch.from_numpy(np.stack(side)).to(device).permute(0, 3, 1, 2).float() / 255 for side in zip(*pairs)]
        return both[0].contiguous(memory_format=torch.channels_last), both[1].contiguous(memory_format=torch.channels_last)

    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        pool = self._telling if self.rng.random() < self.telling_share else self._ready
        index = pool[self.rng.integers(len(pool))]
        size = self._blurred.shape[1]
        y, x = self.rng.integers(0, size - self._crop + 1, 2)
        flip_y, flip_x, transpose = self.rng.integers(0, 2, 3)
        channels = self.rng.permutation(3) if self.rng.random() < 0.3 else np.arange(3)
        out = []
        for store in (self._blurred, self._sharp):
            patch = store[index, y : y + self._crop, x : x + self._crop]
            patch = patch[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
            out.append(np.ascontiguousarray((patch.transpose(1, 0, 2) if transpose else patch)[:, :, channels]))
        return out[0], out[1]


class Validation:
    """Mean PSNR gain over the blurred input on some of the validation exposures (whole frames), and PSNR on sharp ones."""

    def __init__(self, folder: Path, device: torch.device):
        self._pairs = []
        for length in ("00", *VALIDATION_LENGTHS):
            for sharp in sorted(folder.glob(f"*-{length}_sharp.png"))[::2]:
                pair = [torch.tensor(np.asarray(Image.open(p)), device=device).permute(2, 0, 1)[None].float() / 255
                        for p in (Path(str(sharp).replace("_sharp", "_blurred")), sharp)]
                # To a multiple of 16; the graph pads instead.
                h, w = (n // 16 * 16 for n in pair[0].shape[2:])
                self._pairs.append((length, pair[0][:, :, :h, :w], pair[1][:, :, :h, :w]))

    @torch.no_grad()
    def __call__(self, restore) -> dict[str, float]:
        gains, still = [], []
        for length, blurred, sharp in self._pairs:
            restored = (restore(blurred, sharp).clamp(0, 1) * 255).round() / 255
            if length == "00":
                still.append(_psnr(restored, sharp))
            else:
                gains.append(_psnr(restored, sharp) - _psnr(blurred, sharp))
        return {"gain": float(np.mean(gains)), "sharp": float(np.mean(still))} if gains else {}


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * math.log10(max(float(((a - b) ** 2).mean()), 1e-7))


class Trainer:
    def __init__(self, config: Config, patches: Path, validation: Path | None, out: Path, device: torch.device):
        torch.manual_seed(config.seed)
        self.config, self.out, self.device = config, out, device
        self.model = BlurDm(config.latent, config.backbone).to(device, memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        self.batches = Batches(patches, config.crop, config.batch, config.seed)
        self.validation = Validation(validation, device) if validation else None
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
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.position, self.seconds = tuple(state["position"]), state["seconds"]
        self.batches.rng.bit_generator.state = json.loads(state["rng"])
        self._optimiser_state = state["optimiser"]
        self._forget_log_after(self.seconds)
        print(f"going on from stage {self.config.stage[min(self.position[0], len(self.config.stage) - 1)].number}, step {self.position[1]}", flush=True)

    _optimiser_state: dict | None = None

    def _forget_log_after(self, seconds: float) -> None:
        """What was logged after the checkpoint is trained and logged again."""
        log = self.out / "log.jsonl"
        rows = [line for line in log.read_text().splitlines() if line and json.loads(line)["seconds"] <= seconds]
        log.write_text("".join(row + "\n" for row in rows))

    def _save(self) -> None:
        path = self.out / "checkpoint.pt"
        torch.save({"model": self.model.state_dict(), "ema": self.ema.state_dict(), "position": list(self.position), "seconds": self.seconds,
                    "optimiser": self.optimiser.state_dict() if self.optimiser else None, "rng": json.dumps(self.batches.rng.bit_generator.state)},
                   path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)

    def run(self) -> None:
        for index, stage in enumerate(self.config.stage):
            if index >= self.position[0]:
                self._run_stage(index, stage, self.position[1] if index == self.position[0] else 0)
        print(f"done: {self.out / 'checkpoint.pt'} after {self.seconds:.0f} s of training", flush=True)

    def _run_stage(self, index: int, stage: Stage, first: int) -> None:
        if first == 0:
            # A stage starts from the averaged weights of the one before it.
            self.model.load_state_dict(self.ema.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.stage_parameters(stage.number), lr=stage.rate, betas=(0.9, 0.999), weight_decay=1e-4)
        if first and self._optimiser_state:
            self.optimiser.load_state_dict(self._optimiser_state)
        self.batches.telling_share = stage.telling_share
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
            torch.nn.utils.clip_grad_norm_(self.model.stage_parameters(stage.number), 1.0)
            self.optimiser.step()
            self._average(min(self.config.ema, (step + 1) / (step + 10)))
            self.position = (index, step + 1)
            loss_sum, loss_count = loss_sum + float(loss.detach()), loss_count + 1
            self.seconds += time.monotonic() - started
            if (step + 1) % 100 == 0 or step + 1 == stage.steps:
                row = {"stage": stage.number, "step": step + 1, "loss": loss_sum / loss_count, "rate": rate, "seconds": round(self.seconds, 1)}
                loss_sum, loss_count = 0.0, 0
                if self.validation and stage.number != 2 and ((step + 1) % VALIDATE_EVERY == 0 or step + 1 == stage.steps):
                    row |= self.validation(self._restorer(stage))
                self._log(row)
            if time.monotonic() - saved > CHECKPOINT_EVERY_S:
                self._save()
                draw_curve(self.out / "log.jsonl", self.out / "curve.png")
                saved = time.monotonic()
        self.position = (index + 1, 0)
        self._optimiser_state = None
        self._save()
        draw_curve(self.out / "log.jsonl", self.out / "curve.png")

    def _loss(self, stage: Stage) -> torch.Tensor:
        blurred, sharp = self.batches.next(self.device)
        times = random_times(self.model.schedule.steps, self.batches.rng)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            if stage.number == 1:
                restored = self.model.backbone(blurred, self.model.oracle_prior(blurred, sharp))
                return IMAGE_LOSSES[stage.loss](restored, sharp)
            noise = self._noise(len(blurred))
            prior = self.model.prior(blurred, times, noise)
            if stage.number == 2:
                with torch.no_grad():
                    target = self.model.oracle_prior(blurred, sharp)
                return charbonnier(prior.float(), target.float())
            return IMAGE_LOSSES[stage.loss](self.model.backbone(blurred, prior), sharp)

    def _noise(self, batch: int) -> torch.Tensor:
        """Half of the time none, as the product samples; half of the time drawn, so that the noise estimator has something to learn."""
        shape = (batch, self.config.latent)
        return torch.randn(shape, device=self.device) if self.batches.rng.random() < 0.5 else torch.zeros(shape, device=self.device)

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for mean, value in zip(self.ema.parameters(), self.model.parameters()):
            mean.lerp_(value, 1 - keep)

    def _restorer(self, stage: Stage):
        if stage.number == 1:
            return lambda blurred, sharp: self.ema.backbone(blurred, self.ema.oracle_prior(blurred, sharp))
        times = even_times(self.ema.schedule.steps, 1)
        return lambda blurred, sharp: self.ema(blurred, times)

    def _log(self, row: dict) -> None:
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(" ".join(f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--patches", type=Path, required=True)
    parser.add_argument("--validation", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    try:
        Trainer(load_config(args.config), args.patches, args.validation, args.out, torch.device(args.device)).run()
    except ConfigError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
