#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Are the boxes of a detector still on their frames behind the element? The detector runs before it, and what reads the detector's tensors before it or
behind it. FOLDER is what model.py wrote. Needs GStreamer 1.28 with onnxinference and its Python bindings, and numpy; earlier versions cannot copy tensors.

    GST_PLUGIN_PATH=… ORT_DYLIB_PATH=… check.py FOLDER
"""

import importlib
import sys

import gi
import numpy as np


def library(name: str):
    gi.require_version(name, "1.0")
    return importlib.import_module(f"gi.repository.{name}")


# appsink has its functions from GstApp.
Gst, GstAnalytics, _ = library("Gst"), library("GstAnalytics"), library("GstApp")

FRAMES = 90
WIDTH, HEIGHT = 320, 240
BRIGHT = 100
# Restored edges cross the threshold a little elsewhere.
FAR = 4


def extent(buffer: Gst.Buffer) -> tuple[int, int, int, int] | None:
    """Where what is bright in an RGB frame lies: left, top, right, bottom."""
    _, mapped = buffer.map(Gst.MapFlags.READ)
    bright = np.frombuffer(mapped.data, np.uint8).reshape(HEIGHT, WIDTH, 3).max(2) > BRIGHT
    buffer.unmap(mapped)
    columns, rows = np.flatnonzero(bright.any(0)), np.flatnonzero(bright.any(1))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(columns) else None


def boxes(buffer: Gst.Buffer) -> list[tuple[int, int, int, int]]:
    meta = GstAnalytics.buffer_get_analytics_relation_meta(buffer)
    found = []
    for number in range(GstAnalytics.relation_get_length(meta) if meta else 0):
        is_box, box = meta.get_od_mtd(number)
        if is_box:
            _, x, y, width, height, _ = box.get_location()
            found.append((x, y, x + width, y + height))
    return found


def distances(folder: str, elements: str) -> list[float]:
    """How far each box is from what it is around, in pixels, in each frame that comes out of `onnxinference ! elements`."""
    pipeline = Gst.parse_launch(
        f"videotestsrc pattern=ball num-buffers={FRAMES} ! video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate=30/1 ! "
        f"onnxinference model-file={folder}/ball.onnx ! {elements} ! videoconvert ! video/x-raw,format=RGB ! appsink name=sink sync=false")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    frames, found = 0, []
    while sample := sink.try_pull_sample(30 * Gst.SECOND):
        buffer = sample.get_buffer()
        frames += 1
        found += [max(abs(a - b) for a, b in zip(box, extent(buffer), strict=True)) for box in boxes(buffer)]
    error = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if error or frames != FRAMES:
        sys.exit(f"check.py: {frames} of {FRAMES} frames of {elements}: {error and error.parse_error()}")
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: check.py FOLDER")
    folder = sys.argv[1]
    Gst.init(None)
    # Where the ball leaves the frame no box is found.
    without = len(distances(folder, "tensordecodebin"))
    failed = without == 0
    for in_flight in (1, 2):
        blurdm = f"blurdm execution-provider=cpu frames-in-flight={in_flight}"
        for elements in (f"{blurdm} ! tensordecodebin", f"tensordecodebin ! {blurdm}", f"tensordecodebin ! videoconvert ! video/x-raw,format=NV12 ! {blurdm}"):
            found = distances(folder, elements)
            print(f"{elements}: {len(found)} boxes of {without}, at most {max(found, default=0)} px off")
            failed |= len(found) != without or max(found, default=0) > FAR
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
