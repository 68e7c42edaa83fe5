# SPDX-License-Identifier: MPL-2.0
"""Makes a bundle of a published network at its published size, with random weights: what it restores means nothing, how fast it does is real.

The weights of a tensor repeat after some thousand, so that the bundle packs small.

    PYTHONPATH=models python benches/gpu/published.py mimo-unet build/gpu/mimo-unet
    gst-launch-1.0 … ! blurdm model=build/gpu/mimo-unet execution-provider=cuda precision=fp16 ! …
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.export import Origin, write_bundle
from training.import_checkpoint import PUBLISHED, published_model
from training.model import BlurDm

REPEAT = 4099
"""A prime, so that hardly a row of a matrix is another one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbone", choices=PUBLISHED)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.manual_seed(1)
    config = published_model(args.backbone)
    model = BlurDm(config).eval().requires_grad_(False)
    for weights in model.parameters():
        flat = weights.view(-1)
        flat.copy_(flat[:REPEAT].repeat(len(flat) // REPEAT + 1)[: len(flat)])
    origin = Origin("0", "none: random numbers", ("nothing",), (1,), {})
    write_bundle(f"{args.backbone}, random weights", args.backbone, model, origin, args.out, config.tile)
    print(f"{args.out}: {args.backbone} at its published size, random weights")


if __name__ == "__main__":
    main()
