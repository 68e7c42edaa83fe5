"""The study: its runs from end to end, and what its report says of results whose differences are known."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from training import study, validation
from training.batches import Batches
from training.config import ConfigError, Model, Stage
from training.model import BlurDm
from training.spectra import SpectraPool
from training.study_report import write_report
from training.study_results import ARMS, MAIN_ARMS, PART_ARMS, ResultError

CONFIG = Path(__file__).parent.parent / "configs" / "study.toml"
NANO = Path(__file__).parent.parent.parent / "blurdm-nano" / "weights.safetensors"
LENGTHS = [4, 10, 16] * 10
IDENTITY = 25 + np.random.default_rng(0).normal(0, 2, len(LENGTHS)).round(2)
LOGS = {"none": (3,), "mlp": (2, 3), "blurdm": (2, 3), "oracle": (3,)}


def _write(folder: Path, arm: str, gain: float | np.ndarray, seeds=(1, 2, 3), backbone: str = "small", stages=None, step_gain: float = 0.0,
           noise: tuple[float, ...] = (0.0, 0.0, 0.0)) -> None:
    """Results of an arm that is `gain` dB above the blurred input; BlurDM gains step_gain more per further step, and noise[k] with noise seed k."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pictures.json").write_text(json.dumps({"names": [f"picture_{i // 3}-{length:02d}" for i, length in enumerate(LENGTHS)], "lengths": LENGTHS,
                                                      "identity": IDENTITY.tolist()}))
    for seed in seeds:
        psnr = {"": (IDENTITY + gain).tolist()}
        if arm.startswith("blurdm"):
            psnr = {f"{n} steps": (IDENTITY + gain + step_gain * (n - 1)).tolist() for n in range(1, 6)}
            psnr |= {f"5 steps, noise {k}": (IDENTITY + gain + step_gain * 4 + more).tolist() for k, more in enumerate(noise)}
        log = [{"stage": stage, "step": step, "loss": 0.4 - step / 1000, "rate": 1e-3, "seconds": 1.0} for stage in stages or LOGS.get(arm, (2, 3))
               for step in (100, 200)]
        result = {"backbone": backbone, "arm": arm, "seed": seed, "seconds": 60.0, "encoder": "5eed" * 16,
                  "parameters": {"backbone": 1000, "all": 1234}, "config": {}, "log": log, "psnr": psnr}
        (folder / f"{backbone}-{arm.replace(', ', '-').replace(' ', '_')}-{seed}.json").write_text(json.dumps(result))


@pytest.fixture
def results(tmp_path) -> Path:
    """Four main rows of known differences."""
    for arm, gain in (("none", 1.0), ("mlp", 1.1), ("blurdm", 1.25), ("oracle", 1.5)):
        _write(tmp_path / "study", arm, gain)
    return tmp_path / "study"


def _report(results: Path) -> str:
    write_report(results, results.parent / "STUDY.md")
    return (results.parent / "STUDY.md").read_text()


def _rows(markdown: str, *first: str) -> list[list[str]]:
    """The cells after the first ones, of every table row that begins with these."""
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in markdown.splitlines() if line.startswith("|")]
    return [row[len(first) :] for row in rows if row[: len(first)] == list(first)]


def _sentence(markdown: str, title: str) -> str:
    return next(line for line in markdown.split("## 5. What came out")[1].splitlines() if line.startswith(f"- {title}: "))


def test_the_main_table_says_the_known_differences(results):
    markdown = _report(results)
    none, blurdm = (next(row for row in _rows(markdown, arm) if len(row) == 8) for arm in ("none", "blurdm"))
    assert none == ["3", f"{IDENTITY.mean() + 1:.3f}", "+1.000", "", f"{IDENTITY.mean() + 1:.3f}", "1,234", "1,000", "60"]
    assert blurdm[:4] == ["3", f"{IDENTITY.mean() + 1.25:.3f}", "+1.250", "+0.250 (+0.250 to +0.250)"]
    assert _rows(markdown, "BlurDM over a plain MLP") == [["+0.150 (+0.150 to +0.150)", "3 of 3"]]
    assert _rows(markdown, "the oracle over BlurDM") == [["+0.250 (+0.250 to +0.250)", "3 of 3"]]


