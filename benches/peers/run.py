# SPDX-License-Identifier: MPL-2.0

"""The element beside its peers: the same network and frames, in turns, as one Markdown table.

Every turn is a process of its own that measures after its warm-up. One more turn before those that count saves what each peer restored."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import onnxruntime

from measuring import size

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BUILD = REPOSITORY / "build"
ELEMENT = "blurdm (the element)"
UNASKED = "blurdm, precision=auto"
"""The element in the numbers that it takes unasked: those that lose less than 0.1 dB by the bundle's own figures."""

EQUAL_DB = 60.0
"""Under this PSNR, outputs differ by more than a rounding that went the other way now and then."""


@dataclass
class Peer:
    """A contestant. `missing` says why it is not here."""

    name: str
    provider: str
    command: list[str]
    missing: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    fps: list[float] = field(default_factory=list)
    runtime: str = ""
    psnr: float | None = None

    def turn(self, save: Path | None = None) -> dict:
        """Runs once; the last line of its output is the result."""
        command = [*self.command, *(["--save", str(save)] if save else [])]
        done = subprocess.run(command, env=os.environ | self.environment, text=True, capture_output=True, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            tail = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise SystemExit(f"{self.name} ({self.provider}) failed with {done.returncode}. Run it by itself:\n{' '.join(command)}\n{tail}")
        return json.loads(lines[-1])


def main() -> None:
    given = options()
    width, height = given.size
    given.work.mkdir(parents=True, exist_ok=True)
    frames = given.work / "frames.rgbx"
    write_frames(given.clip, frames, width, height, given.frames)
    merged = given.work / "merged.onnx"
    subprocess.run([sys.executable, HERE / "merge.py", given.bundle, merged, "--size", f"{width}x{height}"], check=True, stdout=sys.stderr)
    contestants = peers(given, frames, merged)
    here = [peer for peer in contestants if not peer.missing]
    for peer in here:
        peer.runtime = peer.turn(given.work / saved_name(peer))["runtime"]
        peer.psnr = psnr(given.work / saved_name(reference(here, peer)), given.work / saved_name(peer))
    for number in range(given.rounds):
        # Each round starts with another peer, so that none always follows the same one.
        first = number % len(here)
        for peer in here[first:] + here[:first]:
            peer.fps.append(peer.turn()["fps"])
            print(f"round {number + 1}: {peer.name} ({peer.provider}) {peer.fps[-1]:.3f} fps", file=sys.stderr)
    print_table(contestants, given)
    exact = [peer for peer in here if peer.name != UNASKED]
    unequal = [f"{peer.name} ({peer.provider})" for peer in exact if peer.psnr is not None and peer.psnr < EQUAL_DB]
    if unequal:
        raise SystemExit(f"{', '.join(unequal)}: the output is not the element's (under {EQUAL_DB} dB), so the ratio means nothing.")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--clip", type=Path, default=BUILD / "clip/bikes.mp4", help="any video; `make build/clip/bikes.mp4` fetches the default"
    )
    parser.add_argument("--bundle", type=Path, default=REPOSITORY / "models/blurdm-nano")
    parser.add_argument("--runtime", type=Path, default=BUILD / "runtime", help="folder of ONNX Runtime; `make build/runtime` fetches it")
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    parser.add_argument("--plugin", type=Path, default=target / "release/libgstblurdm.so")
    parser.add_argument("--gst-python", default="/usr/bin/python3", help="a Python that has GStreamer's bindings (python3-gi)")
    parser.add_argument("--vsort", type=Path, default=BUILD / "peers/libvsort.so")
    parser.add_argument("--vsov", type=Path, default=BUILD / "peers/libvsov.so")
    parser.add_argument("--trixie", type=Path, default=BUILD / "peers/trixie", help="what trixie.sh made")
    parser.add_argument("--work", type=Path, default=BUILD / "peers/run", help="frames and results go here")
    parser.add_argument("--providers", nargs="+", choices=["cpu", "openvino"], default=["cpu", "openvino"])
    parser.add_argument("--size", type=size, default="1280x720")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--warm-up", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="vsort and onnxinference always take one per core")
    return parser.parse_args()


def write_frames(clip: Path, path: Path, width: int, height: int, count: int) -> None:
    """The clip's first frames that are unlike the one before: the element spares a repeated frame its prior."""
    if not clip.is_file():
        raise SystemExit(f"{clip} is missing: the frames come from it. Give another video with --clip, or run `make build/clip/bikes.mp4`.")
    written, last = 0, b""
    with av.open(str(clip)) as container, path.open("wb") as file:
        for frame in container.decode(video=0):
            pixels = frame.to_ndarray(width=width, height=height, format="rgba").tobytes()
            if pixels == last:
                continue
            file.write(pixels)
            written, last = written + 1, pixels
            if written == count:
                return
    raise SystemExit(f"{clip} has {written} different frames, {count} are wanted. Give a longer clip or fewer --frames.")


def peers(given: argparse.Namespace, frames: Path, merged: Path) -> list[Peer]:
    """The element, then its peers, provider by provider."""
    width, height = given.size
    shared = [str(frames), "--size", f"{width}x{height}", "--warm-up", str(given.warm_up), "--threads", str(given.threads)]
    result = []
    for provider in given.providers:
        result += [element(given, shared, provider, "fp32"), element(given, shared, provider, "auto")]
        result += [python_loop(given, shared, provider), vsmlrt(given, shared, merged, provider)]
    return [*result, onnxinference(given, shared, merged)]


