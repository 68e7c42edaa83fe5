# SPDX-License-Identifier: MPL-2.0

"""The loop that a Python user writes: PyAV decodes, ONNX Runtime restores, the frame is there as an array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import onnxruntime

from bundle import Bundle
from measuring import Stopwatch, frame_count, options


def decoded(path: Path, width: int, height: int) -> Iterator[np.ndarray]:
    """The file's frames as u8 [height, width, 4]. The frames are raw, so that no peer has more to decode than another."""
    layout = {"video_size": f"{width}x{height}", "pixel_format": "rgb0", "framerate": "30"}
    with av.open(str(path), format="rawvideo", options=layout) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgba")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--provider", choices=["cpu", "openvino"], default="cpu")
    given = parser.parse_args()
    width, height = given.size
    expected = frame_count(given.frames, width * height * 4)
    bundle = Bundle(given.bundle, given.provider, given.threads)
    watch = Stopwatch(given.warm_up, given.save)
    for frame in decoded(given.frames, width, height):
        restored = bundle.restore(frame)
        watch.frame()
        watch.save(restored[..., :3].tobytes() if given.save else b"")
    watch.report(expected, f"ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
