# SPDX-License-Identifier: MPL-2.0
"""The same network in PyTorch, frame in and frame out: channels last, fp16, torch.compile. And what the device could do at best.

    PYTHONPATH=models python benches/gpu/pytorch.py models/training/configs/nano.toml --bundle models/blurdm-nano --sizes 1280x720 1920x1080
    PYTHONPATH=models python benches/gpu/pytorch.py mimo-unet --sizes 1280x720 1920x1080

One line of Markdown for each size, to stand beside `BLURDM_BENCH_PROVIDER=cuda BLURDM_BENCH_PRECISION=fp16 cargo bench` of the same minute. A
frame is bytes in pinned memory before and after. The bound is the slower of two: the network's multiply-adds at the measured peak of fp16
products, and its weights and one frame's bytes moved once at the measured bandwidth, which is far less than any network moves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from training.config import Config, load_config
from training.diffusion import even_times
from training.import_checkpoint import PUBLISHED, published_model
from training.macs import per_pixel
from training.model import BlurDm

WARM_UP = 8
PIXEL = 4


def main() -> None:
    args = options()
    config = network(args.network)
    model = BlurDm(config.model).eval().requires_grad_(False)
    if args.bundle:
        own = model.state_dict()
        model.load_state_dict({name: value.to(own[name].dtype) for name, value in load_file(args.bundle / "weights.safetensors").items()})
    device = torch.device(args.device)
    model = torch.nn.utils.convert_conv2d_weight_memory_format(model.to(device), torch.channels_last)
    macs = sum(per_pixel(config).values())
    peak, bandwidth = products(device), copies(device)
    print(f"{torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}, PyTorch {torch.__version__}, {macs / 1e3:.1f} kMAC per pixel; "
          f"peak {2 * peak / 1e12:.1f} TFLOP/s in fp16, {bandwidth / 1e9:.0f} GB/s\n")
    print("| network | size | fps | ms, p50 | ms, p99 | share of the peak | bound, fps |\n|---|---|---|---|---|---|---|")
    for width, height in args.sizes:
        times = frames(model, device, width, height, args.frames, args.compile)
        pixels, middle = width * height, statistics.median(times)
        moved = 2 * sum(p.numel() for p in model.parameters()) + 2 * PIXEL * pixels
        bound = 1 / max(macs * pixels / peak, moved / bandwidth)
        worst = sorted(times)[int(0.99 * (len(times) - 1))]
        print(f"| {config.name} | {width}x{height} | {1 / middle:.1f} | {1e3 * middle:.2f} | {1e3 * worst:.2f} "
              f"| {macs * pixels / middle / peak:.1%} | {bound:.0f} |")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help=f"a training configuration, or one of {', '.join(PUBLISHED)} at its published size with random weights")
    parser.add_argument("--bundle", type=Path, help="whose weights to take; random ones are as fast")
    parser.add_argument("--sizes", nargs="+", type=size, default=[(1280, 720), (1920, 1080)], metavar="WIDTHxHEIGHT")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split("x"))
    return width, height


def network(name: str) -> Config:
    if name in PUBLISHED:
        return Config(f"{name}, published size", 1, 0.0, True, published_model(name), ())
    return load_config(Path(name))


@torch.inference_mode()
def frames(model: BlurDm, device: torch.device, width: int, height: int, count: int, compiled: bool) -> list[float]:
    """Seconds of each frame."""
    times = even_times(model.schedule.steps, 1)
    multiple = model.backbone.MULTIPLE
    missing = (0, -width % multiple, 0, -height % multiple)

    def restore(frame: torch.Tensor) -> torch.Tensor:
        picture = frame[..., :3].permute(0, 3, 1, 2).float() / 255
        picture = torch.nn.functional.pad(picture, missing, mode="reflect").contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.float16 if device.type == "cuda" else torch.bfloat16):
            restored = model(picture, times)
        restored = (restored[:, :, :height, :width].float() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return torch.cat([restored, frame[..., 3:]], dim=3)

    run = torch.compile(restore, mode="max-autotune") if compiled else restore
    pinned = device.type == "cuda"
    given, taken = (torch.randint(0, 256, (1, height, width, PIXEL), dtype=torch.uint8, pin_memory=pinned) for _ in range(2))
    spent = []
    for number in range(WARM_UP + count):
        started = time.perf_counter()
        taken.copy_(run(given.to(device, non_blocking=True)), non_blocking=True)
        if pinned:
            torch.cuda.synchronize(device)
        if number >= WARM_UP:
            spent.append(time.perf_counter() - started)
    return spent


def best(device: torch.device, run, seconds: float = 2.0) -> float:
    """The shortest time of many."""
    shortest, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        shortest = min(shortest, time.perf_counter() - started)
    return shortest


def products(device: torch.device) -> float:
    """Multiply-adds a second of the fastest product of square matrices."""
    found = 0.0
    for side in (2048, 4096, 8192) if device.type == "cuda" else (512, 1024):
        a, b = (torch.randn(side, side, device=device).to(torch.float16 if device.type == "cuda" else torch.bfloat16) for _ in range(2))
        found = max(found, side**3 / best(device, partial(torch.matmul, a, b)))
    return found


def copies(device: torch.device) -> float:
    """Bytes a second that are read and written."""
    data = torch.zeros((1 << 30) if device.type == "cuda" else (1 << 27), dtype=torch.uint8, device=device)
    into = torch.empty_like(data)
    return 2 * data.numel() / best(device, lambda: into.copy_(data))


if __name__ == "__main__":
    main()
