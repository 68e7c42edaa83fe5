"""Where the pictures come from, and which of them are never trained on.

The split is by source picture, before any cropping. Weights are trained only on pictures whose licences allow any use of what
is learnt from them (MIT, CC0, CC-BY, CC-BY-SA: see the model card); GPL wallpapers serve as validation only and are not shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = 64_000_000

LOMIRI_SKIPPED = ("umang", "analogpattern")
"""Drawings, not photographs."""

LOMIRI_VALIDATION = ("Fossa", "picosdeeuropa")
ROAD_VALIDATION = range(320, 374)
ROAD_GAP = range(305, 320)
"""Survey frames are consecutive: those next to the validation block belong to neither side."""

PLASMA_PHOTOGRAPHS = ("BytheWater", "ColdRipple", "EveningGlow", "FallenLeaf", "OneStandsOut", "Path", "ColorfulCups", "Autumn")


@dataclass(frozen=True)
class Source:
    """A sharp picture. scales: the range of down-scaling at which it is sharp to the pixel; box: the part that is free of logos."""

    path: Path
    group: str
    scales: tuple[float, float]
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def load(self, scale: float) -> np.ndarray:
        """[h, w, 3] uint8, reduced by `scale` with an area-like filter."""
        with Image.open(self.path) as image:
            image = image.convert("RGB")
            w, h = image.size
            image = image.crop((round(self.box[0] * w), round(self.box[1] * h), round(self.box[2] * w), round(self.box[3] * h)))
            if scale < 1:
                image = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)), Image.Resampling.LANCZOS, reducing_gap=2.0)
            return np.asarray(image)


class MissingSources(Exception):
    """A folder that should hold pictures does not."""


def _photograph(path: Path, group: str) -> Source:
    with Image.open(path) as image:
        megapixels = image.width * image.height / 1e6
    # A full-size photograph is soft at 100 %: reduce it to between 1 and 4 megapixels.
    lo, hi = (1.0 / megapixels) ** 0.5, (4.0 / megapixels) ** 0.5
    return Source(path, group, (min(lo, 1.0), min(hi, 0.7 if megapixels > 4 else 0.9)))


def _dashcam(data: Path) -> list[Source]:
    return [Source(p, "carnd", (0.6, 1.0), (0, 0, 1, 0.93)) for p in sorted((data / "stills" / "carnd").glob("*.jpg"))]


def _road(data: Path) -> list[Source]:
    # The surveyor's logo sits at the top right.
    return [Source(p, "road", (0.6, 1.0), (0, 0.14, 1, 1)) for p in sorted((data / "stills" / "road").glob("*.jpg"))]


def _lomiri(photos: Path) -> list[Source]:
    files = sorted(photos.glob("usr/share/backgrounds/*.jpg"))
    return [_photograph(p, "lomiri") for p in files if not p.name.startswith(LOMIRI_SKIPPED)]


def _road_number(source: Source) -> int:
    return int(source.path.stem.split("-")[1])


def training_sources(data: Path, photos: Path) -> list[Source]:
    """Pictures to train on. data: the footage folder; photos: Debian's photo packages, unpacked."""
    cars = [s for s in _dashcam(data) if not s.path.name.startswith("p1_")]
    road = [s for s in _road(data) if _road_number(s) not in ROAD_VALIDATION and _road_number(s) not in ROAD_GAP]
    lomiri = [s for s in _lomiri(photos) if not s.path.name.startswith(LOMIRI_VALIDATION)]
    for name, found, where in (("carnd", cars, data), ("road", road, data), ("lomiri-wallpapers", lomiri, photos)):
        if not found:
            raise MissingSources(f"no {name} pictures below {where}: see models/training/README.md for how to get them")
    return cars + road + lomiri


def validation_sources(data: Path, photos: Path) -> list[Source]:
    """Pictures never trained on: other dash-cam stills, another stretch of road, other photographers."""
    cars = [s for s in _dashcam(data) if s.path.name.startswith("p1_")]
    road = [s for s in _road(data) if _road_number(s) in ROAD_VALIDATION][::9]
    lomiri = [s for s in _lomiri(photos) if s.path.name.startswith(LOMIRI_VALIDATION)]
    plasma = [_photograph(photos / "usr/share/wallpapers" / n / "contents/images/2560x1600.jpg", "plasma") for n in PLASMA_PHOTOGRAPHS
              if (photos / "usr/share/wallpapers" / n / "contents/images/2560x1600.jpg").is_file()]
    if not (cars and road and lomiri and plasma):
        raise MissingSources(f"validation needs carnd and road below {data} and lomiri and plasma wallpapers below {photos}: see models/training/README.md")
    return cars + road + lomiri + plasma[::2]
