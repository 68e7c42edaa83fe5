# SPDX-License-Identifier: MPL-2.0

"""The merged graph on vs-mlrt: VapourSynth's own conversions around core.ort or core.ov, frames from memory."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import vapoursynth as vs

from measuring import Stopwatch, frame_count, options


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="what merge.py wrote")
    parser.add_argument("--plugin", type=Path, required=True, help="libvsort.so for the CPU provider, libvsov.so for OpenVINO")
    parser.add_argument("--library", type=Path, action="append", default=[], help="load this first: the runtime that the plugin needs")
    parser.add_argument("--provider", choices=["cpu", "openvino"], default="cpu")
    given = parser.parse_args()
    width, height = given.size
    count = frame_count(given.frames, width * height * 4)
    for library in given.library:
        ctypes.CDLL(str(library.resolve()), mode=ctypes.RTLD_GLOBAL)
    vs.core.num_threads = given.threads
    vs.core.std.LoadPlugin(str(given.plugin.resolve()))
    planes = np.memmap(given.frames, np.uint8, "r", shape=(count, height, width, 4))[..., :3].transpose(0, 3, 1, 2).copy()
    restored, runtime = model(source(planes).resize.Point(format=vs.RGBS), given.merged, given.provider, given.threads)
    watch = Stopwatch(given.warm_up, given.save)
    for frame in restored.resize.Point(format=vs.RGB24).frames(close=True):
        watch.frame()
        watch.save(np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1).tobytes() if given.save else b"")
    watch.report(count, runtime)


def source(planes: np.ndarray) -> vs.VideoNode:
    """The frames [n, 3, height, width] as a clip of bytes."""
    blank = vs.core.std.BlankClip(format=vs.RGB24, width=planes.shape[3], height=planes.shape[2], length=len(planes), keep=True)

    def filled(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), planes[n, plane])
        return frame

    return blank.std.ModifyFrame(blank, filled)


def model(clip: vs.VideoNode, merged: Path, provider: str, threads: int) -> tuple[vs.VideoNode, str]:
    if provider == "cpu":
        # vsort leaves the threads to ONNX Runtime, which takes one per core.
        runtime = f"ONNX Runtime {text(vs.core.ort.Version(), 'onnxruntime_version')}"
        return vs.core.ort.Model(clip, network_path=str(merged)), runtime
    # By itself OpenVINO computes in bf16 where the CPU can.
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    runtime = f"OpenVINO {text(vs.core.ov.Version(), 'openvino_version')}"
    return vs.core.ov.Model(clip, network_path=str(merged), device="CPU", config=lambda: config), runtime


def text(version: dict, name: str) -> str:
    value = version.get(name, "unknown")
    return value.decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
