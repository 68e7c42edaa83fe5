"""Real blur: what is trained on and what is not, and bad input found before long work."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from training.batches import Batches
from training.config import ConfigError, load_config
from training.errors import EvaluationError
from training.patches import open_store
from training.real import TRAINING_CLIPS, VALIDATION_CLIPS, average, check_length, real_pairs, write

CONFIGS = Path(__file__).parent.parent / "configs"
SIZE = (160, 192)


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, lossless=True)


def _clip(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    scene = np.repeat(np.repeat(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), 8, 0), 8, 1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=240, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for i in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(scene[: SIZE[0], 3 * i : 3 * i + SIZE[1]]), format="rgb24")))
        out.mux(stream.encode(None))


@pytest.fixture
def data(tmp_path) -> Path:
    rng = np.random.default_rng(2)
    root = tmp_path / "data"
    names = [root / "real/reds" / clip / "{}" / f"0000000{i}.webp" for clip in ("000", "001") for i in range(2)]
    names += [root / "real/gopro/{}" / f"GOPR0{n}_11_00-{i}_avg-8.webp" for n in ("374", "384", "477") for i in (1, 2)]
    for name in names:
        sharp = np.repeat(np.repeat(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8), 8, 0), 8, 1)
        _save(Path(str(name).format("sharp")), sharp)
        _save(Path(str(name).format("blur")), ((sharp.astype(int) + np.roll(sharp, 5, 1)) // 2).astype(np.uint8))
    _clip(root / "clips/gopro-240fps-1280x720.mp4", 40)
    return root


def test_every_clip_is_either_trained_on_or_validated_on(data):
    trained, held_out = real_pairs(data, TRAINING_CLIPS), real_pairs(data, VALIDATION_CLIPS)
    assert {p.clip for p in trained} == set(TRAINING_CLIPS)
    assert {p.clip for p in held_out} == {"001", "GOPR0374"}
    assert not {p.blurred for p in trained} & {p.blurred for p in held_out}
    assert len(trained) + len(held_out) == 10


def test_a_store_of_real_blur_knows_no_motion(data, tmp_path):
    count = write(data, tmp_path / "store", 128, pairs=12, averaged=6, seed=1)
    blurred, _sharp, length, motion, error = open_store(tmp_path / "store")
    assert count == len(blurred) == 18
    assert np.isnan(motion).all()
    assert not np.isnan(length).any()
    assert (error[:12] >= 8).all()
    assert json.loads((tmp_path / "store/patches.json").read_text())["clips"] == ["000", "GOPR0384", "GOPR0477", "gopro-240fps-1280x720.mp4"]


def test_the_share_of_real_blur_in_a_batch_has_no_point_spread(data, store, tmp_path):
    write(data, tmp_path / "store", 128, pairs=12, averaged=0, seed=1)
    stage = replace(load_config(CONFIGS / "smoke.toml").stage[3], batch=64, real_share=0.5)
    batches = Batches(store, whole_patch=True, seed=4, real=tmp_path / "store")
    unknown = batches.next(stage, torch.device("cpu")).spread.isnan().flatten(1)
    assert (unknown.all(1) == unknown.any(1)).all()
    assert 20 < unknown.all(1).sum() < 44
    with pytest.raises(ConfigError, match="--real"):
        Batches(store, whole_patch=True).next(stage, torch.device("cpu"))


def test_stores_of_other_patch_sizes_are_refused_together(data, store, tmp_path):
    write(data, tmp_path / "store", 96, pairs=12, averaged=0, seed=1)
    with pytest.raises(ConfigError, match="96 px beside those of 128 px"):
        Batches(store, whole_patch=True, real=tmp_path / "store")


def test_halves_of_different_size_and_missing_halves_are_named(data):
    path = data / "real/gopro/sharp/GOPR0374_11_00-1_avg-8.webp"
    _save(path, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(EvaluationError, match=r"192x160.*8x8"):
        real_pairs(data, TRAINING_CLIPS)
    path.unlink()
    with pytest.raises(EvaluationError, match=r"sharp/GOPR0374_11_00-1_avg-8\.webp is missing"):
        real_pairs(data, TRAINING_CLIPS)


def test_a_clip_shorter_than_an_exposure_is_an_error_before_any_work(data, tmp_path):
    _clip(data / "clips/gopro-240fps-1280x720.mp4", 20)
    command = [sys.executable, "-m", "training.real", "--data", str(data), "--out", str(tmp_path / "store"), "--size", "128"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 1
    assert "20 frames, fewer than the 33" in run.stderr
    assert not (tmp_path / "store").exists()
    with pytest.raises(EvaluationError):
        check_length(6, 7, "clip")


def test_patches_larger_than_the_frames_are_an_error(data, tmp_path):
    with pytest.raises(EvaluationError, match="256 px do not fit into frames of 192x160"):
        write(data, tmp_path / "store", 256, pairs=4, averaged=0, seed=1)


def test_crops_that_do_not_fit_into_patches_are_an_error(store):
    stage = replace(load_config(CONFIGS / "smoke.toml").stage[3], crop=96)
    with pytest.raises(ConfigError, match="reduction 2 do not fit into patches of 128 px"):
        Batches(store, whole_patch=False, reduction=2).next(stage, torch.device("cpu"))


def test_averages_in_linear_light_are_brighter_than_those_of_stored_values():
    frames = np.stack([np.full((2, 2, 3), 0, np.uint8), np.full((2, 2, 3), 200, np.uint8)])
    assert (average(frames, linear=False) == 100).all()
    assert (average(frames, linear=True) == round(200 * 0.5 ** (1 / 2.2))).all()