def test_the_method_is_told_with_figures_out_of_the_results(results):
    markdown = _report(results)
    assert "Seeds: 1, 2, 3. Training: stage 2, 200 steps; stage 3, 200 steps. Stage 1 is not in the logs of these results." in markdown
    assert "30 exposures (10 of 4 px, 10 of 10 px, 10 of 16 px) of 10 pictures" in markdown
    assert f"Doing nothing gives {IDENTITY.mean():.2f} dB" in markdown
    assert "Runs: 12, of 60 seconds each, 0.2 hours in all" in markdown


def test_crops_are_told_where_the_results_know_them(results):
    for path in results.glob("small-*.json"):
        table = json.loads(path.read_text())
        table["config"]["stage"] = [{"number": 2, "steps": 200, "crop": 96, "batch": 32, "kept": 800},
                                    {"number": 3, "steps": 200, "crop": 96, "batch": 4, "kept": 0}]
        path.write_text(json.dumps(table))
    assert "stage 2, 200 steps of 32 of 800 kept spectra; stage 3, 200 steps of 4 crops of 96 px." in _report(results)


def test_an_interval_comes_from_pairs_of_pictures_and_holds_their_mean(results):
    apart = np.random.default_rng(1).normal(0.3, 0.2, len(LENGTHS))
    _write(results, "blurdm", 1 + apart)
    cell = next(row for row in _rows(_report(results), "blurdm") if len(row) == 8)[3]
    mean, low, high = (float(word.strip("()")) for word in cell.replace("to ", "").split())
    assert mean == pytest.approx(apart.mean(), abs=5e-4)
    assert low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * apart.std() / len(LENGTHS) ** 0.5, rel=0.15)  # the pictures differ by 2 dB; the pairs by 0.2


def test_missing_seeds_and_rows_are_said_and_only_common_seeds_are_compared(results):
    _write(results, "mlp", 9.0, seeds=(2,))
    (results / "small-mlp-1.json").unlink()
    (results / "small-mlp-3.json").unlink()
    _write(results, "none", 5.0, seeds=(1,))
    for path in results.glob("small-oracle-*"):
        path.unlink()
    markdown = _report(results)
    mlp, oracle = (next(row for row in _rows(markdown, arm) if len(row) == 8) for arm in ("mlp", "oracle"))
    assert (mlp[0], mlp[3]) == ("1 of 3", "+8.000 (+8.000 to +8.000, seed 2 alone)")  # of none, seed 1 is another world
    assert oracle == ["not run yet", *[""] * 7]
    assert "Missing: mlp lacks seeds 1, 3; oracle is not run yet." in markdown
    assert "not run yet" in _sentence(markdown, "The oracle over no prior")


def test_a_better_a_worse_and_an_undecided_row_are_called_so(results):
    spread = np.random.default_rng(2).normal(0, 0.3, len(LENGTHS))
    for gain, verdict, meaning in ((1.4, "positive", "The prior helps."), (0.7, "negative", "The network is better without this prior."),
                                   (1.0, "not distinguishable from nothing", "That the prior helps is not shown.")):
        _write(results, "blurdm", gain + spread - spread.mean())
        sentence = _sentence(_report(results), "BlurDM over no prior")
        assert f"{gain - 1:+.3f} dB (" in sentence
        assert f"): {verdict}, above zero in" in sentence
        assert sentence.endswith(meaning)


def test_every_sentence_of_what_came_out_has_its_interval_or_says_that_it_was_not_measured(results):
    _write(results, "blurdm, no blur residual", 1.2)
    lines = [line for line in _report(results).split("## 5. What came out")[1].splitlines() if line.startswith("- ")]
    assert len(lines) == 8
    assert all(" to " in line and " dB (" in line for line in lines)


def test_seeds_that_disagree_with_the_mean_are_told(results):
    assert "do not agree" not in _sentence(_report(results), "BlurDM over no prior")
    _write(results, "blurdm", 0.9, seeds=(3,))
    sentence = _sentence(_report(results), "BlurDM over no prior")
    assert "positive, above zero in 2 of 3 seeds" in sentence
    assert sentence.endswith("But the seeds do not agree.")


