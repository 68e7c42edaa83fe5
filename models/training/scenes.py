"""Scenes made of photographs: a background, and on some of them things that move on their own (vehicles' worth of texture, signs, plates)."""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .exposure import Camera, Exposure, Layer, Motion, develop, expose, random_motion, sub_frame_count, sub_frames, to_linear
from .sources import Source

FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
FASTEST_LAYER = 1.2
"""How far a layer's own path may go, in camera paths."""

HEADROOM = 3.0
"""How far above white the brightest lights of a photograph are taken to have been, before the sensor clipped them."""


@dataclass(frozen=True)
class Conditions:
    """What makes an exposure harder than daylight on a flat scene; the default is daylight.

    light: how bright the scene is (1: day); lamps: point lights far above white; plates: number plates and signs that stand in the
    scene; slope: the ground's (see Motion)."""

    light: float = 1.0
    lamps: int = 0
    plates: int = 0
    slope: float = 0.0

    @staticmethod
    def random(rng: np.random.Generator) -> Conditions:
        return Conditions(
            light=float(rng.uniform(0.06, 0.4)) if rng.random() < 0.15 else 1.0,
            lamps=int(rng.integers(2, 16)) if rng.random() < 0.2 else 0,
            plates=int(rng.integers(1, 4)) if rng.random() < 0.35 else 0,
            slope=float(np.clip(rng.normal(0, 0.4), -0.9, 0.9)) if rng.random() < 0.3 else 0.0,
        )


def linear_light(picture: np.ndarray, device: torch.device) -> torch.Tensor:
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
        font = self._font(rng, height)
        alphabet = list(string.ascii_uppercase + string.digits * 2 + string.ascii_lowercase + " -")
        for y in range(2, size[0], int(height * 1.3)):
            draw.text((3, y), "".join(rng.choice(alphabet, 40)), fill=tuple(int(c) for c in colours[1]), font=font)
        return np.asarray(image)

    def _add_plates(self, picture: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """The picture with `count` number plates: one line of dark or light letters in a frame, 4 to 6 times as wide as high."""
        image = Image.fromarray(picture)
        for _ in range(count):
            height = int(rng.integers(12, 40))
            width = int(height * rng.uniform(3.5, 6))
            paper, ink = ((235, 235, 225), (20, 20, 30)) if rng.random() < 0.7 else ((30, 60, 150), (240, 240, 240))
            plate = Image.new("RGB", (width, height), paper)
            draw = ImageDraw.Draw(plate)
            draw.rectangle((0, 0, width - 1, height - 1), outline=ink, width=max(height // 14, 1))
            text = "".join(rng.choice(list(string.ascii_uppercase + string.digits * 3), int(rng.integers(5, 9))))
            draw.text((width / 2, height / 2), text, fill=ink, font=self._font(rng, int(height * 0.7)), anchor="mm")
            plate = plate.rotate(float(rng.normal(0, 4)), Image.Resampling.BICUBIC, expand=True, fillcolor=paper)
            image.paste(plate, (int(rng.integers(0, max(image.width - plate.width, 1))), int(rng.integers(0, max(image.height - plate.height, 1)))))
        return np.asarray(image)

    @staticmethod
    def unclipped(light: torch.Tensor) -> torch.Tensor:
        """The scene [3, h, w] in linear light with lamps and reflections as bright as they may have been before they were
        clipped, so that they leave streaks."""
        luminance = light.mean(0, keepdim=True)
        return light * (1 + HEADROOM * ((luminance - 0.85) / 0.15).clamp(0, 1) ** 2)

    def _add_lamps(self, light: torch.Tensor, count: int, rng: np.random.Generator) -> torch.Tensor:
        """The scene [3, h, w] in linear light with lamps of 2 to 40 times white, which saturate and leave streaks."""
        h, w = light.shape[1:]
        y, x = torch.meshgrid(torch.arange(h, device=light.device), torch.arange(w, device=light.device), indexing="ij")
        for _ in range(count):
            radius = float(rng.uniform(0.6, 4))
            distance = ((x - rng.uniform(0, w)) ** 2 + (y - rng.uniform(0, h)) ** 2).sqrt()
            tint = torch.as_tensor(rng.uniform(0.4, 1, (3, 1, 1)), dtype=torch.float32, device=light.device)
            light = light + tint * float(rng.uniform(2, 40)) * (radius + 0.5 - distance).clamp(0, 1)
        return light

    def _font(self, rng: np.random.Generator, height: int):
        return ImageFont.truetype(str(self._fonts[int(rng.integers(len(self._fonts)))]), height) if self._fonts else ImageFont.load_default(height)

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

    def expose(self, size: tuple[int, int], length: float, rng: np.random.Generator, camera: Camera | None = None,
               conditions: Conditions = Conditions()) -> Exposure:
        """A blurred and sharp pair of `size` (h, w) whose camera path is `length` px long; length 0 gives twice the same picture."""
        camera = camera or Camera.random(rng)
        margin = 12 + int(np.ceil(length))
        outer = (size[0] + 2 * margin, size[1] + 2 * margin)
        background = linear_light(self._add_plates(self._textured_window(outer, rng), conditions.plates, rng), self._device)
        if rng.random() < 0.3:
            background = self.unclipped(background)
        background = self._add_lamps(background * conditions.light, conditions.lamps, rng)
        n = sub_frame_count(length * FASTEST_LAYER * (1 + abs(conditions.slope)))
        path = replace(random_motion(rng, length, size, n), slope=conditions.slope)
        layers = [Layer(background, path)]
        while rng.random() < 0.35 and len(layers) < 3:
            texture = self._sign(outer, rng) if rng.random() < 0.5 else self._textured_window(outer, rng, 1)
            own = random_motion(rng, length * rng.uniform(0, FASTEST_LAYER), size, n)
            layers.append(Layer(linear_light(texture, self._device) * conditions.light, own, self._opacity(outer, rng)))
        if length == 0:
            still = [Layer(layer.picture, random_motion(rng, 0, size, 1), layer.opacity) for layer in layers]
            picture = develop(sub_frames(still, size)[0], camera, rng, noisy=False)
            return Exposure(picture, picture, 0.0, len(layers), Motion(np.zeros((1, 2))))
        blurred, sharp = expose(sub_frames(layers, size))
        return Exposure(develop(blurred, camera, rng), develop(sharp, camera, rng, noisy=False), path.length, len(layers), path)
