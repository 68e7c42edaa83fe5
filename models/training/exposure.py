"""Blur formation: what a camera does between opening and closing its shutter.

A scene (a background and layers that move on their own) is rendered at N instants of one exposure, the sub-frames are
averaged in linear light, and the average passes through the rest of a camera: saturation, shot and read noise, the tone
curve, eight bits, and sometimes an H.264 encoder. The sharp target is the sub-frame at mid-exposure.

Notation follows the paper: the blurred image is B = I_T, the sharp one I_0, and

    a_t I_t = a_{t-1} I_{t-1} + e_t,                                            (forward process without noise)

where I_t is the mean over a window that grows around mid-exposure from one sub-frame (t = 0) to the whole exposure (t = T).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

FEWEST_SUB_FRAMES = 33


def sub_frame_count(length: float) -> int:
    """How many sub-frames a path of `length` px needs to lie at most 1 px apart even where it is fastest (shaken paths reach
    over twice their mean speed). Odd, so that one lies exactly at mid-exposure."""
    return max(FEWEST_SUB_FRAMES, 2 * math.ceil(1.5 * length) + 1)


def to_linear(srgb: torch.Tensor) -> torch.Tensor:
    """sRGB in 0..1 to linear light (IEC 61966-2-1)."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055).clamp_min(0) ** 2.4)


def to_srgb(linear: torch.Tensor) -> torch.Tensor:
    """Linear light in 0..1 to sRGB (IEC 61966-2-1)."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-8) ** (1 / 2.4) - 0.055)


@dataclass
class Motion:
    """A rigid path over one exposure, at rest (identity) at mid-exposure.

    offsets: [N, 2] displacement in pixels (x, y); turn: radians and zoom: log scale over the whole exposure; both about
    `centre`, in pixels from the middle of the frame. slope: how much more the bottom row is displaced than the middle one, and
    the top row less, as a share (a road below a horizon).
    """

    offsets: np.ndarray
    turn: float = 0.0
    zoom: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    slope: float = 0.0

    @property
    def length(self) -> float:
        """Arc length of the path at `centre`, in pixels: what "an exposure of L px" means everywhere here."""
        return float(np.linalg.norm(np.diff(self.offsets, axis=0), axis=1).sum())

    def path_at(self, point: tuple[float, float], height: int) -> np.ndarray:
        """[N, 2] displacement in pixels (x, y) of what is seen at `point`, in pixels from the middle of a frame of that height."""
        tau = np.linspace(-0.5, 0.5, len(self.offsets))
        x, y = point[0] - self.centre[0], point[1] - self.centre[1]
        scale, angle = np.exp(tau * self.zoom), tau * self.turn
        turned = np.stack([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y], axis=1) * scale[:, None]
        return turned - (x, y) + self.offsets * (1 + self.slope * point[1] / (height / 2))


def point_spread(path: np.ndarray, radius: int) -> np.ndarray:
    """[2 radius + 1, 2 radius + 1], sum 1: how much of the scene at each displacement an exposure along `path` [N, 2] gathers.
    What lies beyond the radius is gathered at its edge."""
    side = 2 * radius + 1
    position = np.clip(path + radius, 0, side - 1)
    corner = np.minimum(np.floor(position).astype(int), side - 2)
    share = position - corner
    spread = np.zeros((side, side), np.float32)
    for right in (0, 1):
        for below in (0, 1):
            weight = np.abs(1 - right - share[:, 0]) * np.abs(1 - below - share[:, 1])
            np.add.at(spread, (corner[:, 1] + below, corner[:, 0] + right), weight)
    return spread / len(path)


def random_motion(rng: np.random.Generator, length: float, size: tuple[int, int], n: int | None = None) -> Motion:
    """A continuous path of the given arc length in n sub-frames: mostly straight (vehicles), bent or shaken (hands), some turn
    and zoom."""
    n = n or sub_frame_count(length)
    tau = np.linspace(-0.5, 0.5, n)
    heading = rng.uniform(0, 2 * math.pi)
    along, across = tau.copy(), np.zeros(n)
    across += rng.normal(0, 0.35) * (tau**2) * 2
    if rng.random() < 0.35:  # hand shake: a few slow sinusoids on both axes
        for axis in (along, across):
            for frequency in (1, 2, 3):
                axis += rng.normal(0, 0.12 / frequency) * np.sin(2 * math.pi * frequency * tau + rng.uniform(0, 6.28))
    path = np.stack([along * math.cos(heading) - across * math.sin(heading),
                     along * math.sin(heading) + across * math.cos(heading)], axis=1)
    path -= path[n // 2]
    total = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    path *= length / max(total, 1e-9)
    motion = Motion(path)
    if length > 0 and rng.random() < 0.4:
        radius = 0.5 * math.hypot(*size)
        motion.turn = rng.normal(0, 0.3) * length / radius
        motion.zoom = rng.normal(0, 0.3) * length / radius
        motion.centre = (rng.uniform(-0.5, 0.5) * size[1], rng.uniform(-0.5, 0.5) * size[0])
    return motion


def _sampling_grid(motion: Motion, size: tuple[int, int], source: tuple[int, int], device) -> torch.Tensor:
    """[N, h, w, 2] sampling positions in the source, in grid_sample's units; mid-exposure falls on pixel centres."""
    n = len(motion.offsets)
    h, w = size
    tau = torch.linspace(-0.5, 0.5, n, device=device)
    y, x = torch.meshgrid(torch.arange(h, device=device, dtype=torch.float32),
                          torch.arange(w, device=device, dtype=torch.float32), indexing="ij")
    cx, cy = (w - 1) / 2 + motion.centre[0], (h - 1) / 2 + motion.centre[1]
    scale, angle = torch.exp(tau * motion.zoom), tau * motion.turn
    cos, sin = (scale * torch.cos(angle)).view(-1, 1, 1), (scale * torch.sin(angle)).view(-1, 1, 1)
    offset = torch.as_tensor(motion.offsets, dtype=torch.float32, device=device)
    nearer = 1 + motion.slope * (y - (h - 1) / 2) / (h / 2)
    gx = cos * (x - cx) - sin * (y - cy) + cx + offset[:, 0].view(-1, 1, 1) * nearer
    gy = sin * (x - cx) + cos * (y - cy) + cy + offset[:, 1].view(-1, 1, 1) * nearer
    left, top = (source[1] - w) // 2, (source[0] - h) // 2
    return torch.stack([(gx + left) * 2 / (source[1] - 1) - 1, (gy + top) * 2 / (source[0] - 1) - 1], dim=-1)


