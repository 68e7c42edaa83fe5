"""Finds the pictures of the paper's test sets and of our own exposures, and sees to them before any long work starts.

| layout | as published | as repackaged |
|---|---|---|
| exposures | NAME-LENGTH_blurred.png, NAME-LENGTH_sharp.png | |
| gopro | test/GOPR*/blur/*.png, test/GOPR*/sharp/*.png (blur_gamma is left alone) | blur, sharp or input, target |
| hide | test/test-close-ups/*.png, test/test-long-shot/*.png, GT/*.png | the same |
| realblur-j, realblur-r | RealBlur_J_test_list.txt, RealBlur_R_test_list.txt: a line "TRUTH BLURRED" per picture, from the folder of the list | the same |

The repackaged form holds two folders of pictures that go by the same names; they may lie in a folder `test`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from .errors import EvaluationError

MINIMUM_SIDE = 32
"""px. Below, nothing is left of a picture in the last layers of LPIPS."""

FLAT_FORMS = (("blur", "sharp"), ("input", "target"))
GOPRO_FRAME = re.compile(r"(GOPR\d+_\d+_\d+)[-_]\d+")
"""How repackaged frames of GoPro are called: their scene, then their number."""


@dataclass(frozen=True)
class Pair:
    """A blurred picture and the sharp one that it should have been.

    scene: which video it is a frame of, its frames being consecutive and in order; empty for a picture on its own.
    length: of exposures, how long the camera's path was, in px (0: already sharp).
    """

    name: str
    blurred: Path
    sharp: Path
    scene: str = ""
    length: int | None = None


def _pictures(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder by name, without the hidden ones that some systems leave in archives."""
    return {path.name: path for path in sorted(folder.glob("*.png")) if not path.name.startswith(".")}


def _required(path: Path, needed_by: Path | str) -> Path:
    if not path.is_file():
        raise EvaluationError(f"{path} is missing, and {needed_by} needs it: unpack the data set again, or take its counterpart away")
    return path


def _matched(blurred: Path, sharp: Path) -> list[tuple[Path, Path]]:
    """(blurred, sharp) of two folders whose pictures must go by the same names."""
    left, right = _pictures(blurred), _pictures(sharp)
    if not left:
        raise EvaluationError(f"{blurred} holds no *.png: unpack the data set again, or convert its pictures to PNG")
    for name in sorted(left.keys() ^ right.keys()):
        here, there = (blurred, sharp) if name in left else (sharp, blurred)
        _required(there / name, here / name)
    return [(left[name], right[name]) for name in left]


def _flat(folder: Path, expected: str) -> list[tuple[Path, Path]]:
    """(blurred, sharp) of the repackaged form, in the folder itself or in its `test`."""
    for parent in (folder, folder / "test"):
        for blurred, sharp in FLAT_FORMS:
            if (parent / blurred).is_dir() or (parent / sharp).is_dir():
                return _matched(parent / blurred, parent / sharp)
    raise EvaluationError(f"{folder} holds neither {expected} nor the folders blur and sharp, or input and target: give the folder that does")


def _exposures(folder: Path) -> list[Pair]:
    sides = ("_blurred.png", "_sharp.png")
    names = sorted({path.name.removesuffix(side) for side in sides for path in folder.glob(f"*{side}")})
    if not names:
        raise EvaluationError(f"{folder} holds no *_blurred.png (python -m training.validation makes them)")
    pairs = []
    for name in names:
        blurred, sharp = (folder / f"{name}{side}" for side in sides)
        _required(blurred, sharp.name)
        _required(sharp, blurred.name)
        length = name.rpartition("-")[2]
        if not length.isdecimal():
            raise EvaluationError(f"{blurred} does not say how long the blur is: name it NAME-LENGTH_blurred.png, LENGTH in px, as training.validation does")
        pairs.append(Pair(name, blurred, sharp, length=int(length)))
    if not any(pair.length for pair in pairs):
        raise EvaluationError(f"{folder} holds exposures of length 0 alone, so that nothing is blurred: make them again with python -m training.validation")
    return pairs


