"""Exports a checkpoint as a bundle, checks every graph in ONNX Runtime against PyTorch, and writes reference outputs beside it.

    python -m training.export --config models/training/configs/nano.toml --checkpoint RUN/checkpoint.pt --out models/blurdm-nano
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors.torch import save_file

from .config import Config, ConfigError, load_config
from .diffusion import even_times, sample
from .graphs import BackboneGraph, PriorEncoderGraph, ResidualsGraph, ScalesGraph
from .halve import halve
from .model import BlurDm
from .networks import Maxim, SpectralEncoder
from .quantise import Calibration, quantise

OPSET = 18
IR_VERSION = 8
"""Both old enough for the oldest runtime that the product loads, ONNX Runtime 1.17."""

REFERENCE_SIZES = ((96, 128), (67, 101), (16, 16), (180, 320))
"""(height, width) of the reference frames: multiples of 16, odd, smallest, and one like footage."""

DEFAULT_STEPS = 1

ALLOWED_DIFFERENCE = 1
ALLOWED_SHARE = 1e-3
"""At most 1 grey level of difference on 99.9 % of the values."""

LATENT_DIFFERENCE = 1e-4
SPECTRAL_DIFFERENCE = 1e-3
"""Relative to the largest number. Logarithms of the near nothing that smooth frames have at high frequencies enlarge what rounding does."""

FP16, INT8 = "backbone.fp16.onnx", "backbone.int8.onnx"

ALLOWED_ROUNDING = {FP16: 0.5, INT8: 4.0}
"""Grey levels, root mean square, between a variant and fp32 on a frame unlike any that int8 was calibrated on: what loses its sense loses more."""

LARGE = 1 << 16
"""Numbers of a tensor from which on it is stored in half precision."""

GRAPHS = ("prior_encoder", "residuals", "backbone")
SCALES = "scales"
"""Of a network of several scales."""

BUNDLED_PRIORS = ("blurdm", "none")
"""Of the priors in a configuration those that a bundle can have. One without has the backbone alone, whose only input is the frame."""


class ExportError(Exception):
    """A graph that does not compute what the network computes."""


def load_model(config: Config, checkpoint: Path) -> BlurDm:
    """The averaged weights of a checkpoint, ready to export."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if config.model.prior not in BUNDLED_PRIORS:
        raise ConfigError(f"{config.name}: prior is '{config.model.prior}', and a bundle needs one of {', '.join(BUNDLED_PRIORS)}")
    model = BlurDm(config.model)
    model.load_state_dict(state["ema"])
    return model.eval().requires_grad_(False)


def graphs_of(model: BlurDm) -> tuple[str, ...]:
    if model.kind == "none":
        return GRAPHS[-1:]
    return (*GRAPHS, SCALES) if len(model.scales) > 1 else GRAPHS


def _export(graph: torch.nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str], dynamic: dict, path: Path, traced: bool = False) -> None:
    """traced: by one run, which takes seconds where torch.export takes minutes to reason about the sides of several scales. All that depends on a side
    must come from tensors whose shape is known to depend on it; write_bundle compares at REFERENCE_SIZES."""
    model = _traced(graph, inputs, outputs, dynamic) if traced else torch.onnx.export(
        graph.eval(), kwargs=inputs, input_names=list(inputs), output_names=outputs, dynamic_shapes=dynamic, opset_version=OPSET, dynamo=True, optimize=True,
        verbose=False).model_proto
    model.ir_version = IR_VERSION
    model.doc_string = ""
    for node in model.graph.node:
        # The exporter notes source files and stack traces of the machine it ran on.
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:], model.functions[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _traced(graph: torch.nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str], dynamic: dict) -> onnx.ModelProto:
    axes = {name: {axis: side.__name__ for axis, side in sides.items()} for name, sides in dynamic.items() if sides}
    written = io.BytesIO()
    torch.onnx.export(graph.eval(), tuple(inputs.values()), written, input_names=list(inputs), output_names=outputs, dynamic_axes=axes, opset_version=OPSET,
                      dynamo=False)
    return onnx.load_from_string(written.getvalue())


