#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Restores the video of a file into an MP4 file with the element.

    python3 examples/python/restore_file.py blurred.mp4 restored.mp4

Needs the packages python3-gi and gir1.2-gstreamer-1.0, and the plugin where GStreamer finds it."""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst


def main() -> str | None:
    if len(sys.argv) != 3:
        return "usage: restore_file.py IN OUT.mp4"
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "filesrc name=in ! decodebin ! videoconvert ! blurdm name=blurdm ! queue ! videoconvert"
        " ! x264enc pass=qual vbv-buf-capacity=0 ! h264parse ! mp4mux ! filesink name=out"
    )
    for name, path in zip(("in", "out"), sys.argv[1:], strict=True):
        pipeline.get_by_name(name).set_property("location", path)
    pipeline.set_state(Gst.State.PLAYING)
    error = play(pipeline)
    stats = pipeline.get_by_name("blurdm").get_property("stats")
    pipeline.set_state(Gst.State.NULL)
    if error is None:
        print(f"{stats.get_value('frames')} frames restored")
    return error


def play(pipeline: Gst.Pipeline) -> str | None:
    """Blocks until the end of the stream, and prints what the graphs run on. Returns the error, if there is one."""
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR | Gst.MessageType.ELEMENT
    while True:
        message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, wanted)
        if message.type == Gst.MessageType.EOS:
            return None
        if message.type == Gst.MessageType.ERROR:
            return message.parse_error().gerror.message
        if message.has_name("blurdm-provider"):
            print(message.get_structure().get_string("provider"))


if __name__ == "__main__":
    sys.exit(main())