def _gopro(folder: Path) -> list[Pair]:
    root = folder / "test" if (folder / "test").is_dir() else folder
    scenes = sorted(path for path in root.glob("GOPR*") if path.is_dir())
    if scenes:
        return [Pair(f"{scene.name}/{blurred.stem}", blurred, sharp, scene.name)
                for scene in scenes for blurred, sharp in _matched(scene / "blur", scene / "sharp")]

    def scene_of(path):
        return match[1] if (match := GOPRO_FRAME.match(path.name)) else ""

    return [Pair(blurred.stem, blurred, sharp, scene_of(blurred)) for blurred, sharp in _flat(folder, "test/GOPR*")]


def _hide(folder: Path) -> list[Pair]:
    """GT holds the truth of the training pictures too, so it may have more than is asked for."""
    halves = [folder / "test" / half for half in ("test-close-ups", "test-long-shot")]
    if not any(half.is_dir() for half in halves):
        return [Pair(blurred.stem, blurred, sharp) for blurred, sharp in _flat(folder, "test/test-close-ups, test/test-long-shot")]
    pairs = []
    for half in halves:
        if not (found := _pictures(half)):
            raise EvaluationError(f"{half} holds no *.png: unpack the data set again")
        pairs += [Pair(f"{half.name}/{path.stem}", path, _required(folder / "GT" / name, path)) for name, path in found.items()]
    return pairs


def _realblur(folder: Path, kind: str) -> list[Pair]:
    listed = folder / f"RealBlur_{kind}_test_list.txt"
    if not listed.is_file():
        return [Pair(blurred.stem, blurred, sharp) for blurred, sharp in _flat(folder, listed.name)]
    pairs = []
    for number, line in enumerate(listed.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise EvaluationError(f"{listed}, line {number}: expected the paths of the truth and of the blurred picture, found {line!r}: "
                                  "restore the published list")
        sharp, blurred = (_required(folder / word, f"{listed}, line {number},") for word in words)
        pairs.append(Pair("/".join(blurred.with_suffix("").parts[-3:]), blurred, sharp))
    if not pairs:
        raise EvaluationError(f"{listed} names no picture: restore the published list")
    return pairs


LAYOUTS: dict[str, Callable[[Path], list[Pair]]] = {
    "exposures": _exposures,
    "gopro": _gopro,
    "hide": _hide,
    "realblur-j": partial(_realblur, kind="J"),
    "realblur-r": partial(_realblur, kind="R"),
}


def find_pairs(folder: Path, layout: str = "exposures") -> list[Pair]:
    """Every pair of the folder, in order. A side that is missing is an error, not a row less."""
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder: give the one that holds the pictures")
    return LAYOUTS[layout](folder)


def _size(path: Path) -> tuple[int, int]:
    """(width, height) of an 8-bit RGB PNG whose every chunk is whole."""
    try:
        with Image.open(path) as image:
            size, form, mode = image.size, image.format, image.mode
            image.verify()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}): unpack the data set again") from error
    if (form, mode) != ("PNG", "RGB"):
        raise EvaluationError(f"{path} is {form} of mode {mode}, not an 8-bit RGB PNG: convert it")
    if min(size) < MINIMUM_SIDE:
        raise EvaluationError(f"{path} is {size[0]}x{size[1]}: scoring needs {MINIMUM_SIDE}x{MINIMUM_SIDE} at least; take the pair away")
    return size


def check_pictures(pairs: list[Pair]) -> None:
    """Raises EvaluationError at the first file that is not a whole 8-bit RGB PNG, is too small, or differs in size from its other side."""
    for pair in pairs:
        blurred, sharp = _size(pair.blurred), _size(pair.sharp)
        if blurred != sharp:
            raise EvaluationError(f"{pair.blurred} is {blurred[0]}x{blurred[1]}, but {pair.sharp} is {sharp[0]}x{sharp[1]}: unpack the data set again")


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
