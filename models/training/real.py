"""Patches of real blur: the pairs of `DATA/real` and exposures averaged out of a clip of 240 frames per second.

    python -m training.real --data ../shared/data --out REAL --size 512

writes a store as `training.patches` does. Nothing is known of how these exposures moved: their motion is NaN, and so is their point spread in a batch
(see objectives.py). The split is by clip, before any cropping:

| clip | use |
|---|---|
| REDS 000, GoPro GOPR0384 and GOPR0477, `clips/gopro-240fps-1280x720.mp4` | training |
| REDS 001, GoPro GOPR0374 | validation only |
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import EvaluationError
from .patches import MOTION_NUMBERS, create_store, open_store

TRAINING_CLIPS = ("000", "GOPR0384", "GOPR0477")
VALIDATION_CLIPS = ("001", "GOPR0374")

CLIP = Path("clips/gopro-240fps-1280x720.mp4")
AVERAGED_FRAMES = (7, 9, 11, 13, 15, 17, 21, 25, 33)
"""Odd, so that one frame lies in the middle of the exposure. GoPro's own exposures have 7 to 15."""

GAMMA = 2.2
"""Of GoPro's averages in linear light, as its authors took it."""

PROBE = 8
"""Windows are kept where the two sides differ by at least this in grey levels squared: sky and walls teach nothing."""


@dataclass(frozen=True)
class RealPair:
    """One frame with its sharp reference. dataset: reds or gopro; clip: the video it is a frame of;
    consecutive: whether the frames of its clip follow one another."""

    dataset: str
    clip: str
    name: str
    blurred: Path
    sharp: Path
    consecutive: bool


def _matched(folder: Path) -> list[tuple[Path, Path]]:
    """(blurred, sharp) of a folder with the sides `blur` and `sharp`. Raises EvaluationError where a half is missing or their sizes differ."""
    sides = {side: {path.name: path for path in sorted((folder / side).glob("*.webp"))} for side in ("blur", "sharp")}
    if not sides["blur"]:
        raise EvaluationError(f"{folder / 'blur'} holds no *.webp: give the folder that holds real/reds and real/gopro")
    for name in sorted(sides["blur"].keys() ^ sides["sharp"].keys()):
        have, lack = ("blur", "sharp") if name in sides["blur"] else ("sharp", "blur")
        raise EvaluationError(f"{folder / lack / name} is missing, the counterpart of {folder / have / name}")
    pairs = [(sides["blur"][name], sides["sharp"][name]) for name in sides["blur"]]
    for blurred, sharp in pairs:
        sizes = [_size(path) for path in (blurred, sharp)]
        if sizes[0] != sizes[1]:
            (w, h), (sharp_w, sharp_h) = sizes
            raise EvaluationError(f"{blurred} is {w}x{h} and {sharp} is {sharp_w}x{sharp_h}: the halves of a pair must have one size")
    return pairs


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read as a picture: {error}") from error


def real_pairs(data: Path, clips: tuple[str, ...]) -> list[RealPair]:
    """The pairs of these clips, in order. Names and sizes of all pairs are checked, those of other clips as well."""
    root, found = data / "real", []
    for clip in sorted(path for path in (root / "reds").glob("*") if path.is_dir()):
        found += [RealPair("reds", clip.name, f"reds-{clip.name}-{blurred.stem}", blurred, sharp, True) for blurred, sharp in _matched(clip)]
    found += [RealPair("gopro", blurred.name[:8], f"gopro-{blurred.stem}", blurred, sharp, False) for blurred, sharp in _matched(root / "gopro")]
    known = {pair.clip for pair in found}
    if missing := [clip for clip in clips if clip not in known]:
        raise EvaluationError(f"{root} holds no frames of {', '.join(missing)}")
    return [pair for pair in found if pair.clip in clips]


