"""What the dashboard calls its buttons, choices and pages, each said once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Button:
    """A button that posts a call, with what it does as its title."""

    call: str
    """The last part of the path that it posts to."""
    label: str
    title: str


@dataclass(frozen=True)
class Option:
    """A value that a field of a form can have, and what stands for it in the list."""

    value: str
    label: str


def by_call(*buttons: Button) -> dict[str, Button]:
    """The buttons by the call that they post."""
    return {button.call: button for button in buttons}


SWEEP_BUTTONS = by_call(
    Button("pause", "Pause", "No new trials start; running ones finish"),
    Button("resume", "Resume", "Goes on with the waiting trials"),
    Button("stop", "Stop", "Running trials finish, waiting ones are dropped"),
    Button("cancel", "Cancel…", "Ends running trials too"),
)

TRIAL_BUTTONS = by_call(
    Button("retry", "Retry", "Train it again, with the same parameters"),
    Button("cancel", "Cancel", "End it; what runs ends at its next epoch"),
    Button("exclude", "Exclude", "Leave it out of the best, of what the sampler learns from and of the charts"),
    Button("include", "Include", "Take it in again"),
)

SPLITS = (Option("holdout", "holdout"), Option("book", "book"))

SAMPLERS = (
    Option("tpe", "TPE: more where it did well"),
    Option("gp", "Gaussian process: for few trials"),
    Option("cmaes", "CMA-ES: for numbers"),
    Option("nsgaii", "NSGA-II: evolution"),
    Option("qmc", "Sobol sequence: evenly"),
    Option("random", "random"),
    Option("grid", "grid: every combination"),
)

PRUNERS = (
    Option("", "none: every trial to its end"),
    Option("successive_halving", "successive halving: one in four goes on"),
    Option("hyperband", "hyperband: halving in brackets"),
    Option("median", "median of the trials before"),
    Option('{"name": "one_epoch", "keep": 8}', "one epoch, then the best 8"),
)

FIELD_LABELS = {
    "name": "Name",
    "dataset": "Data set",
    "split": "Split",
    "sampler": "Sampler",
    "n_trials": "Trials",
    "seeds": "Seeds",
    "pruner": "Pruner",
    "constraints": "Constraints",
}

FIELD_HINTS = {
    "split": "holdout keeps the test images for the end; book validates on them",
    "sampler": "how configurations are chosen",
    "n_trials": "configurations to try",
    "seeds": "trainings of each configuration",
    "pruner": "stops poor trials early",
    "constraints": "one a line, e.g. parameters <= 500000",
}


def sentence(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