def element(given: argparse.Namespace, shared: list[str], provider: str, precision: str) -> Peer:
    libraries = sorted(given.runtime.glob("libonnxruntime.so.*"))
    if not libraries:
        raise SystemExit(f"{given.runtime} holds no libonnxruntime.so: the element needs one. Run `make build/runtime` or give --runtime.")
    if not given.plugin.is_file():
        raise SystemExit(f"{given.plugin} is missing: it is the element. Run `cargo build --release --locked --lib` or give --plugin.")
    # A folder with nothing else in it: GStreamer looks at all that lies beside a plugin.
    plugins = given.work / "plugins"
    plugins.mkdir(exist_ok=True)
    shutil.copy(given.plugin, plugins)
    properties = f'model="{given.bundle}" execution-provider={provider} precision={precision} steps=1 threads={given.threads}'
    elements = f"blurdm {properties} adaptive=false deadline=process"
    runtime = f"ONNX Runtime {libraries[0].name.removeprefix('libonnxruntime.so.')}"
    environment = {
        "GST_PLUGIN_PATH": str(plugins.resolve()),
        "GST_REGISTRY": str(given.work.resolve() / "registry.bin"),
        "ORT_DYLIB_PATH": str(given.runtime.resolve()),
    }
    command = [given.gst_python, str(HERE / "pipeline.py"), *shared, "--elements", elements, "--runtime", runtime]
    return Peer(ELEMENT if precision == "fp32" else UNASKED, provider, command, environment=environment)


def python_loop(given: argparse.Namespace, shared: list[str], provider: str) -> Peer:
    command = [sys.executable, str(HERE / "python_loop.py"), *shared, "--bundle", str(given.bundle), "--provider", provider]
    wanted = {"cpu": "CPUExecutionProvider", "openvino": "OpenVINOExecutionProvider"}[provider]
    missing = None if wanted in onnxruntime.get_available_providers() else f"this Python's ONNX Runtime has no {wanted}"
    return Peer("Python loop", provider, command, missing)


def vsmlrt(given: argparse.Namespace, shared: list[str], merged: Path, provider: str) -> Peer:
    name, plugin = ("vs-mlrt, vsort", given.vsort) if provider == "cpu" else ("vs-mlrt, vsov", given.vsov)
    # vsort is linked to a library that no system folder holds; vsov finds OpenVINO by itself.
    library = [f"--library={path}" for path in sorted(given.runtime.glob("libonnxruntime.so.*"))] if provider == "cpu" else []
    command = [sys.executable, str(HERE / "vsmlrt.py"), *shared, f"--merged={merged}", f"--plugin={plugin}", f"--provider={provider}"]
    return Peer(name, provider, [*command, *library], missing_vapoursynth() or missing_file(plugin))


def onnxinference(given: argparse.Namespace, shared: list[str], merged: Path) -> Peer:
    command = [str(HERE / "onnxinference.sh"), str(given.trixie), str(merged), *shared]
    missing = missing_file(given.trixie / ".bootstrapped") or (None if os.geteuid() == 0 else "its chroot needs root")
    return Peer("GStreamer onnxinference", "cpu", command, missing)


def missing_file(path: Path) -> str | None:
    return None if path.exists() else f"{path} is missing"


def missing_vapoursynth() -> str | None:
    found = subprocess.run([sys.executable, "-c", "import vapoursynth"], capture_output=True, check=False).returncode == 0
    return None if found else "this Python has no vapoursynth"


def reference(here: list[Peer], peer: Peer, name: str = ELEMENT) -> Peer:
    """The element on the same provider; without it, the element on any."""
    elements = [other for other in here if other.name == name]
    return next((other for other in elements if other.provider == peer.provider), elements[0])


def saved_name(peer: Peer) -> str:
    return f"{peer.name}-{peer.provider}.rgb".replace(" ", "-").replace(",", "").replace("(", "").replace(")", "")


def psnr(one: Path, other: Path) -> float:
    """PSNR over all frames, in pieces; infinite for equal files."""
    a, b = (np.memmap(path, np.uint8, "r") for path in (one, other))
    if a.size != b.size:
        raise SystemExit(f"{other} has {b.size} bytes, {one} has {a.size}: frames are missing. Run that peer by itself.")
    piece = 1 << 22
    total = sum(int(np.square(a[i : i + piece].astype(np.int32) - b[i : i + piece]).sum()) for i in range(0, a.size, piece))
    return float("inf") if total == 0 else float(10 * np.log10(255**2 * a.size / total))


def print_table(contestants: list[Peer], given: argparse.Namespace) -> None:
    width, height = given.size
    counted = given.frames - given.warm_up
    print(f"{width}x{height}, peers in fp32, {given.threads} threads, {given.rounds} rounds of {counted} frames after {given.warm_up} of warm-up\n")
    speeds = "element / peer, speed | with precision=auto / peer"
    print(f"| peer | runtime | provider | median, fps | lowest and highest | {speeds} | PSNR to the element's output in fp32, dB |")
    print("|---|---|---|---|---|---|---|---|")
    here = [peer for peer in contestants if not peer.missing]
    for peer in contestants:
        if peer.missing:
            print(f"| {peer.name} | | {peer.provider} | not here: {peer.missing} | | | | |")
            continue
        fps = statistics.median(peer.fps)
        ratios = " | ".join(f"{statistics.median(reference(here, peer, name).fps) / fps:.3f}" for name in (ELEMENT, UNASKED))
        spread = f"{min(peer.fps):.2f} to {max(peer.fps):.2f}"
        print(f"| {peer.name} | {peer.runtime} | {peer.provider} | {fps:.2f} | {spread} | {ratios} | {shown(peer)} |")


def shown(peer: Peer) -> str:
    if peer.name == ELEMENT:
        return "itself"
    return "equal" if peer.psnr == float("inf") else f"{peer.psnr:.1f}"


if __name__ == "__main__":
    main()