def export_graphs(model: BlurDm, out: Path, tile: int = 0) -> None:
    """Writes the graphs of `graphs_of`. With a tile, the frames of encoder and backbone are of that side and no other."""
    # Large enough for two windows of the encoder each way: the exporter takes a size of 1 for a constant.
    frame = torch.zeros(1, tile or 192 * max(model.scales), tile or 256 * max(model.scales), 4, dtype=torch.uint8)
    height, width = torch.export.Dim("height", min=16, max=16384), torch.export.Dim("width", min=16, max=16384)
    sides = {"frame": None if tile else {1: height, 2: width}}
    traced = len(model.scales) > 1 or isinstance(model.backbone, Maxim)
    if model.kind == "none":
        _export(BackboneGraph(model), {"frame": frame}, ["restored"], sides, out / "backbone.onnx", traced)
        return
    latent = torch.zeros(1, model.regions * model.latent)
    _export(PriorEncoderGraph(model), {"frame": frame}, ["z_blur"], sides, out / "prior_encoder.onnx", traced)
    time = torch.ones(1)
    _export(ResidualsGraph(model), {"z_t": latent, "z_blur": latent.clone(), "t": time, "s": time.clone()}, ["blur_residual", "noise_residual"],
            {"z_t": None, "z_blur": None, "t": None, "s": None}, out / "residuals.onnx")
    _export(BackboneGraph(model), {"frame": frame, "prior": latent}, ["restored"], sides | {"prior": None}, out / "backbone.onnx", traced)
    if SCALES in graphs_of(model):
        _export(ScalesGraph(model), {"prior": latent}, ["shares"], {"prior": None}, out / "scales.onnx")


