# SPDX-License-Identifier: MPL-2.0

"""Restoring on a Ray of this machine gives what `blurdm restore` gives by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BLURDM = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve() / "release/blurdm"
TREATMENT = ["--execution-provider", "cpu"]


def clip(path: Path, frames: int) -> Path:
    """Frames with something in them, cut into segments of at least 120."""
    source = f"videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,width=96,height=64,framerate=25/1"
    pipeline = f"{source} ! x264enc key-int-max=30 ! h264parse ! mp4mux ! filesink"
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split(), f"location={path}"], check=True)
    return path


def spread(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, REPOSITORY / "pipelines/cluster/restore.py", *arguments, "--blurdm", BLURDM, "--", *TREATMENT]
    return subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)


@pytest.fixture
def clips(tmp_path) -> list[Path]:
    return [clip(tmp_path / name, frames) for name, frames in (("long.mp4", 300), ("with space.mp4", 40))]


def test_two_workers_restore_to_the_same_files_as_none(clips, tmp_path):
    done = spread(*clips, "-o", tmp_path / "spread", "--cores", 1, "--workers", 2)
    assert done.returncode == 0, done.stderr
    subprocess.run([BLURDM, "restore", *clips, "-o", tmp_path / "alone", "--quiet", "--threads", "1", *TREATMENT], check=True)
    for name in (clip.name for clip in clips):
        assert (tmp_path / "spread" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    left = {path.name for path in (tmp_path / "spread").iterdir()}
    assert left == {path.name for path in (tmp_path / "alone").iterdir()}


def test_a_clip_that_fails_is_named_and_the_others_are_restored(clips, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    done = spread(broken, clips[1], "-o", tmp_path / "out", "--cores", 1)
    assert done.returncode == 1
    assert "broken.mp4" in done.stderr
    assert (tmp_path / "out" / clips[1].name).is_file()


def test_what_was_restored_before_is_left_alone(clips, tmp_path):
    for said in ("restored", "was restored before"):
        done = spread(clips[1], "-o", tmp_path / "out", "--cores", 1)
        assert done.returncode == 0, done.stderr
        assert f"{clips[1]}: {said}" in done.stdout.splitlines()