def test_gains_and_differences_stand_by_path_length(results):
    _write(results, "oracle", 1 + np.array(LENGTHS) / 10)
    markdown = _report(results)
    gains, differences = _rows(markdown, "small", "oracle")
    assert _rows(markdown, "backbone", "row")[0] == ["4 px (10)", "10 px (10)", "16 px (10)"]
    assert gains == ["+1.400", "+2.000", "+2.600"]
    assert differences == ["+0.400 (+0.400 to +0.400)", "+1.000 (+1.000 to +1.000)", "+1.600 (+1.600 to +1.600)"]


def test_blurdm_taken_apart_is_compared_with_the_whole(results):
    assert "Every row that takes BlurDM apart is not run yet." in _report(results)
    _write(results, "blurdm, no blur residual", 0.95)
    _write(results, "oracle of the paper", 1.75)
    markdown = _report(results)
    assert _rows(markdown, "blurdm, no blur residual")[1][2] == "-0.300 (-0.300 to -0.300)"
    assert _rows(markdown, "the oracle of the paper, over our oracle") == [["+0.250 (+0.250 to +0.250)", "3 of 3"]]
    assert "negative" in (sentence := _sentence(markdown, "No blur residual, over BlurDM"))
    assert sentence.endswith("The blur residual helps.")
    assert "blurdm, no noise residual is not run yet" in markdown


def test_steps_and_noise_have_their_own_tables(results):
    _write(results, "blurdm", 1.25, step_gain=-0.05, noise=(-0.3, 0.0, 0.0))
    _write(results, "blurdm, T steps only in training", 1.0, step_gain=0.1)
    markdown = _report(results)
    steps, noise = _rows(markdown, "small", "blurdm")[2:]
    assert steps == ["+1.250", "+1.200", "+1.150", "+1.100", "+1.050", "-0.200 (-0.200 to -0.200)"]
    assert noise == ["-0.100 (-0.100 to -0.100)", "0.300", "0.300"]
    assert _rows(markdown, "T steps only in training, over BlurDM, both at 1 step") == [["-0.250 (-0.250 to -0.250)", "0 of 3"]]
    assert _rows(markdown, "T steps only in training, over BlurDM, both at T steps") == [["+0.350 (+0.350 to +0.350)", "3 of 3"]]
    assert _sentence(markdown, "blurdm: T steps over 1 step").endswith("More steps harm.")
    assert "+0.400 dB (+0.400 to +0.400): positive" in _sentence(markdown, "blurdm, T steps only in training: T steps over 1 step")
    assert _sentence(markdown, "blurdm: random over zero noise at T steps").endswith("Random noise harms.")


def test_the_report_is_remade_byte_for_byte(results):
    first = _report(results)
    for path in [*results.glob("small-blurdm-*.json")][::-1]:
        text = path.read_text()
        path.unlink()
        path.write_text(text)
    assert _report(results) == first


def test_a_study_that_has_only_begun_is_reported_too(tmp_path):
    _write(tmp_path / "study", "oracle of the paper", 1.0, seeds=(1,))
    markdown = _report(tmp_path / "study")
    assert "Missing: none is not run yet; mlp is not run yet; blurdm is not run yet; oracle is not run yet." in markdown
    assert _sentence(markdown, "BlurDM over no prior") == "- BlurDM over no prior: not run yet with a seed in common."


def test_the_account_is_taken_over_word_for_word(results):
    assert "What was tried" not in _report(results)
    account = "First with 16 channels: *too slow*.\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    (results / "account.md").write_text(account + "\n")
    assert _report(results).endswith(f"## 6. What was tried\n\n{account}\n")


def test_the_plots_are_linked_from_where_the_report_lies_and_are_small(results):
    _write(results, "blurdm, no blur residual", 0.95)
    _write(results, "none", 1.0, stages=(1, 3))
    markdown = _report(results)
    linked = [part.split(")")[0] for part in markdown.split("](")[1:] if part.split(")")[0].endswith(".png")]
    assert sorted(linked) == [f"study/{name}.png" for name in ("differences", "lengths", "losses", "parts")]
    for link in linked:
        path = results.parent / link
        assert path.stat().st_size < 100_000
        picture = np.asarray(Image.open(path).convert("L"))
        assert picture.shape[1] >= 600
        assert picture.std() > 5


