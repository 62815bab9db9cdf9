"""Exercise 1: how the accuracy depends on the number of hidden units, and which number is best."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import plotly.graph_objects as go

from app.charts.rows import Axis, TrialRow
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.formatting import plural
from app.exercises.answers.comparison import compare, points, verdict
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import Level, best_level, levels, levels_at, sound, wins
from app.exercises.answers.wording import (
    chance,
    chance_text,
    count_text,
    judged_on,
    losses,
    mean_text,
    recipe,
    runs_of,
    share,
    spread,
)
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider, SweepData, chart_of, training_body
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.preset import Preset

WIDTHS = {"quick": (1, 4, 16, 64, 256), "full": tuple(2**k for k in range(11))}
EPOCHS = {"quick": 5, "full": 10}
SEEDS = 3
SWEEP = "width"
SHARED_TIME = (
    "Seconds are those of this run, beside whatever else the machine did. Widths that trained together share their "
    "time by their arithmetic: alone, a narrow network takes longer than said."
)

Widths = Mapping[int, Level[int]]


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid over widths. `quick` has a twelfth of the arithmetic of `full`."""
    space = {
        "hidden_units": list(WIDTHS[preset]),
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
    }
    return {SWEEP: training_body(1, "hidden units", preset, space, SEEDS)}


def close_figure(measurements: Measurements) -> go.Figure:
    """The better part of the widths, each with all of its bar."""
    data = measurements[SWEEP]
    widths = sorted(levels(data.trials, _width).items())
    line = LevelLine("mean", widths)
    axis = data.sweep.axes.get("hidden_units", Axis("hidden_units"))
    return levels_figure(data.sweep, "Validation accuracy by hidden units", axis, [line], best_share=0.6)


def answer(measurements: Measurements) -> Answer | None:
    """The best width, the smallest that can't be told from it, and what each part of the ladder gains."""
    data = measurements[SWEEP]
    widths = dict(sorted(levels(data.trials, _width).items()))
    best = _best(data, widths)
    if best is None:
        return None
    smallest = _smallest_as_good(widths, best)
    seconds_text = _seconds_text(data, best.setting, smallest.setting)
    return Answer(
        sentence=_sentence(widths, best, smallest),
        findings=[
            _best_finding(widths, best),
            *_smallest_findings(data, best, smallest, seconds_text),
            *_gain_findings(widths),
            *_one_unit_findings(data, widths),
        ],
        certainty=_certainty(widths, best),
        caveats=_caveats(data, widths, best, has_times=bool(seconds_text)),
        header=("hidden units", "validation", "std", "training", "runs", "parameters"),
        rows=_rows(data, widths),
        best_row=list(widths).index(best.setting),
    )


def _width(trial: TrialRow) -> int | None:
    return int(str(trial.params["hidden_units"])) if "hidden_units" in trial.params else None


def _best(data: SweepData, widths: Widths) -> Level[int] | None:
    """The width that the sweep's page calls the best."""
    width = data.sweep.best.params.get("hidden_units") if data.sweep.best else None
    return sound(widths).get(int(str(width))) if width is not None else best_level(widths)


def _smallest_as_good(widths: Widths, best: Level[int]) -> Level[int]:
    """The smallest width that is not clearly worse than the best one; with one seed that is the best one itself."""
    for level in sound(widths).values():
        comparison = compare(best, level)
        if comparison is not None and comparison.difference.interval is not None:
            low, _ = comparison.difference.interval
            if level.setting <= best.setting and low <= 0:
                return level
    return best


# ---- findings


def _sentence(widths: Widths, best: Level[int], smallest: Level[int]) -> str:
    place = "" if best.setting < max(widths) else ", the largest," if len(widths) > 1 else ""
    widths_text = f"{count_text(len(widths))} {'widths' if len(widths) > 1 else 'width'} tried"
    text = f"Of the {widths_text}, {best.setting:,}{place} has the best mean validation accuracy, {mean_text(best)}"
    comparison = compare(smallest, best)
    if smallest.setting < best.setting and comparison is not None:
        return f"{text}. {smallest.setting:,} is the smallest that is not clearly worse: it has {points(comparison)}."
    if best.n == 1:
        return f"{text}."
    if best.setting == min(widths):
        return f"{text}. It is the smallest width that was tried."
    return f"{text}, and no smaller width is as good."


def _best_finding(widths: Widths, best: Level[int]) -> Finding:
    text = (
        f"{_units(best.setting)}: {spread(best)} in validation (mean ± sample standard deviation over "
        f"{plural(best.n, 'run')})."
    )
    if len(widths) > 1 and best.setting == max(widths):
        text += " It is the largest that was tried, so a larger one may be better still."
    return Finding("best", text, best.mean, best.interval, best.n, "accuracy", {"hidden_units": best.setting})


def _smallest_findings(data: SweepData, best: Level[int], smallest: Level[int], seconds_text: str) -> list[Finding]:
    """What the smallest width that is as good lacks and saves."""
    comparison = compare(best, smallest)
    if smallest.setting >= best.setting or comparison is None:
        return []
    large, small = _config(data, best.setting), _config(data, smallest.setting)
    shape = DATASETS[data.sweep.dataset].shape
    parameters = large.parameter_count(*shape) / small.parameter_count(*shape)
    arithmetic = large.multiply_adds(*shape) / small.multiply_adds(*shape)
    text = (
        f"{_units(smallest.setting)} reach {spread(smallest)}, and {best.setting:,} {points(comparison)}: "
        f"{verdict(comparison)}. The larger network has {parameters:.1f} times as many parameters and "
        f"{arithmetic:.1f} times the arithmetic{seconds_text}."
    )
    difference = comparison.difference
    settings = {"hidden_units": smallest.setting}
    return [
        Finding("smallest_as_good", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)
    ]


