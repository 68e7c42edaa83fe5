"""A small training set made on the spot: textures in the folders where the real pictures would lie."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Edges at several scales: what a blur can be seen on."""
    h, w = size
    picture = np.zeros((h, w, 3), np.float32)
    for cell in (8, 24, 64):
        coarse = rng.integers(0, 256, (h // cell + 1, w // cell + 1, 3), dtype=np.uint8)
        picture += np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.NEAREST), np.float32) / 3
    return Image.fromarray(picture.astype(np.uint8))


@pytest.fixture(scope="session")
def footage(tmp_path_factory) -> tuple[Path, Path]:
    """(data, photos) with the layout that `sources` expects."""
    data, photos = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(3)
    names = [data / "stills/carnd" / n for n in ("all_1.jpg", "vd_1.jpg", "p1_1.jpg")]
    names += [data / "stills/road" / f"road-{n:04d}.jpg" for n in (1, 2, 310, 320, 329)]
    names += [photos / "usr/share/backgrounds" / n for n in ("Bridge.jpg", "umang.jpg", "Fossa.jpg")]
    names += [photos / "usr/share/wallpapers" / n / "contents/images/2560x1600.jpg" for n in ("Path", "Autumn")]
    for name in names:
        name.parent.mkdir(parents=True, exist_ok=True)
        _texture(rng, (700, 1200)).save(name, quality=95)
    return data, photos


@pytest.fixture(scope="session")
def store(footage, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("patches")
    command = [sys.executable, "-m", "training.patches", "--data", footage[0], "--photos", footage[1], "--out", out, "--count", 24, "--size", 128]
    run = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return out
