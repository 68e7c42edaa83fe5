"""What the study asks: which row against which, and what an answer means in words."""

from __future__ import annotations

from dataclasses import dataclass

from .study_results import Difference, Study, compare

T_STEPS_ONLY = "blurdm, T steps only in training"
ORACLE_OF_THE_PAPER = "oracle of the paper"


@dataclass(frozen=True)
class Question:
    """`arm` against `other`, each with its number of sampler steps (0 is T), and what it means where the interval lies above, below or across zero."""

    title: str
    arm: str
    other: str
    above: str
    below: str
    across: str
    steps: int = 1
    other_steps: int = 1

    def answer(self, study: Study, backbone: str) -> Difference | None:
        scores = (study.scores(backbone, arm, steps or study.sampler_steps) for arm, steps in ((self.arm, self.steps), (self.other, self.other_steps)))
        return compare(*scores)

    def meaning(self, difference: Difference) -> str:
        return {1: self.above, -1: self.below, 0: self.across}[difference.sign]


MAIN_QUESTIONS = (
    Question("BlurDM over no prior", "blurdm", "none", "The prior helps.", "The network is better without this prior.", "That the prior helps is not shown."),
    Question("a plain MLP over no prior", "mlp", "none", "A prior helps without any diffusion.", "The network is better without this prior.",
             "That this prior helps is not shown."),
    Question("BlurDM over a plain MLP", "blurdm", "mlp", "The diffusion does more than a plain MLP of its size.",
             "A plain MLP of its size does better than the diffusion.", "That the diffusion does more than a plain MLP of its size is not shown."),
    Question("the oracle over no prior", "oracle", "none", "Knowing the exposure helps: there is something for a prior to give.",
             "The network is better without knowing the exposure.", "That even the true exposure helps is not shown."),
    Question("the oracle over BlurDM", "oracle", "blurdm", "So much is lost where the exposure is estimated by BlurDM instead of known.",
             "BlurDM does better than the oracle that taught it.", "That BlurDM falls short of the oracle is not shown."),
)
PART_QUESTIONS = (
    Question("T steps only in training, over BlurDM, both at 1 step", T_STEPS_ONLY, "blurdm", "Random sub-schedules in training cost quality at 1 step.",
             "Random sub-schedules in training earn quality at 1 step.", "That random sub-schedules in training matter at 1 step is not shown."),
    Question("T steps only in training, over BlurDM, both at T steps", T_STEPS_ONLY, "blurdm", "Random sub-schedules in training cost quality at T steps.",
             "Random sub-schedules in training earn quality at T steps.", "That random sub-schedules in training matter at T steps is not shown.", 0, 0),
    Question("no blur residual, over BlurDM", "blurdm, no blur residual", "blurdm", "The blur residual harms.", "The blur residual helps.",
             "That the blur residual matters is not shown."),
    Question("no noise residual, over BlurDM", "blurdm, no noise residual", "blurdm", "The noise residual harms.", "The noise residual helps.",
             "That the noise residual matters is not shown."),
    Question("the oracle of the paper, over BlurDM", ORACLE_OF_THE_PAPER, "blurdm",
             "BlurDM, taught by the exposure, falls short of the paper's kind of oracle.",
             "BlurDM, taught by the exposure, does better than the paper's kind of oracle.", "That BlurDM and the paper's kind of oracle differ is not shown."),
    Question("the oracle of the paper, over our oracle", ORACLE_OF_THE_PAPER, "oracle", "The paper's kind of oracle gives the better prior.",
             "The true exposure gives the better prior.", "That either oracle gives the better prior is not shown."),
    Question("BlurDM taught by the oracle of the paper, over BlurDM", "blurdm, oracle of the paper", "blurdm", "The paper's kind of oracle teaches better.",
             "The true exposure teaches better.", "That either oracle teaches better is not shown."),
)


def steps_question(arm: str) -> Question:
    return Question(f"{arm}: T steps over 1 step", arm, arm, "More steps help.", "More steps harm.", "That more than 1 step matters is not shown.", 0, 1)