def _seconds_text(data: SweepData, large: int, small: int) -> str:
    """How long a training of each took, where there are two and that is known."""
    seconds = {
        width: fmean(times)
        for width in (large, small)
        if (
            times := [
                data.seconds[trial.number]
                for trial in data.trials
                if _width(trial) == width and trial.number in data.seconds
            ]
        )
    }
    return f"; a training takes {seconds[large]:.1f} s instead of {seconds[small]:.1f} s" if len(seconds) == 2 else ""


def _gain_findings(widths: Widths) -> list[Finding]:
    """Diminishing returns: what each third of the ladder gains, at equal seeds."""
    ladder = list(sound(widths).values())
    if len(ladder) < 4:
        return []
    stops = [ladder[round(i * (len(ladder) - 1) / 3)] for i in range(4)]
    steps = [(narrow, wide, compare(wide, narrow)) for narrow, wide in pairwise(stops)]
    gains = [(narrow, wide, step.difference) for narrow, wide, step in steps if step is not None]
    texts = [
        f"from {narrow.setting:,} to {wide.setting:,} {'gains' if gain.estimate >= 0 else 'loses'} "
        f"{100 * abs(gain.estimate):.1f}"
        for narrow, wide, gain in gains
    ]
    _, widest, last = gains[-1]
    head = "The returns diminish: going " if last.estimate < gains[0][2].estimate else "Going "
    text = f"{head}{', '.join(texts)} percentage points."
    settings = {"hidden_units": widest.setting}
    return [Finding("last_gain", text, last.estimate, last.interval, last.n, "accuracy", settings)]


def _one_unit_findings(data: SweepData, widths: Widths) -> list[Finding]:
    level = widths.get(1)
    if level is None or not level.n:
        return []
    at_chance = sum(value < chance(data.sweep) for value in level.values.values())
    text = (
        f"A single hidden unit reaches {spread(level)}; {share(at_chance, level.n)} stayed at chance "
        f"({chance_text(data.sweep)})."
    )
    return [Finding("one_unit", text, level.mean, level.interval, level.n, "accuracy", {"hidden_units": 1})]


def _certainty(widths: Widths, best: Level[int]) -> str:
    if best.n < 2:
        return "One run a width: without more seeds nobody can say how much of this is luck."
    won, seeds = wins(widths, best)
    rivals = [level for level in sound(widths).values() if level.setting != best.setting]
    text = f"{best.setting:,} is the best width in {won} of {seeds} seeds."
    if not rivals:
        return text
    rival = max(rivals, key=lambda level: level.mean)
    comparison = compare(best, rival)
    if comparison is None:
        return text
    return f"{text} Next is {rival.setting:,}: {best.setting:,} has {points(comparison)}, {verdict(comparison)}."


def _caveats(data: SweepData, widths: Widths, best: Level[int], *, has_times: bool) -> list[str]:
    settings = recipe(data.trials)
    texts = [
        f"Not tested: widths beyond {max(widths):,}, more hidden layers, and other recipes. All widths were trained "
        f"alike{f' ({settings})' if settings else ''}; another recipe may prefer another width.",
        *([SHARED_TIME] if has_times else []),
        judged_on(data.sweep),
    ]
    if best.n > 1:
        texts.append("Each comparison has 95 % confidence by itself; among many, some would look clear by luck.")
    return [*texts, *losses(data.trials, widths, "width")]


# ---- the table


def _rows(data: SweepData, widths: Widths) -> list[tuple[str, ...]]:
    shape = DATASETS[data.sweep.dataset].shape
    training = levels_at(data.epochs, _widths_of_trials(data.trials), "train_accuracy")
    return [
        (
            str(width),
            f"{level.mean:.4f}" if level.n else "diverged",
            "" if level.std is None else f"{level.std:.4f}",
            f"{training[width].mean:.4f}" if width in training else "",
            runs_of(level),
            f"{_config(data, width).parameter_count(*shape):,}",
        )
        for width, level in widths.items()
    ]


def _widths_of_trials(trials: Sequence[TrialRow]) -> dict[int, int]:
    return {trial.number: width for trial in trials if (width := _width(trial)) is not None}


def _config(data: SweepData, width: int) -> MLPConfig:
    params = next(trial.params for trial in data.trials if _width(trial) == width)
    return MLPConfig.from_params({**params, "hidden_units": width})


def _units(width: int) -> str:
    return plural(width, "hidden unit")


HIDDEN_UNITS = Exercise(
    number=1,
    title="The number of hidden units",
    question=(
        "Give the hidden layer more or fewer units and train again each time. How does the accuracy change with the "
        "number of units, drawn as a curve, and which number serves best?"
    ),
    parts=("Accuracy for each number of hidden units, as a plot", "The best number of hidden units"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by number of hidden units", chart_of(SWEEP, "effect", x="hidden_units")),
        ExerciseChart("close-up", "The same, close up", close_figure),
        ExerciseChart("curves", "Learning curves", chart_of(SWEEP, "curves")),
    ),
    answer=answer,
    subset="5 of 11 widths, 5 of 10 epochs, 3 seeds",
    whole="11 widths, 10 epochs, 3 seeds",
    needs=frozenset({"epochs", "seconds"}),
    scored=(SWEEP,),
    slider=Slider(
        "hidden_units",
        (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 128, 200, 320, 512, 800, 1280),
        lambda preset, _: sweeps(preset)[SWEEP],
        "accuracy",
        "hidden units",
        "All else is as in the run.",
    ),
)
