"""The model card of a bundle: what it is, what it learnt from, what it scored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .config import Config

TEMPLATE = """# {name}

Removes motion blur from 8-bit RGB video frames of any size from 16x16. A BlurDM model (He et al., NeurIPS 2025): a blur encoder and a latent
diffusion that takes noise and blur residuals away give a sharp prior of {latent} numbers for each of {rows} x {columns} regions of a frame{scales}. A
Wiener filter for the exposure that the priors describe begins the restoration, and their mean is fused into every block of the thin U-Net that
finishes it. Trained from nothing for this project; no published weights were used.

- Licence: MPL-2.0, weights included.
- Backbone {backbone_kmac:.1f} kMAC per pixel, prior {prior_kmac:.2f} kMAC per pixel, no LayerNorm; T = 5, any of 1 to 5 steps, 1 by default.
- Files: `prior_encoder.onnx`, `residuals.onnx`, `backbone.onnx` (ONNX opset 18), `weights.safetensors` (all parameters, the oracle of stage 1 included, large
  matrices in half precision), `manifest.toml`, `reference/` (PyTorch's own outputs, for the parity tests).

## Scores
{real}
Out of the element through PNG files, on 640x360 exposures of pictures never trained on: other dash-cam stills and another stretch of road than in training,
two photographs held out, and photographs of a package that training does not use. Exposures are camera paths of the given length, some with turn,
zoom, hand shake, layers that move on their own, clipped lights, sensor noise and H.264. PSNR in dB on 8-bit RGB, mean over pictures.

{scores}

Made by `python -m training.evaluate` (models/training/README.md).{made}

## Training

![training curve](curve.png)

{stages}; seed {seed}; {minutes:.0f} minutes on {device}. Stage 0 trains writing point spreads as priors and reading them back, stage 1 the
backbone with an embedding of the true exposure as its prior, stage 2 the blur encoder and the estimators to find that prior in the blurred frame,
stage 3 all of it on the image. The upper plot is the training loss, the lower one the PSNR gain over the blurred input on part of the validation
exposures, which was looked at during training; the length of the stages, the mix of patches and the losses were chosen with it in view.
{notes}
## Data

| pictures | licence | use |
|---|---|---|
| Udacity CarND stills, except `p1_*` | MIT, Udacity | training |
| DNIT road survey frames 1 to 304 | MIT, Bianka Passos | training |
| Debian lomiri-wallpapers 16.04 and 20.04, except `Fossa`, `picosdeeuropa` and two drawings | CC0, CC-BY-4.0, \
CC-BY-SA-3.0, CC-BY-SA-4.0: Aitzol Berasategi, Sander Klootwijk, Bolly, Peter Nerlich, Trevor "Freespace", \
Clemens Engelhardt, Jakub Mede, Aury88, Lukas Baubkus, HEROBRINE7GAMER | training |
{footage}| Udacity CarND stills `p1_*`, DNIT frames 320 to 373, lomiri `Fossa` and `picosdeeuropa` | as above | validation |
| Debian plasma-workspace-wallpapers | GPL-2+, LGPL-3 | validation only |

## Limits

Blur is reduced, not removed, and least where it is short: see the table. The prior is one for a region: where parts of that move differently, they are
restored as the region suggests, and a sharp overlay on a blurred picture, such as a recorder's time stamp, gets faint ringing. Echoes stand
beside strong edges of long exposures. Fine texture that the exposure has mixed away, letters among it, is not recovered, and nothing
that this model draws is evidence of what stood there.
"""


REAL = """
On real blur, 1280x720, with the element's defaults through PNG files; then exposures that were made at this size, by length. PSNR in dB, mean over
pictures; LPIPS of whole pictures. REDS 001 and GOPR0374 were never trained on. GoPro's sharp frames lie half a frame beside the middle of the exposure.

{table}

And at other lengths in smaller frames:

"""

MADE_ONLY = """ Every figure is from this synthetic blur; no footage with real motion blur and a sharp
reference was at hand."""

FOOTAGE = """| REDS 000, GoPro GOPR0384, GOPR0477 and 240 frames a second of another of its clips | CC BY 4.0, Seungjun Nah et al. | training |
| REDS 001, GoPro GOPR0374 | CC BY 4.0, Seungjun Nah et al. | validation |
"""


def write_card(config: Config, macs: dict[str, float], run: Path, scores: Path, bundle: Path, device: str = "one CPU core") -> None:
    """bundle/MODEL_CARD.md and curve.png, from the training run's log, its notes.md where there is one, and the scores that
    evaluate wrote."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines() if line]
    stages = ", ".join(f"stage {s.number}: {s.steps} steps of {s.batch} crops of {s.crop} px ({s.loss})" for s in config.stage)
    notes, real = run / "notes.md", scores / "real.md"
    shutil.copyfile(run / "curve.png", bundle / "curve.png")
    divisors = config.model.backbone.get("scales", [])
    (bundle / "MODEL_CARD.md").write_text(TEMPLATE.format(
        scales=f", at each of {len(divisors)} scales between which each region chooses" if len(divisors) > 1 else "",
        real=REAL.format(table=real.read_text().strip()) if real.is_file() else "", made="" if real.is_file() else MADE_ONLY,
        footage=FOOTAGE if any(stage.real_share for stage in config.stage) else "",
        name=config.name, latent=config.model.latent, rows=config.model.regions[0], columns=config.model.regions[1],
        backbone_kmac=macs["backbone"] / 1e3, prior_kmac=macs["prior"] / 1e3, scores=(scores / "scores.md").read_text().strip(),
        stages=stages[0].upper() + stages[1:], seed=config.seed, minutes=rows[-1]["seconds"] / 60, device=device,
        notes=f"\n{notes.read_text().strip()}\n" if notes.is_file() else ""))