@dataclass
class Layer:
    """A picture [3, H, W] in linear light with an opacity [1, H, W] (None: a background), larger than the frame by its path."""

    picture: torch.Tensor
    motion: Motion
    opacity: torch.Tensor | None = None


def _render(layer: Layer, size: tuple[int, int]) -> torch.Tensor:
    """The layer at every sub-frame: [N, 3, h, w], or [N, 4, h, w] premultiplied with its opacity."""
    picture = layer.picture
    if layer.opacity is not None:
        picture = torch.cat([picture * layer.opacity, layer.opacity])
    grid = _sampling_grid(layer.motion, size, tuple(picture.shape[1:]), picture.device)
    n = grid.shape[0]
    # One tall "frame" per call lets grid_sample share the source among the sub-frames.
    flat = grid.reshape(1, n * size[0], size[1], 2)
    out = F.grid_sample(picture[None], flat, mode="bicubic", padding_mode="reflection", align_corners=True)
    return out[0].reshape(picture.shape[0], n, *size).transpose(0, 1)


def sub_frames(layers: list[Layer], size: tuple[int, int]) -> torch.Tensor:
    """[N, 3, h, w] in linear light, the layers composed back to front at every instant."""
    frames = _render(layers[0], size)
    for layer in layers[1:]:
        over = _render(layer, size)
        frames = over[:, :3] + frames * (1 - over[:, 3:].clamp(0, 1))
    return frames.clamp_min(0)


def expose(frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sub-frames [N, 3, h, w] to (blurred, sharp), both [3, h, w] in linear light, before saturation."""
    return frames.mean(0), frames[frames.shape[0] // 2]


def partial_integrals(frames: torch.Tensor, alphas: list[float]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The growing exposures I_0..I_T and the true blur residuals e_1..e_T of the forward process.

    I_t averages a window around mid-exposure whose share of the exposure is (a_t - a_0) / (a_T - a_0);
    e_t = a_t I_t - a_{t-1} I_{t-1}, so that a_T I_T = a_0 I_0 + sum(e_t) holds exactly.
    """
    middle = frames.shape[0] // 2
    means = []
    for a in alphas:
        half = round(middle * (a - alphas[0]) / (alphas[-1] - alphas[0]))
        means.append(frames[middle - half : middle + half + 1].mean(0))
    residuals = [alphas[t] * means[t] - alphas[t - 1] * means[t - 1] for t in range(1, len(alphas))]
    return means, residuals


@dataclass
class Camera:
    """What follows the shutter. gain: exposure, then clipping; shot, read: noise (linear light); crf: H.264 quality or None."""

    gain: float = 1.0
    shot: float = 0.0
    read: float = 0.0
    crf: int | None = None

    @staticmethod
    def random(rng: np.random.Generator) -> Camera:
        camera = Camera(gain=float(rng.uniform(0.9, 1.25)))
        if rng.random() < 0.5:
            camera.shot = float(10 ** rng.uniform(-4.5, -3.4))
            camera.read = float(10 ** rng.uniform(-3.6, -2.7))
        if rng.random() < 0.15:
            camera.crf = int(rng.integers(17, 27))
        return camera


    @staticmethod
    def harsh(rng: np.random.Generator) -> Camera:
        """A cheap sensor in bad light, and a recorder that saves bits."""
        camera = Camera(gain=float(rng.uniform(0.9, 1.5)), shot=float(10 ** rng.uniform(-4, -3)), read=float(10 ** rng.uniform(-3.2, -2.4)))
        if rng.random() < 0.4:
            camera.crf = int(rng.integers(20, 31))
        return camera


def develop(linear: torch.Tensor, camera: Camera, rng: np.random.Generator, noisy: bool = True) -> np.ndarray:
    """Linear light [3, h, w] to an 8-bit sRGB picture [h, w, 3]."""
    light = (linear * camera.gain).clamp(0, 1)
    if noisy and (camera.shot or camera.read):
        seed = torch.Generator(device="cpu").manual_seed(int(rng.integers(2**31)))
        sigma = (camera.shot * light + camera.read**2).sqrt()
        light = (light + sigma * torch.randn(light.shape, generator=seed).to(light.device)).clamp(0, 1)
    picture = (to_srgb(light) * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return h264(picture, camera.crf) if noisy and camera.crf is not None else picture


def h264(picture: np.ndarray, crf: int) -> np.ndarray:
    """The picture [h, w, 3] after one intra frame of H.264 at the given constant rate factor (h and w even)."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    buffer.seek(0)
    with av.open(buffer) as decoded:
        return next(decoded.decode(video=0)).to_ndarray(format="rgb24")


@dataclass
class Exposure:
    """One training or test example: 8-bit pictures [h, w, 3], the arc length of the camera's path in pixels, how many layers."""

    blurred: np.ndarray
    sharp: np.ndarray
    length: float
    layers: int = 1
    motion: Motion | None = None
    """The background's."""
