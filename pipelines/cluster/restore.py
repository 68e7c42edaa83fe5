#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Restores videos on many machines: the segments of each as tasks of Ray, joined here.

    pip install -r pipelines/cluster/requirements.txt
    pipelines/cluster/restore.py IN... -o OUT_FOLDER [--address auto] [--cores 2 | --gpus 1] [-- options of blurdm restore]

Without --address a Ray of this machine's own is started for as long as it takes. Machines of a cluster need the command blurdm (--blurdm, if it is
not found by its name) and must see the inputs under the same paths; what they make comes back through Ray. A segment that fails is tried again, and
what is finished is kept beside the output: the same line goes on from there, as `blurdm restore` itself would.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ray


class Failed(Exception):
    """The command has said no; the message is its own."""


def blurdm(command: str, *arguments: str) -> str:
    """The command's standard output."""
    try:
        done = subprocess.run([command, "restore", *arguments], capture_output=True, text=True)
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
        os.replace(part, work / name)


def restore(source: Path, arguments: argparse.Namespace, task) -> None:
    output = arguments.output / source.name
    plan = json.loads(blurdm(arguments.blurdm, str(source), "-o", str(output), "--plan", *arguments.options))
    if plan["done"]:
        print(f"{source}: was restored before", flush=True)
        return
    output, work = Path(plan["output"]), Path(plan["work"])
    left = [segment["number"] for segment in plan["segments"] if segment["number"] not in plan["finished"]]
    print(f"{source}: {len(left)} of {len(plan['segments'])} segments to restore", flush=True)
    threads = [] if arguments.gpus else ["--threads", str(arguments.cores)]
    running = {task.remote(arguments.blurdm, str(source.resolve()), output.name, number, [*arguments.options, *threads]): number for number in left}
    failed = []
    while running:
        (ready,), _ = ray.wait(list(running))
        number = running.pop(ready)
        try:
            keep(work, ray.get(ready))
            print(f"{source}: segment {number} restored, {len(running)} left", flush=True)
        except ray.exceptions.RayTaskError as error:
            failed.append(f"segment {number}: {error.cause}")
    if failed:
        raise Failed("\n".join(failed))
    # Nothing is left but to join them.
    blurdm(arguments.blurdm, str(source), "-o", str(output), "--quiet", *arguments.options)
    print(f"{source}: restored", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT_FOLDER")
    parser.add_argument("--address", help="of a running Ray cluster, or 'auto'; without it Ray is started here")
    parser.add_argument("--cores", type=int, default=2, help="CPU cores for each segment")
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

    ray.init(address=arguments.address, include_dashboard=False, log_to_driver=False)
    need = {"num_gpus": arguments.gpus, "num_cpus": 1} if arguments.gpus else {"num_cpus": arguments.cores}
    task = ray.remote(**need, max_retries=arguments.retries, retry_exceptions=True)(restored_segment)
    status = 0
    for source in arguments.inputs:
        try:
            restore(source, arguments, task)
        except Failed as error:
            print(f"{source}: {error}", file=sys.stderr, flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
