"""Mean spectra of many patches and frames, kept: stage 2 can then see each of them many times, turned and mirrored.

    python -m training.spectra --config models/training/configs/nano.toml --patches PATCHES --out RUN/spectra

keeps them ahead of a run, which otherwise does so when it comes to stage 2. Making an exposure and its spectra took
13 ms of a core, and learning from them 3 ms. The spectra of a picture turned by a quarter or mirrored are its own, turned or mirrored,
so that every one kept stands for eight (for four: turned by half a circle they are the same). A frame in use
has more windows than a patch, and its spectra are the calmer for it: with `pictures` above 1, what is blurred anew stands for a
frame put together of so many patches.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .batches import Batches
from .config import Config, ConfigError, Stage, load_config
from .networks import ExposureOracle, SpectralEncoder
from .networks.spectral_encoder import HALF_SPECTRUM, STATISTICS, WINDOW
from .remade import exposed_regions

CHUNK = 8
SPREAD_SIDE = 2 * ExposureOracle.RADIUS + 1


class SpectraPool:
    """The spectra and point spreads of `stage.kept` whole patches, drawn as the stage draws them, in two files that an interrupted run finds again."""

    def __init__(self, folder: Path, batches: Batches, stage: Stage):
        folder.mkdir(parents=True, exist_ok=True)
        self._spectra = _array(folder / "spectra.npy", (stage.kept, STATISTICS, WINDOW, HALF_SPECTRUM), np.float16)
        self._spread = _array(folder / "spread.npy", (stage.kept, SPREAD_SIDE, SPREAD_SIDE), np.float32)
        self._encoder = SpectralEncoder()
        rng = batches.rng
        # A point spread sums to 1: one of nothing but zeros is not made yet.
        for first in range(0, stage.kept, CHUNK):
            if not self._spread[first].any():
                batches.rng = np.random.default_rng(first)
                spectra, spread = self._made(batches, stage)
                count = min(CHUNK, stage.kept - first)
                self._spectra[first : first + count], self._spread[first : first + count] = spectra[:count].numpy(), spread[:count].numpy()
        batches.rng = rng

    @torch.no_grad()
    def _made(self, batches: Batches, stage: Stage) -> tuple[torch.Tensor, torch.Tensor]:
        """CHUNK of what `next` returns, not turned yet: patches, or frames of patches blurred anew."""
        if stage.pictures > 1 and batches.rng.random() < stage.remade_share:
            frames = [exposed_regions([batches.sharp_picture(stage) for _ in range(stage.pictures)], batches.rng) for _ in range(CHUNK)]
            regions = [torch.from_numpy(np.stack(blurred)).permute(0, 3, 1, 2).float() / 255 for blurred, _ in frames]
            return torch.cat([self._encoder.spectra_of_regions(r) for r in regions]), torch.from_numpy(np.stack([spread for _, spread in frames]))
        stored = replace(stage, crop=batches.side // batches.reduction, batch=CHUNK, remade_share=stage.remade_share if stage.pictures == 1 else 0.0)
        example = batches.next(stored, torch.device("cpu"))
        return self._encoder.mean_spectra(example.context), example.spread

    def __len__(self) -> int:
        return len(self._spread)

    def next(self, batch: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean spectra [batch, 3, 64, 33], point spreads [batch, 25, 25])."""
        picked = rng.integers(0, len(self._spread), batch)
        spectra, spread = torch.from_numpy(self._spectra[picked]).float(), torch.from_numpy(self._spread[picked])
        if rng.random() < 0.5:
            spectra, spread = mirrored(spectra), spread.flip(1)
        if rng.random() < 0.5:
            spectra, spread = transposed(spectra), spread.transpose(1, 2)
        return spectra, spread


def mirrored(spectra: torch.Tensor) -> torch.Tensor:
    """The spectra [..., 64, 33] of mirrored pictures: vertical frequencies -32..31 in the opposite order, where -32 and 32 are one."""
    return spectra.flip(-2).roll(1, -2)


def transposed(spectra: torch.Tensor) -> torch.Tensor:
    """The spectra [..., 64, 33] of transposed pictures. The other half of a real picture's spectrum is this one, turned by half a circle."""
    negative = mirrored(spectra[..., 1 : WINDOW // 2]).flip(-1)
    whole = torch.cat([spectra[..., WINDOW // 2 :], negative, spectra[..., : WINDOW // 2]], dim=-1)
    return torch.cat([whole[..., WINDOW // 2 :, :], whole[..., :1, :]], dim=-2).transpose(-1, -2)


def _array(path: Path, shape: tuple[int, ...], kind: type) -> np.memmap:
    if path.is_file() and (found := np.lib.format.open_memmap(path, "r+")).shape == shape:
        return found
    return np.lib.format.open_memmap(path, "w+", kind, shape)


def keeping_stage(config: Config, path: Path) -> Stage:
    """The stage that learns from kept spectra."""
    for stage in config.stage:
        if stage.kept:
            return stage
    raise ConfigError(f"{path}: no stage keeps spectra ('kept')")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--patches", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        config = load_config(args.config)
        pool = SpectraPool(args.out, Batches(args.patches, config.whole_patch_prior, reduction=config.reduction), keeping_stage(config, args.config))
    except (ConfigError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{len(pool)} spectra in {args.out}")


if __name__ == "__main__":
    main()
