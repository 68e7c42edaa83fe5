"""Exposures as hands, roads and action cameras make them: long paths, averaged frames, rows exposed one after the other, depth, defocus, JPEG.

scenes.py has the scenes and exposure.py the motion; what is new here is what lies between them and the file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from .exposure import Camera, Exposure, Layer, Motion, develop, random_motion
from .scenes import Conditions, SceneMaker, linear_light
from .shutter import Shutter, expose, seen_motion

LONGEST = 64.0
NEAREST = 2.5
"""How many times the background's path the nearest layer's may be."""


def random_length(rng: np.random.Generator) -> float:
    """Path lengths in px: one picture in ten is sharp and must stay so; half of the others are longer than 14."""
    kind = rng.random()
    if kind < 0.10:
        return 0.0
    if kind < 0.20:
        return float(rng.uniform(0.5, 4))
    if kind < 0.55:
        return float(rng.uniform(4, 14))
    return float(np.exp(rng.uniform(np.log(14), np.log(LONGEST))))


@dataclass(frozen=True)
class Look:
    """What a lens and a file add. defocus: radius in px of the circle of confusion of what is out of focus; jpeg: quality, or None."""

    defocus: float = 0.0
    jpeg: int | None = None

    @staticmethod
    def random(rng: np.random.Generator) -> Look:
        return Look(float(rng.uniform(0.7, 3)) if rng.random() < 0.12 else 0.0, int(rng.integers(60, 96)) if rng.random() < 0.25 else None)


def out_of_focus(light: torch.Tensor, radius: float) -> torch.Tensor:
    """[C, h, w] with every point a disc of this radius."""
    if radius <= 0:
        return light
    reach = int(np.ceil(radius))
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    disc = (radius + 0.5 - (offset[:, None] ** 2 + offset[None] ** 2).sqrt()).clamp(0, 1)
    kernel = (disc / disc.sum()).expand(light.shape[0], 1, -1, -1)
    return F.conv2d(F.pad(light[None], (reach,) * 4, mode="reflect"), kernel, groups=light.shape[0])[0]


def jpeg(picture: np.ndarray, quality: int | None) -> np.ndarray:
    """The picture [h, w, 3] after a JPEG file of this quality; None leaves it."""
    if quality is None:
        return picture
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


# Defaults of an exposure: what nothing was asked of.
PLAIN_CONDITIONS, PLAIN_SHUTTER, PLAIN_LOOK = Conditions(), Shutter(), Look()


class RealisticMaker(SceneMaker):
    """As SceneMaker, with shutters and looks."""

    def expose_as(self, size: tuple[int, int], length: float, rng: np.random.Generator, camera: Camera, conditions: Conditions = PLAIN_CONDITIONS,
                  shutter: Shutter = PLAIN_SHUTTER, look: Look = PLAIN_LOOK) -> Exposure:
        """A blurred and sharp pair of `size` (h, w) whose camera path is `length` px long; length 0 gives twice the same picture."""
        margin = 16 + int(np.ceil(0.6 * length * (1 + shutter.rolling)))
        outer = (size[0] + 2 * margin, size[1] + 2 * margin)
        window = self._add_plates(self._textured_window(outer, rng, attempts=3), conditions.plates, rng)
        background = self._add_lamps(self._with_highlights(linear_light(window, self._device), rng) * conditions.light, conditions.lamps, rng)
        focus_behind = rng.random() < 0.5
        background = out_of_focus(background, 0.0 if focus_behind else look.defocus)
        motion = replace(random_motion(rng, length, size, 65), slope=conditions.slope)
        layers = [Layer(background, motion)]
        while rng.random() < 0.4 and len(layers) < 4:
            texture = self._sign(outer, rng) if rng.random() < 0.4 else self._textured_window(outer, rng, 1)
            light = out_of_focus(linear_light(texture, self._device) * conditions.light, look.defocus if focus_behind else 0.0)
            layers.append(Layer(light, self._layer_motion(motion, length, size, rng), self._opacity(outer, rng)))
        if length == 0:
            still = [Layer(layer.picture, random_motion(rng, 0, size, 65), layer.opacity) for layer in layers]
            picture = develop(expose(still, size, Shutter(3))[1], replace(camera, gain=1.0), rng, noisy=False)
            return Exposure(picture, picture, 0.0, len(layers), Motion(np.zeros((1, 2))))
        blurred, sharp = expose(layers, size, shutter, camera.gain)
        developed = replace(camera, gain=1.0)
        seen = seen_motion(motion, shutter)
        return Exposure(jpeg(develop(blurred, developed, rng), look.jpeg), develop(sharp, developed, rng, noisy=False), motion.length, len(layers), seen)

    @staticmethod
    def _with_highlights(light: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Some of the scenes brighter than white where a photograph was clipped."""
        return SceneMaker.unclipped(light) if rng.random() < 0.3 else light

    @staticmethod
    def _layer_motion(background: Motion, length: float, size: tuple[int, int], rng: np.random.Generator) -> Motion:
        """Of what stands nearer: the camera's path enlarged, its turn as it is. Or of what moves on its own: any other path."""
        if rng.random() < 0.5:
            return replace(background, offsets=background.offsets * rng.uniform(1, min(NEAREST, 1.2 * LONGEST / max(length, 1))), slope=0.0)
        return random_motion(rng, length * rng.uniform(0, 1.2), size, 65)
