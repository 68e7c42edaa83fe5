"""Image and latent losses."""

from __future__ import annotations

import torch


def charbonnier(a: torch.Tensor, b: torch.Tensor, epsilon: float = 1e-3) -> torch.Tensor:
    return ((a - b) ** 2 + epsilon**2).sqrt().mean()


def paper_image_loss(restored: torch.Tensor, sharp: torch.Tensor) -> torch.Tensor:
    """Charbonnier(1e-3) + 0.1 Charbonnier of the Fourier transform, as in the paper (there over three scales)."""
    difference = torch.view_as_real(torch.fft.rfft2(restored - sharp))
    return charbonnier(restored, sharp) + 0.1 * charbonnier(difference, torch.zeros_like(difference))


def psnr_loss(restored: torch.Tensor, sharp: torch.Tensor, floor: float = 5e-5) -> torch.Tensor:
    """Mean over the batch of -PSNR/10 (log10 of each picture's squared error): what the scores average, so what is minimised.

    `floor` is the squared error (43 dB) below which little is left to gain. For the last stage: from nothing, with sharp pictures
    among the blurred ones, it holds a network at the identity, since any change of theirs costs more than deblurring can earn."""
    error = ((restored - sharp) ** 2).flatten(1).mean(1)
    return torch.log10(error + floor).mean()


IMAGE_LOSSES = {"paper": paper_image_loss, "psnr": psnr_loss}
