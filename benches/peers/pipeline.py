# SPDX-License-Identifier: MPL-2.0

"""Raw frames through GStreamer elements to a sink: the element, and in the chroot onnxinference."""

from __future__ import annotations

import gi

from measuring import Stopwatch, frame_count, options

gi.require_version("Gst", "1.0")
from gi.repository import Gst


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--format", default="rgbx", help="what to call the frames' four bytes: rgbx or rgba")
    parser.add_argument("--elements", required=True, help="what the frames go through, as for gst-launch-1.0")
    parser.add_argument("--runtime", default="unknown", help="the library behind the elements, for the report")
    parser.add_argument("--tensor", action="store_true", help="save the tensor that the elements attached, not the frame")
    given = parser.parse_args()
    width, height = given.size
    frame_bytes = width * height * 4
    expected = frame_count(given.frames, frame_bytes)
    Gst.init(None)
    # The source hands out whole frames, so that the parser need not put them together.
    pipeline = Gst.parse_launch(
        f'filesrc location="{given.frames}" blocksize={frame_bytes} '
        f"! rawvideoparse format={given.format} width={width} height={height} framerate=30/1 "
        f"! {given.elements} ! fakesink name=sink sync=false signal-handoffs=true"
    )
    watch = Stopwatch(given.warm_up, given.save)

    def arrived(_sink: Gst.Element, buffer: Gst.Buffer, _pad: Gst.Pad) -> None:
        watch.frame()
        if given.save:
            watch.save(from_planes(tensor(buffer)) if given.tensor else without_fourth(contents(buffer)))

    pipeline.get_by_name("sink").connect("handoff", arrived)
    run(pipeline)
    watch.report(expected, given.runtime)


def run(pipeline: Gst.Pipeline) -> None:
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    if message.type == Gst.MessageType.ERROR:
        error, details = message.parse_error()
        raise SystemExit(f"{message.src.get_name()}: {error.message} ({details})")
    pipeline.set_state(Gst.State.NULL)


def contents(buffer: Gst.Buffer) -> bytes:
    return buffer.extract_dup(0, buffer.get_size())


def without_fourth(pixels: bytes) -> bytes:
    rgb = bytearray(len(pixels) // 4 * 3)
    for channel in range(3):
        rgb[channel::3] = pixels[channel::4]
    return bytes(rgb)


def tensor(buffer: Gst.Buffer) -> bytes:
    gi.require_version("GstAnalytics", "1.0")
    from gi.repository import GstAnalytics

    meta = GstAnalytics.buffer_get_tensor_meta(buffer)
    if meta is None:
        raise SystemExit("the frames carry no tensor: the elements did not run the graph. Run with GST_DEBUG=onnx*:5.")
    return contents(meta.get(0).data)


def from_planes(planes: bytes) -> bytes:
    """Float planes 0..1 to RGB bytes."""
    import numpy as np

    levels = np.rint(np.frombuffer(planes, np.float32).reshape(3, -1).T * 255)
    return levels.clip(0, 255).astype(np.uint8).tobytes()


if __name__ == "__main__":
    main()