def _change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


LOG = [{"stage": 3, "step": 7, "loss": 0.1, "rate": 1e-3, "seconds": 1.0}]
DAMAGE = {
    "cut off": (lambda path: path.write_text(path.read_text()[:100]), "cannot be read"),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    "no table": (lambda path: path.write_text("[]"), "not a result"),
    "without seconds": (lambda path: _change(path, seconds=None), "'seconds' is missing"),
    "of an unknown arm": (lambda path: _change(path, arm="magic"), "unknown arm 'magic'"),
    "of fewer pictures": (lambda path: _change(path, psnr={"": [30.0] * 29}), "29 values, where the study has 30 pictures"),
    "with a hole": (lambda path: _change(path, psnr={"": [float("nan")] * 30}), "not a finite number"),
    "of another arm's scores": (lambda path: _change(path, psnr={"1 steps": [30.0] * 30}), "not what arm 'none' is scored at"),
    "given twice": (lambda path: _change(path, seed=1), "same backbone, arm and seed as small-none-1.json"),
    "of another network": (lambda path: _change(path, parameters={"backbone": 5, "all": 5}), "other parameters"),
    "of another size": (lambda path: _change(path, config={"reduction": 2}), "reduced by 2, those of .* by 1"),
    "of another encoder": (lambda path: _change(path, encoder="0" * 64), "started from other weights"),
    "of a shorter training": (lambda path: _change(path, log=LOG), "7 steps of stage 3, where .* has 200"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_result_that_is_damaged_or_foreign_is_named(results, damage):
    path = results / "small-none-2.json"
    change, reason = DAMAGE[damage]
    change(path)
    with pytest.raises(ResultError, match=f"small-none-2.json.*{reason}") as error:
        _report(results)
    assert "delete the file" in str(error.value)
    assert not (results.parent / "STUDY.md").exists()


def test_results_that_are_not_there_are_said_to_be_missing(tmp_path):
    with pytest.raises(ResultError, match=r"pictures\.json is missing"):
        write_report(tmp_path, tmp_path / "STUDY.md")
    _write(tmp_path, "none", 1.0, seeds=())
    with pytest.raises(ResultError, match="no run has a result yet"):
        write_report(tmp_path, tmp_path / "STUDY.md")


def test_the_command_makes_the_report_or_names_the_damaged_file(results, monkeypatch):
    out = results.parent / "STUDY.md"
    monkeypatch.setattr(sys, "argv", ["study", "report", "--results", str(results), "--out", str(out)])
    study.main()
    assert out.read_text().startswith("# The study")
    (results / "small-none-1.json").write_text("{")
    with pytest.raises(SystemExit, match=r"error: .*small-none-1\.json"):
        study.main()


def test_every_run_of_the_study_has_a_file_of_its_own():
    config = study.load_study(CONFIG)
    names = [run.name for run in study.runs(config)]
    assert len(names) == len(set(names)) == len(config["seeds"]) * (len(config["backbones"]) * len(MAIN_ARMS) + len(PART_ARMS))


def test_the_report_knows_every_arm_of_the_study():
    assert [arm.name for arm in study.ARMS] == list(ARMS)
    assert list(study.MAIN_ARMS) == list(MAIN_ARMS)


TINY = {
    "seeds": [1], "latent": 64, "reduction": 1, "ablated": "",
    "backbones": {"nano": {"channels": [16, 16, 16], "encoder": [0, 0], "middle": 1, "decoder": [1, 0]}},
    **{f"stage{n}": {"steps": 3, "crop": 32, "batch": 2, "rate": 1e-3, "final_rate": 1e-4} for n in (1, 2, 3)},
}


@pytest.fixture(scope="module")
def material(footage, tmp_path_factory) -> tuple[Path, Path]:
    """(patches, validation), as little as a run needs."""
    folder = tmp_path_factory.mktemp("material")
    command = [sys.executable, "-m", "training.patches", "--data", footage[0], "--photos", footage[1], "--out", folder / "patches", "--count", 8, "--size", 96,
               "--workers", 1]
    made = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "LENGTHS", (0, 4, 16))
        validation.write(*footage, folder / "validation", size=(256, 288))
    return folder / "patches", folder / "validation"


def _place(material: tuple[Path, Path], out: Path) -> study.Place:
    return study.Place(material[0], out, *study.load_encoder(NANO))


def _weights_after_stage_1(arm: str, material: tuple[Path, Path], out: Path) -> dict:
    run = next(run for run in study.runs({**TINY, "ablated": "nano"}) if run.arm.name == arm)
    return study.first_stage(TINY, run, _place(material, out)).ema.state_dict()


def test_arms_share_stage_1_where_they_have_the_oracle_in_common(material, tmp_path):
    def equal(a, b):
        return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    shared = [_weights_after_stage_1(arm, material, tmp_path) for arm in ("mlp", "blurdm", "oracle", "blurdm, no blur residual")]
    papers = [_weights_after_stage_1(arm, material, tmp_path) for arm in ("oracle of the paper", "blurdm, oracle of the paper")]
    none = _weights_after_stage_1("none", material, tmp_path)
    assert all(equal(weights, shared[0]) for weights in shared)
    assert equal(*papers)
    assert not equal(shared[0], papers[0])
    assert not equal(shared[0], none)
    assert len(list(tmp_path.iterdir())) == 3


def test_all_rows_of_a_backbone_and_seed_see_the_same_crops_in_stage_3(material, tmp_path, monkeypatch):
    seen: list[float] = []
    draw = Batches.next

    def noted(batches, stage, device):
        example = draw(batches, stage, device)
        if stage.number == 3:
            seen.append(float(example.sharp.sum()))
        return example

    monkeypatch.setattr(Batches, "next", noted)
    by_arm = {}
    for arm in study.ARMS:
        study.train(TINY, study.Run("nano", arm, 1), _place(material, tmp_path))
        by_arm[arm.name] = seen.copy()
        seen.clear()
    assert len(by_arm["none"]) == TINY["stage3"]["steps"]
    assert all(crops == by_arm["none"] for crops in by_arm.values())


def test_two_arms_are_trained_scored_and_reported_and_never_trained_twice(material, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "ARMS", tuple(arm for arm in study.ARMS if arm.name in ("none", "blurdm")))
    results, out = tmp_path / "study", tmp_path / "STUDY.md"
    study.run_study(TINY, study.runs(TINY), _place(material, tmp_path / "runs"), material[1], results)
    files = sorted(results.glob("nano-*.json"))
    assert [path.name for path in files] == ["nano-blurdm-1.json", "nano-none-1.json"]
    write_report(results, out)
    markdown = out.read_text()
    for arm in ("none", "blurdm"):
        assert next(row for row in _rows(markdown, arm) if len(row) == 8)[0] == "1"
    assert "Missing: mlp is not run yet; oracle is not run yet." in markdown
    assert "stage 3, 3 steps" in markdown
    assert " dB (" in _sentence(markdown, "BlurDM over no prior")
    before = [path.stat().st_mtime_ns for path in files]
    study.run_study(TINY, study.runs(TINY), _place(material, tmp_path / "runs"), material[1], results)
    assert [path.stat().st_mtime_ns for path in files] == before


NOTED = {"names": ["road-04", "road-07"], "lengths": [4, 7], "identity": [29.1811, 23.8447]}


def test_pictures_made_again_on_another_machine_are_the_same_ones(tmp_path):
    path = tmp_path / "pictures.json"
    study._keep_pictures(path, NOTED)
    study._keep_pictures(path, NOTED | {"identity": [29.1812, 23.8448]})
    assert json.loads(path.read_text()) == NOTED


@pytest.mark.parametrize("change", [{"names": ["road-04", "car-07"]}, {"lengths": [4, 10]}, {"identity": [29.18, 23.9]}])
def test_results_of_other_pictures_are_not_added_to(tmp_path, change):
    path = tmp_path / "pictures.json"
    study._keep_pictures(path, NOTED)
    with pytest.raises(ConfigError, match="scored on other pictures"):
        study._keep_pictures(path, NOTED | change)


def test_the_blur_encoder_of_mlp_and_blurdm_starts_from_the_weights_that_are_given(material, tmp_path):
    # One step at no rate: what is trained is what it started from.
    still = TINY | {f"stage{n}": TINY[f"stage{n}"] | {"steps": 1, "rate": 0.0, "final_rate": 0.0} for n in (1, 2, 3)}
    weights, digest = study.load_encoder(NANO)
    for arm in ("mlp", "blurdm"):
        run = next(run for run in study.runs(still) if run.arm.name == arm)
        model, _, _ = study.train(still, run, _place(material, tmp_path))
        assert torch.equal(model.encoder.linear1.weight, weights["encoder.linear1.weight"])
    assert len(digest) == 64


def test_a_file_without_a_blur_encoder_is_named(tmp_path):
    save_file({"backbone.head.weight": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ConfigError, match=r"weights\.safetensors: no tensors of a blur encoder"):
        study.load_encoder(tmp_path / "weights.safetensors")


def test_kept_spectra_are_made_once_for_all_runs(material, tmp_path):
    config = TINY | {"reduction": 2, "stage2": TINY["stage2"] | {"kept": 8}, "stage1": TINY["stage1"] | {"crop": 16}, "stage3": TINY["stage3"] | {"crop": 16}}
    results, place = tmp_path / "study", _place(material, tmp_path / "runs")
    chosen = [run for run in study.runs(config) if run.arm.name in ("mlp", "blurdm")]
    study.run_study(config, chosen[:1], place, material[1], results)
    made = {path: path.stat().st_mtime_ns for path in place.spectra.iterdir()}
    study.run_study(config, chosen, place, material[1], results)
    assert {path: path.stat().st_mtime_ns for path in place.spectra.iterdir()} == made
    assert len(list(results.glob("nano-*.json"))) == 2


def test_the_encoder_sees_whole_exposures_where_the_backbone_sees_them_at_half_size(material, tmp_path):
    stage = Stage(number=2, loss="latent", telling_share=1.0, **TINY["stage2"], kept=8)

    def of(reduction):
        return Batches(material[0], whole_patch=True, reduction=reduction)

    pools = [SpectraPool(tmp_path / str(reduction), of(reduction), stage).next(8, np.random.default_rng(0)) for reduction in (1, 2)]
    assert all(torch.equal(*parts) for parts in zip(*pools, strict=True))
    examples = [of(reduction).next(replace(stage, crop=96 // reduction), torch.device("cpu")) for reduction in (1, 2)]
    assert examples[1].context.shape == examples[0].context.shape
    assert torch.equal(examples[1].context, examples[0].context)
    assert torch.allclose(examples[1].sharp, F.avg_pool2d(examples[0].sharp, 2))


def test_an_unknown_backbone_is_refused_before_anything_is_trained(material, tmp_path, monkeypatch):
    command = ["study", "run", "--config", CONFIG, "--patches", material[0], "--validation", material[1], "--encoder", NANO, "--out", tmp_path / "runs",
               "--results", tmp_path / "study", "--backbones", "unet"]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    with pytest.raises(SystemExit, match="'unet' is not in the study; choose of mimo-unet, stripformer, fftformer, loformer"):
        study.main()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("backbone", ["mimo-unet", "stripformer", "fftformer", "loformer"])
def test_a_prior_of_ones_changes_nothing_before_training_and_an_oracle_begins_there(backbone):
    sizes = study.load_study(CONFIG)["backbones"][backbone]

    def build(prior):
        return (torch.manual_seed(0), BlurDm(Model(latent=64, backbone={"network": backbone, **sizes}, encoder={"network": "spectral"},
                                                                  oracle={"network": "exposure"}, prior=prior)))[1]

    fused, plain = build("oracle"), build("none")
    plain.backbone.load_state_dict({name: value for name, value in fused.backbone.state_dict().items() if ".kv." not in name})
    frame, ones = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)), torch.ones(1, 64)
    assert torch.allclose(fused.restore(frame, ones), plain.restore(frame, None), atol=1e-5)
    assert (fused.oracle(torch.rand(4, 25, 25) / 625) - 1).abs().max() < 0.5
