"""What the paper reports (BlurDM, NeurIPS 2025): PSNR in dB, SSIM and LPIPS of four networks, each without and with BlurDM, on four test sets."""

from __future__ import annotations

from dataclasses import dataclass

BACKBONES = ("MIMO-UNet", "Stripformer", "FFTformer", "LoFormer")


@dataclass(frozen=True)
class Figures:
    psnr: float
    ssim: float
    lpips: float


@dataclass(frozen=True)
class TestSet:
    """pictures: how many the whole set has; rows: (backbone alone, backbone + BlurDM) in the order of BACKBONES; gain: the paper's own average of the gains."""

    name: str
    pictures: int
    rows: tuple[tuple[Figures, Figures], ...]
    gain: Figures


TEST_SETS = {
    "gopro": TestSet("GoPro", 1111, (
        (Figures(32.44, 0.957, 0.0115), Figures(32.93, 0.961, 0.0091)),
        (Figures(33.09, 0.962, 0.0085), Figures(33.53, 0.966, 0.0074)),
        (Figures(34.21, 0.969, 0.0067), Figures(34.34, 0.970, 0.0060)),
        (Figures(33.54, 0.966, 0.0084), Figures(33.70, 0.967, 0.0073)),
    ), Figures(0.31, 0.003, -0.0013)),
    "hide": TestSet("HIDE", 2025, (
        (Figures(30.00, 0.930, 0.0217), Figures(30.73, 0.939, 0.0168)),
        (Figures(31.03, 0.940, 0.0147), Figures(31.36, 0.944, 0.0122)),
        (Figures(31.62, 0.946, 0.0153), Figures(31.76, 0.947, 0.0145)),
        (Figures(31.18, 0.943, 0.0176), Figures(31.27, 0.944, 0.0158)),
    ), Figures(0.32, 0.004, -0.0025)),
    "realblur-j": TestSet("RealBlur-J", 980, (
        (Figures(31.59, 0.918, 0.0345), Figures(32.13, 0.926, 0.0264)),
        (Figures(32.48, 0.929, 0.0222), Figures(33.53, 0.938, 0.0175)),
        (Figures(32.62, 0.933, 0.0220), Figures(32.92, 0.939, 0.0195)),
        (Figures(32.23, 0.932, 0.0223), Figures(33.47, 0.941, 0.0189)),
    ), Figures(0.78, 0.008, -0.0047)),
    "realblur-r": TestSet("RealBlur-R", 980, (
        (Figures(39.03, 0.968, 0.0215), Figures(39.63, 0.972, 0.0172)),
        (Figures(39.84, 0.974, 0.0138), Figures(41.00, 0.977, 0.0115)),
        (Figures(40.11, 0.973, 0.0149), Figures(40.55, 0.975, 0.0136)),
        (Figures(40.36, 0.974, 0.0148), Figures(40.92, 0.976, 0.0127)),
    ), Figures(0.69, 0.003, -0.0025)),
}
