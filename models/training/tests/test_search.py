"""The search: candidates trained alike, timed in the element, and a table of what came out."""

import json
from pathlib import Path

import pytest

from training import search, validation
from training.config import ConfigError

CONFIGS = Path(__file__).parent.parent / "configs"
SEARCH = """
base = "{base}"
size = [64, 48]

[stage1]
steps = 4

[[candidate]]
name = "as it is"
backbone = {{}}

[[candidate]]
name = "thinner"
backbone = {{ channels = [8, 8, 16] }}
"""


def _written(folder: Path, text: str = SEARCH) -> Path:
    path = folder / "search.toml"
    path.write_text(text.format(base=CONFIGS / "smoke.toml"))
    return path


def test_candidates_are_trained_timed_and_tabled(store, footage, tmp_path):
    validation.write(*footage, tmp_path / "validation", size=(96, 128))
    described, candidates = search.load_search(_written(tmp_path))
    results = tmp_path / "results"
    search.train(described, candidates, store, tmp_path / "validation", tmp_path / "runs", results)
    first = (results / "thinner.json").read_bytes()
    search.train(described, candidates, store, tmp_path / "validation", tmp_path / "runs", results)
    assert (results / "thinner.json").read_bytes() == first  # what has a result is not trained again
    search.time_candidates(described, candidates, tmp_path / "runs", results, "cpu")
    found = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    assert set(found) == {"as it is", "thinner"}
    assert all(r["milliseconds"]["cpu"] > 0 and r["log"][-1]["step"] == 4 for r in found.values())
    assert found["thinner"]["kmac"] < found["as it is"]["kmac"]
    search.report(results, tmp_path / "SEARCH.md")
    table = (tmp_path / "SEARCH.md").read_text()
    assert "| thinner | [8, 8, 16] |" in table
    assert "time, cpu" in table
    assert "| 1.00 |" in table


@pytest.mark.parametrize(("old", "new", "message"), [
    ('base = "{base}"', "", "missing key 'base'"), ("steps = 4", "stride = 4", "stride"), ('base = "{base}"', 'base = "none.toml"', "none.toml")])
def test_a_search_that_cannot_be_run_is_refused_by_name(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message):
        search.load_search(_written(tmp_path, SEARCH.replace(old, new)))


def test_a_report_of_nothing_is_an_error(tmp_path):
    with pytest.raises(search.EvaluationError, match="train first"):
        search.report(tmp_path, tmp_path / "SEARCH.md")
