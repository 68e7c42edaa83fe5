"""Tables and plain words of the study, from its saved results alone."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .metrics import BOOTSTRAP
from .study_pictures import CONTEXT, CROP
from .study_plots import draw_differences, draw_lengths, draw_losses
from .study_questions import MAIN_QUESTIONS, PART_QUESTIONS, T_STEPS_ONLY, Question, steps_question
from .study_results import ARMS, MAIN_ARMS, PART_ARMS, Difference, Result, Study, compare, load_results

COMMAND = "python -m training.study report --results models/study --out models/STUDY.md"
NOT_RUN = "not run yet"
VERDICTS = {1: "positive", -1: "negative", 0: "not distinguishable from nothing"}


def write_report(results: Path, out: Path) -> None:
    """`results` (what `training.study run` left) to the Markdown `out`, and plots to `results`; results/account.md, where it is there, is its last part.

    The same results give the same Markdown, byte for byte. Raises study_results.ResultError, which names the file that is missing or damaged."""
    study = load_results(results)
    folder = Path(os.path.relpath(results, out.parent)).as_posix()
    account = results / "account.md"
    parts = ["# The study: does the prior help, and what of it?",
             f"Made by `{COMMAND}` of the files in [{folder}]({folder}), with nothing else; do not edit.",
             _method(study), _main(study, results, folder), _by_length(study, results, folder), _parts(study, results, folder), _words(study)]
    if account.is_file():
        parts.append(f"## 6. What was tried\n\n{account.read_text().strip()}")
    out.write_text("\n\n".join(parts) + "\n")


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _db(value: float) -> str:
    """Three decimals with a sign; adding zero turns the -0 of rounding into 0."""
    return f"{round(float(value), 3) + 0.0:+.3f}"


def _cell(study: Study, difference: Difference | None) -> str:
    if difference is None:
        return ""
    seeds = "" if len(difference.seeds) == len(study.seeds) else f", {_seeds(difference.seeds)} alone"
    return f"{_db(difference.mean)} ({_db(difference.low)} to {_db(difference.high)}{seeds})"


def _list(values) -> str:
    return ", ".join(str(value) for value in values)


def _seeds(seeds) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {_list(seeds)}"


def _span(values: list[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _image(folder: str, name: str, words: str) -> str:
    return f"![{words}]({folder}/{name})"


# --- 1. What was asked, and how it was done


def _method(study: Study) -> str:
    lengths = sorted(set(study.lengths))
    counts = ", ".join(f"{np.sum(study.lengths == length)} of {length:g} px" for length in lengths)
    sources = len({name.rpartition("-")[0] for name in study.names})
    rows = [["row", "what it is"], *([arm, what] for arm, what in ARMS.items())]
    return "\n\n".join([
        "## 1. What was asked, and how it was done",
        "A prior is made of the blurred picture and given to every decoder block of a deblurring network. Is the network better with it? Does BlurDM's "
        "diffusion make a better prior than a plain MLP does? How far is it from a prior that knows the exposure? And which parts of BlurDM matter?",
        _table(rows),
        f"Backbones: {_list(study.backbones)}, at sizes that CPU cores can train: rows are to be compared with one another, not with published figures. "
        f"Seeds: {_list(study.seeds)}. {_training(study)}",
        f"Scored on {len(study.names)} exposures ({counts}) of {sources} pictures never trained on: PSNR in dB on 8-bit RGB over the middle "
        f"{CROP}x{CROP} px{_reduced(study)}; the blur encoder sees the {CONTEXT}x{CONTEXT} px around it, as they are. "
        f"Doing nothing gives {study.identity.mean():.2f} dB. Where nothing else is said, "
        "BlurDM samples with 1 step and zero noise, the default of this project's bundles; "
        "other numbers of steps have a table of their own in part 4."
        + (f" Its largest number of steps, T, is {study.sampler_steps}." if study.sampler_steps else ""),
        f"Differences are in dB, with a 95 % paired bootstrap interval over exposures ({BOOTSTRAP} draws): of each exposure, the mean over seeds of one row "
        "minus the other, over the seeds that both have. The interval counts exposures of one picture as independent and knows nothing of the chance of a "
        "training: for that, look at the seeds.",
    ])


def _reduced(study: Study) -> str:
    reduction = study.every_result[0].reduction
    return f" of the exposure reduced by {reduction}" if reduction > 1 else ""


def _training(study: Study) -> str:
    results = study.every_result
    texts = []
    for stage in sorted({stage for result in results for stage in result.steps}):
        steps = next(result.steps[stage] for result in results if stage in result.steps)
        examples = sorted({result.examples[stage] for result in results if stage in result.examples})
        texts.append(f"stage {stage}, {steps} steps" + (f" of {' or '.join(examples)}" if examples else ""))
    stages = f"Training: {'; '.join(texts)}." if texts else ""
    if 1 not in {stage for result in results for stage in result.steps}:
        stages += " Stage 1 is not in the logs of these results."
    seconds = [result.seconds for result in results]
    return (f"{stages} Stage 1 trains the backbone with the oracle's prior and is shared by rows of one backbone and seed where they have the oracle in "
            "common; stage 2 trains the estimated prior, which only the MLP and BlurDM have; stage 3 trains all that the row uses. "
            f"The blur encoder of both starts from weights trained before (SHA-256 {results[0].encoder[:16]}…), which a network without prior has no use for: "
            "rows are equal in what follows, not in what went before. "
            f"Runs: {len(results)}, of {_span(seconds, '.0f')} seconds each, {sum(seconds) / 3600:.1f} hours in all, a shared stage 1 not counted. "
            "Batches, crops and rates are in models/training/configs/study.toml.")


# --- 2. The main table


def _main(study: Study, results: Path, folder: str) -> str:
    parts = ["## 2. No prior, a plain MLP, BlurDM, the oracle"]
    for backbone in study.backbones:
        rows = [["row", "seeds", "PSNR, dB", "gain over the blurred input, dB", "over none, dB (95 %)", "PSNR by seed, dB", "parameters", "of the backbone",
                 "seconds a run"], *(_main_row(study, backbone, arm) for arm in MAIN_ARMS)]
        beside_none = tuple(question for question in MAIN_QUESTIONS if question.other != "none")
        parts += [f"### {backbone}", _table(rows), *_gaps(study, backbone, tuple(MAIN_ARMS)), _question_table(study, backbone, beside_none)]
    if draw_differences(study, MAIN_QUESTIONS, results / "differences.png"):
        parts.append(_image(folder, "differences.png", "differences in dB with 95 % intervals, a panel per backbone; diamonds are seeds"))
    return "\n\n".join(parts)


def _seed_count(study: Study, runs: dict[int, Result]) -> str:
    return str(len(runs)) if len(runs) == len(study.seeds) else f"{len(runs)} of {len(study.seeds)}"


def _main_row(study: Study, backbone: str, arm: str) -> list[str]:
    runs = study.runs(backbone, arm)
    if not runs:
        return [arm, NOT_RUN, *[""] * 7]
    by_seed = [values.mean() for values in study.scores(backbone, arm).values()]
    any_run = next(iter(runs.values()))
    difference = "" if arm == "none" else _cell(study, compare(study.scores(backbone, arm), study.scores(backbone, "none")))
    return [arm, _seed_count(study, runs), f"{np.mean(by_seed):.3f}", _db(np.mean(by_seed) - study.identity.mean()), difference, _span(by_seed, ".3f"),
            f"{any_run.parameters:,}", f"{any_run.backbone_parameters:,}", f"{np.mean([run.seconds for run in runs.values()]):.0f}"]


def _gaps(study: Study, backbone: str, arms: tuple[str, ...]) -> list[str]:
    """A sentence per row that is missing or lacks seeds."""
    found = []
    for arm in arms:
        lacking = [seed for seed in study.seeds if seed not in study.runs(backbone, arm)]
        if len(lacking) == len(study.seeds):
            found.append(f"{arm} is {NOT_RUN}")
        elif lacking:
            found.append(f"{arm} lacks {_seeds(lacking)}")
    return [f"Missing: {'; '.join(found)}. Means are over the seeds that a row has, differences over those that both rows have."] if found else []


def _question_table(study: Study, backbone: str, questions: tuple[Question, ...]) -> str:
    rows = [["difference", "dB (95 %)", "seeds above zero"]]
    for question in questions:
        difference = question.answer(study, backbone)
        rows.append([question.title, _cell(study, difference), _agreement(difference)] if difference else [question.title, NOT_RUN, ""])
    return _table(rows)


def _agreement(difference: Difference) -> str:
    return f"{sum(mean > 0 for mean in difference.seeds.values())} of {len(difference.seeds)}"


# --- 3. By path length


def _by_length(study: Study, results: Path, folder: str) -> str:
    lengths = sorted(set(study.lengths))
    header = [f"{length:g} px ({np.sum(study.lengths == length)})" for length in lengths]
    gains, differences = [["backbone", "row", *header]], [["backbone", "row over none", *header]]
    for backbone in study.backbones:
        for arm in ARMS:
            scores = study.scores(backbone, arm)
            if scores:
                gain = np.mean(list(scores.values()), axis=0) - study.identity
                gains.append([backbone, arm, *(_db(gain[study.lengths == length].mean()) for length in lengths)])
            if arm in MAIN_ARMS and arm != "none":
                apart = [compare(scores, study.scores(backbone, "none"), study.lengths == length) for length in lengths]
                if all(apart):
                    differences.append([backbone, arm, *(_cell(study, difference) for difference in apart)])
    parts = ["## 3. By path length", "Gain over the blurred input in dB, by the length of the camera's path (number of exposures).", _table(gains)]
    if len(differences) > 1:
        parts += ["Differences to no prior, dB (95 %):", _table(differences)]
    if draw_lengths(study, results / "lengths.png"):
        parts.append(_image(folder, "lengths.png", "gain and difference to no prior in dB by path length in px, a row of panels per backbone"))
    return "\n\n".join(parts)


# --- 4. BlurDM taken apart


def _parts(study: Study, results: Path, folder: str) -> str:
    taken_apart = [backbone for backbone in study.backbones if any(study.runs(backbone, arm) for arm in PART_ARMS)]
    parts = ["## 4. BlurDM taken apart"]
    if not taken_apart:
        parts.append(f"Every row that takes BlurDM apart is {NOT_RUN}.")
    for backbone in taken_apart:
        header = ["row", "seeds", "PSNR, dB", "over blurdm, dB (95 %)", "PSNR by seed, dB"]
        rows = [header, *(_part_row(study, backbone, arm) for arm in ("blurdm", *PART_ARMS))]
        parts += [f"### {backbone}", _table(rows), *_gaps(study, backbone, tuple(PART_ARMS)), _question_table(study, backbone, PART_QUESTIONS)]
    if draw_differences(study, PART_QUESTIONS, results / "parts.png"):
        parts.append(_image(folder, "parts.png", "differences in dB with 95 % intervals; diamonds are seeds"))
    parts += ["### Steps and noise", _steps(study), "### Losses"]
    if draw_losses(study, results / "losses.png"):
        parts.append("Rows that share a stage have one line, in the colour of the first of them.")
        parts.append(_image(folder, "losses.png", "training loss by step, mean over seeds; a row of panels per backbone"))
    else:
        parts.append("The logs of these results have no rows of stage 1 or 3.")
    return "\n\n".join(parts)


def _part_row(study: Study, backbone: str, arm: str) -> list[str]:
    runs = study.runs(backbone, arm)
    if not runs:
        return [arm, NOT_RUN, *[""] * 3]
    by_seed = [values.mean() for values in study.scores(backbone, arm).values()]
    difference = "" if arm == "blurdm" else _cell(study, compare(study.scores(backbone, arm), study.scores(backbone, "blurdm")))
    return [arm, _seed_count(study, runs), f"{np.mean(by_seed):.3f}", difference, _span(by_seed, ".3f")]


def _step_rows(study: Study) -> list[tuple[str, str]]:
    return [(backbone, arm) for backbone in study.backbones for arm in ("blurdm", T_STEPS_ONLY) if study.runs(backbone, arm)]


def _noise(study: Study, backbone: str, arm: str) -> tuple[Difference, np.ndarray]:
    """Random over zero noise at T steps, the mean over noise seeds; and the range over noise seeds [runs, pictures]."""
    noisy = study.noisy_scores(backbone, arm)
    difference = compare({seed: values.mean(0) for seed, values in noisy.items()}, study.scores(backbone, arm, study.sampler_steps))
    return difference, np.array([np.ptp(values, axis=0) for values in noisy.values()])


def _steps(study: Study) -> str:
    chosen = _step_rows(study)
    if not chosen:
        return f"Every row with a sampler is {NOT_RUN}."
    counts = range(1, study.sampler_steps + 1)
    gains = [["backbone", "row", *(f"{n} step{'s' * (n > 1)}" for n in counts), f"{study.sampler_steps} steps over 1, dB (95 %)"]]
    noise = [["backbone", "row", "random over zero noise, dB (95 %)", "range of a picture over noise seeds: mean, dB", "largest, dB"]]
    for backbone, arm in chosen:
        means = [np.mean(list(study.scores(backbone, arm, n).values())) - study.identity.mean() for n in counts]
        gains.append([backbone, arm, *(_db(mean) for mean in means), _cell(study, steps_question(arm).answer(study, backbone))])
        difference, spread = _noise(study, backbone, arm)
        noise.append([backbone, arm, _cell(study, difference), f"{spread.mean():.3f}", f"{spread.max():.3f}"])
    seeds = max(len(values) for backbone, arm in chosen for values in study.noisy_scores(backbone, arm).values())
    return "\n\n".join(["Gain over the blurred input in dB by sampler steps, zero noise.", _table(gains),
                        f"Random noise at {study.sampler_steps} steps, {seeds} noise seeds.", _table(noise)])


# --- 5. What came out


def _words(study: Study) -> str:
    parts = ["## 5. What came out", "Chosen by the intervals: positive where all of it lies above zero, negative where all of it lies below."]
    for backbone in study.backbones:
        questions = [*MAIN_QUESTIONS, *(question for question in PART_QUESTIONS if study.runs(backbone, question.arm)),
                     *(steps_question(arm) for row, arm in _step_rows(study) if row == backbone)]
        lines = [_sentence(study, question.title, difference := question.answer(study, backbone), question.meaning(difference) if difference else "")
                 for question in questions]
        for arm in (arm for row, arm in _step_rows(study) if row == backbone):
            difference, _ = _noise(study, backbone, arm)
            meaning = {1: "Random noise helps.", -1: "Random noise harms.", 0: "That noise matters to the mean is not shown."}[difference.sign]
            lines.append(_sentence(study, f"{arm}: random over zero noise at T steps", difference, meaning))
        parts += [f"### {backbone}", "\n".join(lines)]
    return "\n\n".join(parts)


def _sentence(study: Study, title: str, difference: Difference | None, meaning: str) -> str:
    title = title[0].upper() + title[1:] if not title.startswith("blurdm") else title
    if difference is None:
        return f"- {title}: {NOT_RUN} with a seed in common."
    mean, interval = _cell(study, difference).split(" ", 1)
    agree = difference.sign == 0 or all(difference.sign * mean > 0 for mean in difference.seeds.values())
    return (f"- {title}: {mean} dB {interval}: {VERDICTS[difference.sign]}, above zero in {_agreement(difference)} seeds. {meaning}"
            + ("" if agree else " But the seeds do not agree."))
