# SPDX-License-Identifier: MPL-2.0

"""A bundle's own graphs on ONNX Runtime for Python, and the one step of its sampler."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

FP32 = {"device_type": "CPU", "precision": "FP32"}


@dataclass(frozen=True)
class Step:
    """The sampler's only jump, from time T to 0: prior = latent * z - blur * e - noise * eps, with no noise at the start."""

    time: float
    latent: float
    blur: float
    noise: float


def manifest(folder: Path) -> dict:
    path = folder / "manifest.toml"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: it describes the model. Give the folder of a bundle, such as models/blurdm-nano.")
    return tomllib.loads(path.read_text())


def one_step(folder: Path) -> Step:
    schedule = manifest(folder)["schedule"]
    a, bar = schedule["alphas"], schedule["beta_bars"]
    last = len(a) - 1
    return Step(last, a[last] / a[0], last / a[0], a[last] * bar[last] / a[0] - bar[0])


def session(model: Path, provider: str, threads: int) -> onnxruntime.InferenceSession:
    """A session that fails when the provider cannot be had: ONNX Runtime by itself goes on with the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if provider == "cpu":
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    chosen = [("OpenVINOExecutionProvider", FP32 | {"num_of_threads": str(threads)})]
    made = onnxruntime.InferenceSession(model, options, providers=chosen)
    if "OpenVINOExecutionProvider" not in made.get_providers():
        raise SystemExit("ONNX Runtime runs without OpenVINO: this Python has another build of it. Install onnxruntime-openvino.")
    return made


class Bundle:
    """Restores RGBx frames, u8 [height, width, 4]."""

    def __init__(self, folder: Path, provider: str, threads: int) -> None:
        files = manifest(folder)
        self.step = one_step(folder)
        self.encoder = session(folder / files["prior"]["encoder"], provider, threads)
        # A few small matrices: handing them to another provider costs more than they do. The element keeps them on the CPU too.
        self.residuals = session(folder / files["prior"]["residuals"], "cpu", threads)
        self.backbone = session(folder / files["backbone"]["variants"]["fp32"], provider, threads)

    def prior(self, frame: np.ndarray) -> np.ndarray:
        (z,) = self.encoder.run(None, {"frame": frame[None]})
        times = {"t": np.array([self.step.time], np.float32), "s": np.zeros(1, np.float32)}
        blur, noise = self.residuals.run(["blur_residual", "noise_residual"], {"z_t": z, "z_blur": z} | times)
        return (self.step.latent * z - self.step.blur * blur - self.step.noise * noise).astype(np.float32)

    def restore(self, frame: np.ndarray) -> np.ndarray:
        (restored,) = self.backbone.run(None, {"frame": frame[None], "prior": self.prior(frame)})
        return restored[0]
