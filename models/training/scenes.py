"""Scenes made of photographs: a background, and on some of them things that move on their own (vehicles' worth of texture, signs, plates)."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .exposure import Camera, Exposure, Layer, develop, expose, random_motion, sub_frame_count, sub_frames, to_linear
from .sources import Source

FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
FASTEST_LAYER = 1.2
"""How far a layer's own path may go, in camera paths."""

HEADROOM = 3.0
"""How far above white the brightest lights of a photograph are taken to have been, before the sensor clipped them."""


def _linear(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    return to_linear(torch.tensor(picture, device=device).permute(2, 0, 1).float() / 255)


def _crop(picture: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random window of `size`; a picture that is too small is mirrored outward."""
    h, w = picture.shape[:2]
    grow = (max(size[0] - h, 0), max(size[1] - w, 0))
    if any(grow):
        picture = np.pad(picture, ((0, grow[0]), (0, grow[1]), (0, 0)), mode="symmetric")
        h, w = picture.shape[:2]
    y, x = int(rng.integers(0, h - size[0] + 1)), int(rng.integers(0, w - size[1] + 1))
    return picture[y : y + size[0], x : x + size[1]]


def _structure(window: np.ndarray) -> float:
    """Mean gradient after averaging 4x4 px: edges survive that, grain does not."""
    h, w = window.shape[0] // 4 * 4, window.shape[1] // 4 * 4
    coarse = window[:h, :w].astype(np.float32).mean(2).reshape(h // 4, 4, w // 4, 4).mean((1, 3))
    return float(np.abs(np.diff(coarse, axis=0)).mean() + np.abs(np.diff(coarse, axis=1)).mean())


def _fonts() -> list[Path]:
    return sorted(p for folder in FONT_FOLDERS for p in Path(folder).rglob("*.ttf"))


class SceneMaker:
    """Draws scenes from sources. Keeps decoded pictures, since the same few photographs are cropped thousands of times."""

    def __init__(self, sources: list[Source], weights: dict[str, float], device: str = "cpu", keep: int = 500):
        groups = sorted({s.group for s in sources})
        self._by_group = {g: [s for s in sources if s.group == g] for g in groups}
        self._groups = groups
        share = np.array([weights.get(g, 1.0) for g in groups])
        self._share = share / share.sum()
        self._device = torch.device(device)
        self._cache: dict[tuple[Path, float], np.ndarray] = {}
        self._keep = keep
        self._fonts = _fonts()

    def _picture(self, rng: np.random.Generator) -> np.ndarray:
        group = self._by_group[self._groups[rng.choice(len(self._groups), p=self._share)]]
        source = group[int(rng.integers(len(group)))]
        lo, hi = source.scales
        # A handful of scales a source, so that the cache is of use.
        scale = round(lo + (hi - lo) * int(rng.integers(3)) / 2, 4)
        key = (source.path, scale)
        if key not in self._cache:
            if len(self._cache) >= self._keep:
                self._cache.pop(next(iter(self._cache)))
            self._cache[key] = source.load(scale)
        return self._cache[key]

    def _textured_window(self, size: tuple[int, int], rng: np.random.Generator, attempts: int = 5) -> np.ndarray:
        """Of a few windows of one picture the one with the most structure: sky teaches little, and the grain of asphalt cannot be restored."""
        picture = self._picture(rng)
        windows = [_crop(picture, size, rng) for _ in range(attempts if rng.random() < 0.8 else 1)]
        return windows[int(np.argmax([_structure(w) for w in windows]))]

    def _sign(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A plate or sign: a few lines of letters and digits in two colours."""
        colours = rng.integers(0, 256, (2, 3))
        if abs(int(colours[0].sum()) - int(colours[1].sum())) < 200:
            colours = np.array([[235, 235, 230], [15, 15, 20]])[:: 1 if rng.random() < 0.5 else -1]
        image = Image.new("RGB", (size[1], size[0]), tuple(int(c) for c in colours[0]))
        draw = ImageDraw.Draw(image)
        height = int(rng.integers(9, 48))
        font = ImageFont.truetype(str(self._fonts[int(rng.integers(len(self._fonts)))]), height) if self._fonts else ImageFont.load_default(height)
        alphabet = list(string.ascii_uppercase + string.digits * 2 + string.ascii_lowercase + " -")
        for y in range(2, size[0], int(height * 1.3)):
            draw.text((3, y), "".join(rng.choice(alphabet, 40)), fill=tuple(int(c) for c in colours[1]), font=font)
        return np.asarray(image)

    def _opacity(self, size: tuple[int, int], rng: np.random.Generator) -> torch.Tensor:
        """One soft-edged shape (rectangle, ellipse or polygon) somewhere in the middle of the frame, antialiased."""
        h, w = size
        mask = Image.new("L", (w * 2, h * 2), 0)
        draw = ImageDraw.Draw(mask)
        bw, bh = rng.uniform(0.15, 0.5) * w * 2, rng.uniform(0.1, 0.45) * h * 2
        x, y = rng.uniform(0.1, 0.9) * (2 * w - bw), rng.uniform(0.1, 0.9) * (2 * h - bh)
        kind = rng.integers(3)
        if kind == 0:
            draw.rectangle((x, y, x + bw, y + bh), fill=255)
        elif kind == 1:
            draw.ellipse((x, y, x + bw, y + bh), fill=255)
        else:
            draw.polygon([(x + rng.random() * bw, y + rng.random() * bh) for _ in range(5)], fill=255)
        mask = mask.resize((w, h), Image.Resampling.BOX)
        if rng.random() < 0.3:
            mask = mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.5))))
        return torch.from_numpy(np.asarray(mask).astype(np.float32) / 255)[None].to(self._device)

    def expose(self, size: tuple[int, int], length: float, rng: np.random.Generator, camera: Camera | None = None) -> Exposure:
        """A blurred and sharp pair of `size` (h, w) whose camera path is `length` px long; length 0 gives twice the same picture."""
        camera = camera or Camera.random(rng)
        margin = 12 + int(np.ceil(length))
        outer = (size[0] + 2 * margin, size[1] + 2 * margin)
        background = _linear(self._textured_window(outer, rng), self._device)
        if rng.random() < 0.3:
            # Undo the clipping of lamps and reflections, so that they leave streaks.
            luminance = background.mean(0, keepdim=True)
            background = background * (1 + HEADROOM * ((luminance - 0.85) / 0.15).clamp(0, 1) ** 2)
        n = sub_frame_count(length * FASTEST_LAYER)
        path = random_motion(rng, length, size, n)
        layers = [Layer(background, path)]
        while rng.random() < 0.35 and len(layers) < 3:
            texture = self._sign(outer, rng) if rng.random() < 0.5 else self._textured_window(outer, rng, 1)
            own = random_motion(rng, length * rng.uniform(0, FASTEST_LAYER), size, n)
            layers.append(Layer(_linear(texture, self._device), own, self._opacity(outer, rng)))
        if length == 0:
            picture = develop(sub_frames([Layer(l.picture, random_motion(rng, 0, size, 1), l.opacity) for l in layers], size)[0], camera, rng, noisy=False)
            return Exposure(picture, picture, 0.0, len(layers))
        blurred, sharp = expose(sub_frames(layers, size))
        return Exposure(develop(blurred, camera, rng), develop(sharp, camera, rng, noisy=False), path.length, len(layers))
