#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Restores videos on many machines: the segments of each as tasks of Ray, joined here.

    pip install -r pipelines/cluster/requirements.txt
    pipelines/cluster/restore.py IN... -o OUT_FOLDER [--address auto | --workers 2] [--cores 2 | --gpus 1] [-- options of blurdm restore]

Without --address a Ray of this machine's own is started for as long as it takes, with as many workers as its cores allow. Machines of
a cluster need the plugin and the command blurdm (--blurdm, if it is not found by its name) and must see the inputs under the same paths;
what they make comes back through Ray. A segment that fails is tried again, and what is finished is kept beside the output: the same line
goes on from there, as `blurdm restore` itself would.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ray

MOST_PENDING = 1000
"""Segments that wait at Ray: their files come back through its memory, and a folder may hold thousands of clips."""


class Failed(Exception):
    """The command has said no; the message is its own."""


def blurdm(command: str, *arguments: str) -> str:
    """The command's standard output."""
    try:
        done = subprocess.run([command, "restore", *arguments], check=False, capture_output=True, text=True)
    except OSError as error:
        raise Failed(f"{command}: {error.strerror}; install blurdm there, or name it with --blurdm") from error
    if done.returncode != 0:
        raise Failed(done.stderr.strip() or f"{command} ended with status {done.returncode}")
    return done.stdout


def restored_segment(command: str, source: str, name: str, number: int, options: list[str]) -> dict[str, bytes]:
    """On a machine of the cluster: the files of one finished segment, by name."""
    with tempfile.TemporaryDirectory(prefix="blurdm-") as folder:
        output = Path(folder, name)
        blurdm(command, source, "-o", str(output), "--segments", str(number), "--quiet", *options)
        work = Path(folder, f"{name}.blurdm")
        wanted = [*work.glob(f"{number:05}.*"), *work.glob("still-*.png")]
        return {path.name: path.read_bytes() for path in wanted if path.suffix != ".part"}


def keep(work: Path, files: dict[str, bytes]) -> None:
    """Writes a segment's files; what says that it is finished comes last."""
    for name in sorted(files, key=lambda name: name.endswith(".json")):
        part = work / f"{name}.part"
        part.write_bytes(files[name])
        part.replace(work / name)


@dataclass
class Clip:
    """A video some of whose segments are still to come."""

    source: Path
    output: Path
    work: Path
    left: int
    failed: list[str] = field(default_factory=list)


class Batch:
    """Hands the segments of all clips to Ray, so that no worker waits for the end of a clip, and joins each clip once it is whole."""

    def __init__(self, arguments: argparse.Namespace, task):
        self.arguments = arguments
        self.task = task
        self.running: dict[ray.ObjectRef, tuple[Clip, int]] = {}
        self.failed = False

    def begin(self, source: Path) -> None:
        arguments = self.arguments
        plan = json.loads(blurdm(arguments.blurdm, str(source), "-o", str(arguments.output / source.name), "--plan", *arguments.options))
        if plan["done"]:
            print(f"{source}: was restored before", flush=True)
            return
        numbers = [segment["number"] for segment in plan["segments"] if segment["number"] not in plan["finished"]]
        print(f"{source}: {len(numbers)} of {len(plan['segments'])} segments to restore", flush=True)
        clip = Clip(source, Path(plan["output"]), Path(plan["work"]), len(numbers))
        threads = [] if arguments.gpus else ["--threads", str(arguments.cores)]
        for number in numbers:
            running = self.task.remote(arguments.blurdm, str(source.resolve()), clip.output.name, number, [*arguments.options, *threads])
            self.running[running] = (clip, number)
        if not numbers:
            self.join(clip)

    def take(self, wait: float | None) -> bool:
        """Keeps one segment that is ready within so many seconds. Whether there was one."""
        ready, _ = ray.wait(list(self.running), timeout=wait) if self.running else ([], [])
        for segment in ready:
            clip, number = self.running.pop(segment)
            clip.left -= 1
            try:
                keep(clip.work, ray.get(segment))
                print(f"{clip.source}: segment {number} restored, {clip.left} left", flush=True)
            except ray.exceptions.RayTaskError as error:
                clip.failed.append(f"segment {number}: {error.cause}")
            except (ray.exceptions.RayError, OSError) as error:
                clip.failed.append(f"segment {number}: {error}")
            if clip.left == 0:
                self.attempt(clip.source, lambda clip=clip: self.join(clip))
        return bool(ready)

    def join(self, clip: Clip) -> None:
        if clip.failed:
            raise Failed("\n".join(clip.failed))
        # Nothing is left but to join them.
        blurdm(self.arguments.blurdm, str(clip.source), "-o", str(clip.output), "--quiet", *self.arguments.options)
        print(f"{clip.source}: restored", flush=True)

    def attempt(self, source: Path, work: Callable[[], None]) -> None:
        """A clip that fails does not keep the others from being restored."""
        try:
            work()
        except Failed as error:
            print(f"{source}: {error}", file=sys.stderr, flush=True)
            self.failed = True

    def restore(self, sources: list[Path]) -> None:
        for source in sources:
            self.attempt(source, lambda source=source: self.begin(source))
            while self.take(0):
                pass
            while len(self.running) >= MOST_PENDING:
                self.take(None)
        while self.running:
            self.take(None)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT_FOLDER")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--address", help="of a running Ray cluster, or 'auto'; without it Ray is started here")
    where.add_argument("--workers", type=positive, help="segments at the same time on this machine; as many as its cores or GPUs allow without it")
    parser.add_argument("--cores", type=positive, default=2, help="CPU cores for each segment")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs for each segment, such as 1 or 0.5")
    parser.add_argument("--retries", type=int, default=2, help="how often a segment that failed is tried again")
    parser.add_argument("--blurdm", default="blurdm", help="the command, where it is not found by its name")
    own, further = sys.argv[1:], []
    if "--" in own:
        own, further = own[: own.index("--")], own[own.index("--") + 1 :]
    arguments = parser.parse_args(own)
    arguments.options = further
    missing = [str(source) for source in arguments.inputs if not source.is_file()]
    if missing:
        parser.error(f"there is no file {', '.join(missing)}")

    # A worker is a task's worth of cores: what Ray believes to have decides how many run at the same time.
    cores = arguments.workers and arguments.workers * (1 if arguments.gpus else arguments.cores)
    ray.init(address=arguments.address, num_cpus=cores, include_dashboard=False, log_to_driver=False)
    need = {"num_gpus": arguments.gpus, "num_cpus": 1} if arguments.gpus else {"num_cpus": arguments.cores}
    task = ray.remote(**need, max_retries=arguments.retries, retry_exceptions=True)(restored_segment)
    batch = Batch(arguments, task)
    batch.restore(arguments.inputs)
    return 1 if batch.failed else 0


if __name__ == "__main__":
    sys.exit(main())