def _reference_frame(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A blurred-looking random picture with a fourth byte that means nothing: [H, W, 4] uint8."""
    h, w = size
    coarse = rng.integers(0, 256, (max(h // 6, 2), max(w // 6, 2), 4), dtype=np.uint8)
    frame = np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC)).copy()
    frame[..., 3] = rng.integers(0, 256, (h, w))
    return frame


def write_references(model: BlurDm, out: Path, tile: int = 0) -> None:
    """out/reference: frame_*.png, restored_*.png and, with a prior, latents.json, all from PyTorch, for the product's parity tests."""
    folder = out / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    latents = {}
    for size in _sizes(tile):
        name = f"{size[1]}x{size[0]}"
        frame = _reference_frame(size, rng)
        tensor = torch.from_numpy(frame)[None]
        priors = []
        if model.kind != "none":
            z_blur = PriorEncoderGraph(model)(tensor)
            steps = range(1, model.schedule.steps + 1)
            priors = [sample(model.schedule, model.residuals_of_regions, z_blur, torch.zeros_like(z_blur), even_times(model.schedule.steps, n)) for n in steps]
            latents[name] = {"z_blur": z_blur[0].tolist(), "priors": [p[0].tolist() for p in priors]}
        restored = BackboneGraph(model)(tensor, *priors[:1])[0].numpy()
        Image.fromarray(frame, "RGBA").save(folder / f"frame_{name}.png")
        Image.fromarray(restored, "RGBA").save(folder / f"restored_{name}.png")
    if latents:
        (folder / "latents.json").write_text(json.dumps(latents))


def _sizes(tile: int) -> tuple[tuple[int, int], ...]:
    return ((tile, tile),) if tile else REFERENCE_SIZES


def check_parity(model: BlurDm, out: Path, tile: int = 0) -> None:
    """Runs every exported graph in ONNX Runtime on fresh random input and compares with PyTorch.

    Raises ExportError naming the graph and the difference."""
    sessions = {name: _session(out / f"{name}.onnx") for name in graphs_of(model)}
    rng = np.random.default_rng()
    for size in _sizes(tile):
        frame = _reference_frame(size, rng)[None]
        prior = [] if model.kind == "none" else [_check_prior_graphs(model, sessions, frame)]
        feeds = dict(zip(("frame", "prior"), (frame, *(value.numpy() for value in prior)), strict=False))
        got, want = sessions["backbone"].run(None, feeds)[0], BackboneGraph(model)(torch.from_numpy(frame), *prior).numpy()
        off = np.mean(np.abs(got.astype(int) - want) > ALLOWED_DIFFERENCE)
        if got.shape != want.shape or off > ALLOWED_SHARE or not np.array_equal(got[..., 3], frame[..., 3]):
            raise ExportError(f"backbone at {size}: {off:.2%} of the values differ by more than {ALLOWED_DIFFERENCE} grey level")


def _session(graph: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def _check_prior_graphs(model: BlurDm, sessions: dict[str, onnxruntime.InferenceSession], frame: np.ndarray) -> torch.Tensor:
    """Compares encoder and estimators on a frame, and returns a prior of it. Raises ExportError."""
    z_blur = PriorEncoderGraph(model)(torch.from_numpy(frame))
    allowed = SPECTRAL_DIFFERENCE if isinstance(model.encoder, SpectralEncoder) else LATENT_DIFFERENCE
    _close("prior_encoder", sessions["prior_encoder"].run(None, {"frame": frame})[0], z_blur.numpy(), allowed)
    latent = {"z_t": torch.randn_like(z_blur), "z_blur": z_blur, "t": torch.tensor([5.0]), "s": torch.tensor([2.0])}
    outputs = sessions["residuals"].run(None, {k: v.numpy() for k, v in latent.items()})
    for got, want in zip(outputs, ResidualsGraph(model)(**latent), strict=True):
        _close("residuals", got, want.numpy(), LATENT_DIFFERENCE)
    prior = sample(model.schedule, model.residuals_of_regions, z_blur, torch.randn_like(z_blur), even_times(model.schedule.steps, 1))
    if SCALES in sessions:
        _close(SCALES, sessions[SCALES].run(None, {"prior": prior.numpy()})[0], ScalesGraph(model)(prior).numpy(), LATENT_DIFFERENCE)
    return prior


def check_variant(out: Path, file: str) -> None:
    """Compares a variant with the graph that it is made of, on a blurred-looking frame. Raises ExportError."""
    frame = _reference_frame((180, 320), np.random.default_rng(3))[None]
    exact, rounded = (_session(out / file) for file in ("backbone.onnx", file))
    feeds = {"frame": frame} | {value.name: np.zeros(value.shape, np.float32) for value in exact.get_inputs()[1:]}
    difference = exact.run(None, feeds)[0].astype(float) - rounded.run(None, feeds)[0]
    if np.sqrt(np.mean(difference[..., :3] ** 2)) > ALLOWED_ROUNDING[file] or difference[..., 3].any():
        raise ExportError(f"{file}: {np.sqrt(np.mean(difference**2)):.2f} grey levels (root mean square) away from backbone.onnx")


def _close(name: str, got: np.ndarray, want: np.ndarray, allowed: float) -> None:
    error = np.abs(got - want).max() / max(np.abs(want).max(), 1e-6)
    if not error < allowed:
        raise ExportError(f"{name}: relative difference {error:.2e} between ONNX Runtime and PyTorch")


@dataclass(frozen=True)
class Origin:
    """What the manifest says about where the weights come from."""

    version: str
    licence: str
    data: tuple[str, ...]
    seeds: tuple[int, ...]
    scores: dict[str, float]
    losses: dict[str, float] = field(default_factory=dict)


OWN_DATA = ("Udacity CarND stills (MIT)", "DNIT road frames (MIT)", "Debian lomiri-wallpapers (CC0, CC-BY, CC-BY-SA)")
REAL_DATA = ("REDS (Nah et al., CC BY 4.0)", "GoPro (Nah et al., CC BY 4.0)")
"""Of configurations with a `real_share`."""


def write_manifest(name: str, backbone: str, model: BlurDm, origin: Origin, out: Path, tile: int = 0) -> None:
    made = {precision: file for precision, file in (("fp16", FP16), ("int8", INT8)) if (out / file).is_file()}
    variants = {"fp32": "backbone.onnx"} | made
    files = sorted([*(f"{g}.onnx" for g in graphs_of(model)), "weights.safetensors", *made.values()])

    def listed(values):
        return "[" + ", ".join(json.dumps(v) for v in values) + "]"

    prior = [
        "[schedule]", f"alphas = {listed(map(float, model.schedule.alphas))}", f"beta_bars = {listed(map(float, model.schedule.beta_bars))}", "",
        "[prior]", f"dim = {model.regions * model.latent}", f"max_steps = {model.schedule.steps}", f"default_steps = {DEFAULT_STEPS}",
        'encoder_input = "frame"', 'encoder = "prior_encoder.onnx"', 'residuals = "residuals.onnx"', "",
    ]
    lines = [
        "format = 1", f"name = {json.dumps(name)}", f"version = {json.dumps(origin.version)}", f"licence = {json.dumps(origin.licence)}", "",
        "[files]", *(f'"{file}" = "{hashlib.sha256((out / file).read_bytes()).hexdigest()}"' for file in files), "",
        *(prior if model.kind != "none" else []),
        *(["[scales]", f"divisors = {listed(model.scales)}", f'graph = "{SCALES}.onnx"', ""] if SCALES in graphs_of(model) else []),
        "[backbone]", f'name = "{backbone}"', f"multiple = {model.backbone.MULTIPLE}", *([f"tile = {tile}"] if tile else []), "",
        "[backbone.variants]", *(f'{precision} = "{file}"' for precision, file in variants.items()), "",
        *(["[backbone.losses]", *(f"{precision} = {loss:.3f}" for precision, loss in origin.losses.items()), ""] if origin.losses else []),
        "[training]", f"data = {listed(origin.data)}", f"seeds = {listed(origin.seeds)}", "",
        "[training.scores]", *(f'"{key}" = {value:.3f}' for key, value in origin.scores.items()), "",
    ]
    (out / "manifest.toml").write_text("\n".join(lines))


def _stored(value: torch.Tensor) -> torch.Tensor:
    """Large matrices in half precision: what runs are the graphs, which hold them exactly, and these are to train on from."""
    return (value.half() if value.is_floating_point() and value.numel() >= LARGE else value).contiguous()


def write_bundle(name: str, backbone: str, model: BlurDm, origin: Origin, out: Path, tile: int = 0, patches: Path | None = None) -> None:
    """The whole bundle but its card: graphs, checked against the network, an fp16 variant of the backbone, weights, reference outputs and
    manifest; with patches to calibrate on, an int8 variant as well.

    Raises ExportError when a graph does not compute what the network computes."""
    out.mkdir(parents=True, exist_ok=True)
    export_graphs(model, out, tile)
    check_parity(model, out, tile)
    (out / INT8).unlink(missing_ok=True)
    onnx.save(halve(onnx.load(out / "backbone.onnx")), out / FP16)
    check_variant(out, FP16)
    if patches is not None:
        quantise(out / "backbone.onnx", Calibration(model, patches), out / INT8)
        check_variant(out, INT8)
    save_file({name: _stored(value) for name, value in model.state_dict().items()}, out / "weights.safetensors")
    write_references(model, out, tile)
    write_manifest(name, backbone, model, origin, out, tile)


def read_scores(path: Path | None) -> dict[str, float]:
    return json.loads(path.read_text()) if path and path.is_file() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--patches", type=Path, help="patch store to calibrate an int8 variant on; without it there is none")
    parser.add_argument("--losses", type=Path, help="losses.json that training.precision wrote, for the manifest")
    parser.add_argument("--scores", type=Path, help="scores.json that training.evaluate wrote, for the manifest")
    args = parser.parse_args()
    try:
        config = load_config(args.config)
        model = load_model(config, args.checkpoint)
        data = OWN_DATA + (REAL_DATA if any(stage.real_share for stage in config.stage) else ())
        origin = Origin(args.version, "MPL-2.0", data, (config.seed,), read_scores(args.scores), read_scores(args.losses))
        write_bundle(config.name, config.model.backbone["network"], model, origin, args.out, config.model.tile, args.patches)
    except (ConfigError, ExportError) as error:
        raise SystemExit(f"error: {error}") from error
    print(f"{args.out}: exported and equal to PyTorch in ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
