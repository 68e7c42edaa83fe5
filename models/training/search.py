"""Which backbone restores most per millisecond: candidates trained alike with the oracle's prior, and timed inside the element.

    python -m training.search train  --config models/training/configs/search.toml --patches PATCHES --validation VALIDATION --out RUNS --results models/search
    python -m training.search time   --config models/training/configs/search.toml --out RUNS --results models/search --execution-provider cpu
    python -m training.search report --results models/search --out models/SEARCH.md

`train` brings every candidate as many steps from one stage 0, and leaves models/search/NAME.json with its gain and its log. `time` exports
them and runs them in `videotestsrc ! blurdm ! fakesink`, taking turns, since a machine's speed drifts; milliseconds are the median time of a
frame in the element, by GStreamer's own latency tracer, prior included. Convolutions are no good guide: a pass over memory costs as well.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .config import Config, ConfigError, load_config
from .element import check_element
from .errors import EvaluationError
from .export import Origin, load_model, write_bundle
from .macs import per_pixel
from .train import Trainer

FRAMES, ROUNDS = 24, 4
SKIPPED = 4
"""The first frames of a run pay for what is done once."""

LATENCY = re.compile(r"element-latency,.*element=\(string\)blurdm0,.*time=\(guint64\)(\d+)")


def load_search(path: Path) -> tuple[dict, dict[str, Config]]:
    """(the search, {name: the candidate's configuration}), every backbone checked by building it on paper."""
    try:
        search = tomllib.loads(path.read_text())
        base = load_config(path.parent / search["base"])
        candidates = {}
        for candidate in search["candidate"]:
            model = replace(base.model, backbone=base.model.backbone | candidate["backbone"])
            stages = tuple(replace(stage, **search["stage1"]) for stage in base.stage if stage.number == 1)[:1]
            candidates[candidate["name"]] = replace(base, name=candidate["name"], model=model, stage=stages)
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except KeyError as error:
        raise ConfigError(f"{path}: missing key {error}") from error
    return search | {"base": base}, candidates


def train(search: dict, candidates: dict[str, Config], patches: Path, validation: Path, out: Path, results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    base = search["base"]
    device = torch.device("cpu")
    exposures = Trainer(replace(base, stage=tuple(s for s in base.stage if s.number == 0)), patches, None, out / "stage0", device)
    exposures.run()
    learnt = {name: value for name, value in exposures.ema.state_dict().items() if name.startswith(("oracle.", "backbone.deconvolution."))}
    for name, config in candidates.items():
        if (results / f"{name}.json").is_file():
            continue
        print(name, flush=True)
        trainer = Trainer(config, patches, validation, out / name, device, start=learnt)
        trainer.run()
        rows = [json.loads(line) for line in (out / name / "log.jsonl").read_text().splitlines()]
        macs = per_pixel(config)
        result = {"name": name, "backbone": config.model.backbone, "steps": config.stage[0].steps, "seed": config.seed, "gain": rows[-1]["gain"],
                  "kmac": round((macs["backbone"] + macs["prior"]) / 1e3, 2), "log": rows}
        (results / f"{name}.json").write_text(json.dumps(result))


def milliseconds(bundle: Path, provider: str, size: tuple[int, int]) -> float:
    """Median time of a frame (width, height) in the element."""
    caps = f"video/x-raw,format=RGBx,width={size[0]},height={size[1]}"
    command = ["gst-launch-1.0", "-q", "videotestsrc", f"num-buffers={FRAMES + SKIPPED}", "pattern=snow", "!", caps, "!", "blurdm", f"model={bundle.resolve()}",
               f"execution-provider={provider}", "!", "fakesink"]
    tracing = {"GST_TRACERS": "latency(flags=element)", "GST_DEBUG": "GST_TRACER:7", "GST_DEBUG_NO_COLOR": "1"}
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | tracing)
    times = [int(ns) / 1e6 for ns in LATENCY.findall(run.stderr)]
    if run.returncode or len(times) < FRAMES:
        raise EvaluationError(f"{bundle}: the element restored {len(times)} of {FRAMES + SKIPPED} frames:\n{run.stderr[-2000:]}")
    return float(np.median(times[SKIPPED:]))


def time_candidates(search: dict, candidates: dict[str, Config], out: Path, results: Path, provider: str) -> None:
    check_element(None)
    bundles = {}
    for name, config in candidates.items():
        bundles[name] = out / name / "bundle"
        if not (bundles[name] / "manifest.toml").is_file():
            model = load_model(config, out / name / "checkpoint.pt")
            write_bundle(name, config.model.backbone["network"], model, Origin("0", "MPL-2.0", (), (config.seed,), {}), bundles[name])
    size = tuple(search["size"])
    times = [{name: milliseconds(bundle, provider, size) for name, bundle in bundles.items()} for _ in range(ROUNDS)]
    for name in candidates:
        path = results / f"{name}.json"
        if not path.is_file():
            raise EvaluationError(f"{path} is missing: train first")
        result = json.loads(path.read_text())
        result.setdefault("milliseconds", {})[provider] = round(float(np.median([turn[name] for turn in times])), 2)
        result["size"] = list(size)
        path.write_text(json.dumps(result))


def report(results: Path, out: Path) -> None:
    found = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    if not found:
        raise EvaluationError(f"{results} holds no results: train first")
    providers = sorted({provider for result in found for provider in result.get("milliseconds", {})})
    fastest = {p: min(r["milliseconds"][p] for r in found if p in r.get("milliseconds", {})) for p in providers}
    width, height = found[0].get("size", (0, 0))
    lines = [
        "# Search", "",
        f"Backbones of `blurdm-nano`'s kind after {found[0]['steps']} steps of stage 1 with the oracle's prior, all from one stage 0 and with the same crops:",
        "mean PSNR gain on those validation exposures that training looks at, and what a frame takes inside the element, as a multiple of the fastest",
        f"candidate timed in the same run ({width}x{height}, prior included). Made by `python -m training.search report`.", "",
        "| candidate | channels | encoder | middle | decoder | kMAC/px | gain, dB | " + " | ".join(f"time, {p}" for p in providers) + " |",
        "|---|---|---|---|---|---|---|" + "---|" * len(providers),
    ]
    for result in sorted(found, key=lambda r: -r["gain"]):
        sizes = result["backbone"]
        times = [f"{result['milliseconds'][p] / fastest[p]:.2f}" if p in result.get("milliseconds", {}) else "-" for p in providers]
        cells = [result["name"], *(str(sizes[key]) for key in ("channels", "encoder", "middle", "decoder")),
                 f"{result['kmac']:.1f}", f"{result['gain']:.2f}", *times]
        lines.append("| " + " | ".join(cells) + " |")
    if (results / "account.md").is_file():
        lines += ["", (results / "account.md").read_text().strip()]
    out.write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, needs, text in (("train", ("config", "patches", "validation", "out", "results"), "train the candidates that have no result yet"),
                              ("time", ("config", "out", "results"), "time all of them in the element"), ("report", ("results", "out"), "make the table")):
        command = commands.add_parser(name, help=text)
        for argument in needs:
            command.add_argument(f"--{argument}", type=Path, required=True)
        if name == "time":
            command.add_argument("--execution-provider", default="cpu")
    args = parser.parse_args()
    try:
        if args.command == "report":
            report(args.results, args.out)
            return
        torch.set_num_threads(1)
        search, candidates = load_search(args.config)
        if args.command == "train":
            train(search, candidates, args.patches, args.validation, args.out, args.results)
        else:
            time_candidates(search, candidates, args.out, args.results, args.execution_provider)
    except (ConfigError, EvaluationError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
