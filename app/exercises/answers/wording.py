"""Sentences that several answers share: on what they were judged, what diverged, what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.charts.rows import SweepRow, TrialRow
from app.domain.configuration import DEFAULTS
from app.domain.datasets import DATASETS
from app.domain.formatting import plural, score, setting
from app.exercises.answers.levels import Level

RECIPE = ("activation", "optimizer", "batch_size", "epochs", "learning_rate")  # of how networks are trained
CHANCE_MARGIN = 0.01  # a guess of always the same class is right for a little more or less than a tenth


def spread(level: Level[Any], metric: str = "val_accuracy") -> str:
    """`0.8893 ± 0.0021`, or `0.1830 ± 0.0035 s`: mean and sample standard deviation over the runs."""
    return score(level.mean if level.n else None, level.std, metric)


def mean_text(level: Level[Any]) -> str:
    """`0.8563 (0.8399 to 0.8727 with 95 % confidence, 3 seeds)`: a mean accuracy, and how sure it is."""
    if level.interval is None:
        return f"{level.mean:.4f} (one seed, so nobody knows its spread)"
    low, high = level.interval
    return f"{level.mean:.4f} ({low:.4f} to {high:.4f} with 95 % confidence, {plural(level.n, 'seed')})"


def runs_of(level: Level[Any]) -> str:
    """`3`, or `2 of 3` where a run diverged, for a table."""
    return f"{level.n} of {level.runs}" if level.diverged else str(level.n)


def chance(sweep: SweepRow) -> float:
    """Below this, an accuracy is no better than guessing."""
    return guessing(sweep) + CHANCE_MARGIN


def guessing(sweep: SweepRow) -> float:
    """The accuracy of a guess."""
    return 1 / DATASETS[sweep.dataset].classes


def share(count: int, total: int, noun: str = "run") -> str:
    """`3 of 20 runs`, `none of 20 runs`, `all 20 runs`, `both runs`."""
    nouns = plural(total, noun)
    if count == total:
        return f"the one {noun}" if total == 1 else f"both {noun}s" if total == 2 else f"all {nouns}"
    return f"{count} of {nouns}" if count else f"none of {nouns}"


def chance_text(sweep: SweepRow) -> str:
    """`below 0.11, where guessing gives 0.10`: what at chance means."""
    return f"below {chance(sweep):.2f}, where guessing gives {guessing(sweep):.2f}"


def measured_on(sweep: SweepRow) -> str:
    """On which images the accuracies were measured."""
    if sweep.split == "book":
        return "Accuracies are those on the test images, as in the book."
    return f"Accuracies are those on {DATASETS[sweep.dataset].held_out:,} training images held out."


def judged_on(sweep: SweepRow) -> str:
    """On which images the accuracies were measured, and that they also chose the best."""
    if sweep.split == "book":
        return "The test images were used to choose, as in the book, so the best value is a little too good."
    return (
        f"{measured_on(sweep)} They also chose the best, so its value is a little too good; the test images chose "
        "nothing."
    )


def recipe(trials: Sequence[TrialRow], names: Sequence[str] = RECIPE) -> str:
    """`activation relu, ... learning rate 0.1`: what all the trials have in common, of these hyperparameters.

    What a sweep leaves out has the book's value.
    """
    values = {name: {setting(trial.params.get(name, DEFAULTS[name])) for trial in trials} for name in names}
    return ", ".join(f"{in_words(name)} {next(iter(own))}" for name, own in values.items() if len(own) == 1)


def losses(trials: Sequence[TrialRow], all_levels: Mapping[Any, Level[Any]], noun: str = "") -> list[str]:
    """What diverged, failed or was stopped; empty where nothing was."""
    diverged = [
        f"{level.diverged} of {plural(level.runs, 'run')} at {f'{noun} {setting(key)}'.strip()}"
        for key, level in all_levels.items()
        if level.diverged
    ]
    texts = []
    if diverged:
        texts.append(f"Diverged: {', '.join(diverged)}; such a setting is no candidate for the best.")
    failures = sum(trial.state == "failed" and not trial.runs for trial in trials)
    if failures:
        texts.append(f"{plural(failures, 'trial')} failed before a run ended.")
    stopped = sum(trial.state in ("cancelled", "pruned") for trial in trials)
    if stopped:
        was = "were" if stopped > 1 else "was"
        texts.append(f"{plural(stopped, 'trial')} {was} stopped before the end and not counted.")
    return texts


def in_words(name: str) -> str:
    """`learning rate`, of a hyperparameter's name."""
    return name.replace("_", " ")


def name_list(names: Sequence[str], word: str = "and") -> str:
    """`gelu, silu and tanh`."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def count_text(count: int) -> str:
    """`eleven`, up to twelve; then digits."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else f"{count:,}"
