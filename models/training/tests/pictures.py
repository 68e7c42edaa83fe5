"""Small pictures for the tests of the evaluation, and the folders that data sets come in."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def texture(seed: int = 0, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """[H, W, 3] uint8 with detail at several scales, smooth enough to be interpolated."""
    rng = np.random.default_rng(seed)
    noise = sum(scale * gaussian_filter(rng.standard_normal((*size, 3)), (scale, scale, 0), mode="wrap") for scale in (1.5, 4, 12))
    return (127 + 90 * noise / np.abs(noise).max()).round().astype(np.uint8)


def blurred(picture: np.ndarray, sigma: float = 1.5) -> np.ndarray:
    return gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0)).round().astype(np.uint8)


def save(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def save_pair(blurred_path: Path, sharp_path: Path, seed: int = 0, size: tuple[int, int] = (96, 128)) -> None:
    sharp = texture(seed, size)
    save(sharp_path, sharp)
    save(blurred_path, blurred(sharp))


def exposures(folder: Path) -> Path:
    for name in ("road-00", "road-04", "street-16"):
        save_pair(folder / f"{name}_blurred.png", folder / f"{name}_sharp.png")
    return folder


def gopro(folder: Path, size: tuple[int, int] = (96, 128)) -> Path:
    for scene, frames in (("GOPR0384_11_00", (1, 2, 3)), ("GOPR0854_11_00", (7, 8))):
        for frame in frames:
            blurred, sharp, blurred_gamma = (folder / "test" / scene / kind / f"{frame:06d}.png" for kind in ("blur", "sharp", "blur_gamma"))
            save_pair(blurred, sharp, frame, size)
            save(blurred_gamma, texture(9))
    return folder


def hide(folder: Path) -> Path:
    for half, name in (("test-close-ups", "1fromGOPR0974"), ("test-close-ups", "2fromGOPR0974"), ("test-long-shot", "55fromGOPR1089")):
        save_pair(folder / "test" / half / f"{name}.png", folder / "GT" / f"{name}.png")
    save(folder / "GT" / "7fromGOPR0950.png", texture())  # the truth of a training picture
    return folder


def realblur(folder: Path, kind: str) -> Path:
    """Of differing sizes, as RealBlur's are."""
    lines = []
    for scene, size in ((50, (96, 128)), (51, (90, 120))):
        sharp, blur = (f"RealBlur-{kind}_ECC/scene{scene:03d}/{side}/{side}_1.png" for side in ("gt", "blur"))
        save_pair(folder / blur, folder / sharp, scene, size)
        lines.append(f"{sharp} {blur} \n")
    (folder / f"RealBlur_{kind}_test_list.txt").write_text("".join(lines))
    return folder


def flat(folder: Path, blur: str = "input", sharp: str = "target", names: tuple[str, ...] = ("1.png", "2.png")) -> Path:
    for seed, name in enumerate(names):
        save_pair(folder / blur / name, folder / sharp / name, seed)
    return folder