def picture(path: Path) -> np.ndarray:
    """[h, w, 3] uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_clip(path: Path) -> np.ndarray:
    """All frames of a video, [n, h, w, 3] uint8."""
    import av

    try:
        with av.open(str(path)) as video:
            video.streams.video[0].thread_count = 1
            return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    except (OSError, ValueError, av.error.FFmpegError) as error:
        raise EvaluationError(f"{path} cannot be read as a video: {error}") from error


def check_length(frames: int, exposure: int, where: object) -> None:
    """Raises EvaluationError where a clip is shorter than an exposure."""
    if frames < exposure:
        raise EvaluationError(f"{where}: the clip has {frames} frames, fewer than the {exposure} of one exposure")


def average(frames: np.ndarray, linear: bool) -> np.ndarray:
    """One exposure of consecutive frames [n, h, w, 3] uint8: their mean in linear light, or as they are stored."""
    light = frames.astype(np.float32) / 255
    mean = (light**GAMMA).mean(0) ** (1 / GAMMA) if linear else light.mean(0)
    return (mean * 255).round().astype(np.uint8)


def _windows(blurred: np.ndarray, sharp: np.ndarray, size: int, rng: np.random.Generator, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Up to `count` random windows in which there is some blur."""
    h, w = sharp.shape[:2]
    if min(h, w) < size:
        raise EvaluationError(f"patches of {size} px do not fit into frames of {w}x{h}")
    for _ in range(count):
        for _ in range(5):
            y, x = int(rng.integers(0, h - size + 1)), int(rng.integers(0, w - size + 1))
            pair = blurred[y : y + size, x : x + size], sharp[y : y + size, x : x + size]
            if _error(*pair) >= PROBE:
                yield pair
                break


def _error(blurred: np.ndarray, sharp: np.ndarray) -> float:
    return float(np.mean((blurred.astype(np.float32) - sharp) ** 2))


def _pair_patches(data: Path, size: int, rng: np.random.Generator, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    pairs = real_pairs(data, TRAINING_CLIPS)
    for index, pair in enumerate(pairs):
        share = count * (index + 1) // len(pairs) - count * index // len(pairs)
        yield from _windows(picture(pair.blurred), picture(pair.sharp), size, rng, share)


def _averaged_patches(clip: Path, size: int, rng: np.random.Generator, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    frames = read_clip(clip)
    check_length(len(frames), max(AVERAGED_FRAMES), clip)
    for _ in range(count):
        n = int(rng.choice(AVERAGED_FRAMES))
        first = int(rng.integers(0, len(frames) - n + 1))
        y, x = (int(rng.integers(0, side - size + 1)) for side in frames.shape[1:3])
        window = frames[first : first + n, y : y + size, x : x + size]
        yield average(window, linear=rng.random() < 0.6), window[n // 2]


def write(data: Path, out: Path, size: int, pairs: int, averaged: int, seed: int) -> int:
    """Writes a store of about `pairs` windows of real pairs and `averaged` exposures of the clip; returns how many there are."""
    rng = np.random.default_rng(seed)
    real_pairs(data, VALIDATION_CLIPS)
    made = [*_pair_patches(data, size, rng, pairs), *(_averaged_patches(data / CLIP, size, rng, averaged) if averaged else ())]
    create_store(out, len(made), size)
    blurred, sharp, length, motion, error = open_store(out, "r+")
    for i, pair in enumerate(made):
        blurred[i], sharp[i], error[i] = *pair, _error(*pair)
        # The path is not known, but there is one.
        length[i], motion[i] = np.inf, np.full(MOTION_NUMBERS, np.nan)
    (out / "patches.json").write_text(json.dumps({"seed": seed, "count": len(made), "size": size, "clips": [*TRAINING_CLIPS, CLIP.name]}))
    return len(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=400, help="windows out of the real pairs")
    parser.add_argument("--averaged", type=int, default=400, help="exposures averaged out of the clip of 240 frames per second")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        print(f"{write(args.data, args.out, args.size, args.pairs, args.averaged, args.seed)} patches in {args.out}")
    except (EvaluationError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
