"""Restores pictures through the element, as footage would be: PNG files in, gst-launch, PNG files out."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from PIL import Image

from .errors import EvaluationError
from .layouts import Pair

ELEMENTS = {
    "multifilesrc": "install gstreamer1.0-plugins-good",
    "pngdec": "install gstreamer1.0-plugins-good",
    "videoconvert": "install gstreamer1.0-plugins-base",
    "blurdm": "run make install, or set GST_PLUGIN_PATH to the folder of libgstblurdm.so",
}


def check_element(bundle: Path | None) -> None:
    """Raises EvaluationError when gst-launch-1.0, one of the pipeline's elements or the bundle is not there."""
    if not (shutil.which("gst-launch-1.0") and shutil.which("gst-inspect-1.0")):
        raise EvaluationError("gst-launch-1.0 and gst-inspect-1.0 are not on PATH: install GStreamer's tools (gstreamer1.0-tools)")
    for name, remedy in ELEMENTS.items():
        # Not --exists: that asks for the version of GStreamer itself, which plugins from elsewhere do not have.
        if subprocess.run(["gst-inspect-1.0", name], check=False, capture_output=True).returncode:
            raise EvaluationError(f"GStreamer has no element {name}: {remedy}")
    if bundle and not (bundle / "manifest.toml").is_file():
        raise EvaluationError(f"{bundle} holds no manifest.toml: give the folder that training.export wrote")


def _quoted(path: Path) -> str:
    """A path as gst-launch reads it back, whatever its characters."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _numbered(folder: Path) -> str:
    """The location of the frames in a folder: the file elements put the number in as printf does."""
    return "location=" + _quoted(Path(str(folder).replace("%", "%%")) / "%05d.png")


def _run(folder: Path, count: int, bundle: Path | None, properties: dict[str, str]) -> list[Path]:
    """folder/in/00000.png and so on, all of one size, to folder/00000.png and so on, in one pipeline. properties: the element's."""
    model = ["model=" + _quoted(bundle.resolve())] if bundle else []
    command = ["gst-launch-1.0", "-q", "multifilesrc", _numbered(folder / "in"), "caps=image/png,framerate=(fraction)25/1", "!", "pngdec",
               "!", "videoconvert", "!", "video/x-raw,format=RGBx", "!", "blurdm", *(f"{name}={value}" for name, value in properties.items()), *model,
               "!", "videoconvert", "!", "pngenc", "!", "multifilesink", _numbered(folder)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    files = [folder / f"{index:05d}.png" for index in range(count)]
    missing = [f for f in files if not f.is_file()]
    if run.returncode or missing:
        raise EvaluationError(f"the pipeline restored {count - len(missing)} of {count} pictures:\n{run.stderr}")
    return files


def restore_through_element(pairs: list[Pair], bundle: Path | None, steps: int | None, out: Path, precision: str | None = "fp32",
                            properties: dict[str, str] | None = None) -> list[Path]:
    """Runs every blurred picture through `pngdec ! blurdm ! pngenc`; returns the restored files, out/00000.png and so on, in order.

    steps, precision: None for the element's own. properties: more of the element's properties.

    The pictures of a scene go through one pipeline, so that the element sees a video; so do all pictures of one size that belong to no scene.
    """
    asked = {name: str(value) for name, value in (("steps", steps), ("precision", precision)) if value is not None} | (properties or {})
    shutil.rmtree(out, ignore_errors=True)
    clips = defaultdict(list)
    for index, pair in enumerate(pairs):
        with Image.open(pair.blurred) as image:
            clips[pair.scene, image.size].append(index)
    files = [out / f"{index:05d}.png" for index in range(len(pairs))]
    work = out / "clip"
    for indices in clips.values():
        (work / "in").mkdir(parents=True)
        for number, index in enumerate(indices):
            (work / "in" / f"{number:05d}.png").symlink_to(pairs[index].blurred.resolve())
        for index, restored in zip(indices, _run(work, len(indices), bundle, asked), strict=True):
            restored.rename(files[index])
        shutil.rmtree(work)
    return files
