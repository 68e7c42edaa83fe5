"""A model card has the scores on real blur first, and names the footage that was learnt from."""

import json
from pathlib import Path

import pytest

from training.card import write_card
from training.config import load_config

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.fixture
def card(tmp_path):
    """The card of a configuration, with a table of real blur if there is one."""
    run, scores, bundle = (tmp_path / name for name in ("run", "scores", "bundle"))
    for folder in (run, scores, bundle):
        folder.mkdir()
    (run / "log.jsonl").write_text(json.dumps({"seconds": 120}) + "\n")
    (run / "curve.png").write_bytes(b"picture")
    (scores / "scores.md").write_text("| made |\n")

    def write(name: str, real: str | None) -> str:
        if real:
            (scores / "real.md").write_text(real)
        write_card(load_config(CONFIGS / f"{name}.toml"), {"backbone": 5000, "prior": 1000}, run, scores, bundle)
        return (bundle / "MODEL_CARD.md").read_text()

    return write


def test_real_blur_comes_first_and_its_footage_is_named(card):
    text = card("separable-small-finish", "| real |\n")
    assert 0 < text.index("| real |") < text.index("| made |")
    assert "no footage with real motion blur" not in text
    assert "| REDS 000," in text
    assert "| REDS 001, GoPro GOPR0374 |" in text
    assert "3 scales between which each region chooses" in text


def test_a_model_without_real_blur_says_so(card):
    text = card("nano", None)
    assert "no footage with real motion blur" in text
    assert "REDS" not in text
    assert "scales between" not in text
