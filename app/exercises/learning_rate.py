"""Exercise 4: which learning rate is best, and what that has to do with the number of epochs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from app.charts.axis import axis_plan, draw_x_axis, draw_y_axis
from app.charts.empty import empty_figure
from app.charts.heatmap import has_value
from app.charts.rows import Axis, EpochRow
from app.charts.theme import PALETTE, new_figure, scatter
from app.charts.titles import subtitle
from app.domain.comparisons.paired_differences import paired_difference
from app.domain.formatting import number, plural
from app.exercises.answers.choosing import held_out
from app.exercises.answers.comparison import compare, points, verdict
from app.exercises.answers.finding import Answer, Finding
from app.exercises.answers.levels import CONFIDENCE, ENDED, Level, best_level, sound, wins
from app.exercises.answers.wording import guessing, judged_on, losses, recipe, runs_of, share, spread
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Preset, Slider, SweepData, chart_of
from app.exercises.figures import LevelLine, levels_figure

RATES = {"quick": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), "full": (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0)}
UNITS = {"quick": 128, "full": 256}
EPOCHS = {"quick": 8, "full": 20}
SEEDS = 5
SWEEP = "rate"
LINES = 5  # numbers of epochs that are drawn and compared

Rates = Mapping[float, Level[float]]  # by rate, in their order


class Optimum(NamedTuple):
    """What is best after so many epochs."""

    epochs: int
    best: Level[float]
    low: float  # the smallest rate that is not clearly worse
    high: float  # the largest


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """One grid over rates, all trained for the most epochs: fewer epochs are read from the same curves."""
    body = {
        "name": f"Exercise 4: learning rate ({preset})",
        "dataset": "fashion_mnist",
        "space": {
            "learning_rate": list(RATES[preset]),
            "hidden_units": UNITS[preset],
            "epochs": EPOCHS[preset],
            "batch_size": 256,
        },
        "sampler": "grid",
        "seeds": SEEDS,
        "split": "holdout",
        "objective": {"metric": "val_accuracy", "direction": "maximize"},
    }
    return {SWEEP: body}


def answer(measurements: Measurements) -> Answer | None:
    """The best rate after each number of epochs, how it moves between them, and from where on rates are too large."""
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    optima = [optimum for epochs in budgets(by_epochs) if (optimum := optimum_of(epochs, by_epochs[epochs]))]
    if not optima:
        return None
    last = optima[-1]
    rates = by_epochs[last.epochs]
    return Answer(
        sentence=_sentence(data, optima, rates),
        findings=[
            _best_finding(last, rates),
            *_shift_findings(by_epochs, optima),
            *_short_findings(optima, rates),
            *_limit_findings(data, last, rates),
        ],
        certainty=_certainty(last, rates),
        caveats=_caveats(data, rates),
        header=("learning rate", *(plural(optimum.epochs, "epoch") for optimum in optima), "std", "runs"),
        rows=_rows(by_epochs, optima),
        best_row=list(rates).index(last.best.setting),
    )


# ---- what the curves say


def rates_by_epochs(data: SweepData) -> dict[int, Rates]:
    """By number of epochs, what each rate had come to; a run that had diverged by then counts as such.

    The rate is constant, so a training of fewer epochs is the beginning of one of more. Only trials that have ended
    count, so that all rates are compared over the same seeds.
    """
    rates = {
        trial.number: float(str(trial.params["learning_rate"]))
        for trial in data.trials
        if trial.state in ENDED[:2] and not trial.excluded and "learning_rate" in trial.params
    }
    curves: dict[tuple[int, int], dict[int, EpochRow]] = {}
    for row in data.epochs:
        if row.trial in rates:
            curves.setdefault((row.trial, row.seed), {})[row.epoch] = row
    longest = max((row.epoch for row in data.epochs if row.trial in rates), default=0)
    return {epochs: _rates_after(data, epochs, rates, curves) for epochs in range(1, longest + 1)}


def _rates_after(
    data: SweepData, epochs: int, rates: Mapping[int, float], curves: Mapping[tuple[int, int], Mapping[int, EpochRow]]
) -> Rates:
    values: dict[float, dict[int, float]] = {rate: {} for rate in sorted(set(rates.values()))}
    diverged = dict.fromkeys(values, 0)
    for (trial, seed), curve in curves.items():
        row = curve[min(epochs, max(curve))]
        if has_value(row, data.sweep.objective.metric):
            values[rates[trial]].setdefault(seed, getattr(row, data.sweep.objective.metric))
        else:
            diverged[rates[trial]] += 1
    return {rate: Level(rate, values[rate], diverged[rate]) for rate in values}


def budgets(by_epochs: Mapping[int, Rates]) -> list[int]:
    """The numbers of epochs that are compared: from one to the most, each about the same multiple of the one before."""
    most = max(by_epochs, default=0)
    return sorted({math.ceil(most ** (step / (LINES - 1)) - 1e-9) for step in range(LINES)}) if most else []


def optimum_of(epochs: int, rates: Rates) -> Optimum | None:
    """The best rate, and the range round it of those that are not clearly worse at equal seeds."""
    best = best_level(rates)
    if best is None:
        return None
    ladder = list(sound(rates).values())
    place = ladder.index(best)
    low = high = place
    while low > 0 and _is_as_good(best, ladder[low - 1]):
        low -= 1
    while high + 1 < len(ladder) and _is_as_good(best, ladder[high + 1]):
        high += 1
    return Optimum(epochs, best, ladder[low].setting, ladder[high].setting)


def _is_as_good(best: Level[float], level: Level[float]) -> bool:
    comparison = compare(best, level)
    return comparison is not None and comparison.difference.interval is not None and not comparison.is_clear


# ---- findings


def _sentence(data: SweepData, optima: Sequence[Optimum], rates: Rates) -> str:
    first, last = optima[0], optima[-1]
    text = f"After {plural(last.epochs, 'epoch')} a rate of {number(last.best.setting)} is best{_range_text(last)}"
    if first.epochs < last.epochs:
        text += f"; after {plural(first.epochs, 'epoch')} it is {number(first.best.setting)}{_range_text(first)}"
    too_large = _too_large(data, last, rates)
    if too_large is None:
        return f"{text}."
    count = too_large.diverged + _collapsed(data, last, too_large)
    return f"{text}. At {number(too_large.setting)} training fails in {share(count, too_large.runs)}."


def _range_text(optimum: Optimum) -> str:
    if optimum.low == optimum.high:
        return ""
    return f" ({number(optimum.low)} to {number(optimum.high)} can't be told apart)"


def _best_finding(last: Optimum, rates: Rates) -> Finding:
    best = last.best
    text = f"After {plural(last.epochs, 'epoch')}, {number(best.setting)} reaches {spread(best)} over {_runs(best)}."
    ladder = list(rates)
    if best.setting in (ladder[0], ladder[-1]):
        text += " It is at the end of the rates tried, so one beyond may be better still."
    settings = {"learning_rate": best.setting, "epochs": last.epochs}
    return Finding("best", text, best.mean, best.interval, best.n, "accuracy", settings)


def _runs(level: Level[Any]) -> str:
    return f"{plural(level.n, 'run')}" + (" (mean ± sample standard deviation)" if level.n > 1 else "")


def _shift_findings(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> list[Finding]:
    """How the best rate of each seed moves from the fewest epochs to the most, as a factor."""
    first, last = optima[0], optima[-1]
    few, many = (_best_rates(by_epochs[optimum.epochs]) for optimum in (first, last))
    difference = paired_difference(many, few, CONFIDENCE)
    if difference is None or first.epochs == last.epochs:
        return []
    factor = 10**difference.estimate
    interval = difference.interval and (10 ** difference.interval[0], 10 ** difference.interval[1])
    text = (
        f"From {plural(first.epochs, 'epoch')} to {last.epochs}, the best rate of a seed becomes {factor:.2g} times "
        f"what it was{_factor_text(interval, difference.n)}."
    )
    settings = {"epochs": [first.epochs, last.epochs]}
    return [Finding("shift", text, factor, interval, difference.n, "times", settings)]


def _best_rates(rates: Rates) -> dict[int, float]:
    """By seed, the logarithm of the rate that is best at that seed."""
    candidates = sound(rates).values()
    seeds = {seed for level in candidates for seed in level.values}
    return {
        seed: math.log10(
            max((level for level in candidates if seed in level.values), key=lambda level: level.values[seed]).setting
        )
        for seed in seeds
    }


def _factor_text(interval: tuple[float, float] | None, seeds: int) -> str:
    if interval is None:
        return " (one seed, so nobody knows its spread)"
    clear = interval[0] > 1 or interval[1] < 1
    bounds = f"{interval[0]:.2g} to {interval[1]:.2g} with 95 % confidence"
    return f" ({bounds}): {'clear' if clear else 'that it moves is not clear'} at {plural(seeds, 'seed')}"


def _short_findings(optima: Sequence[Optimum], rates: Rates) -> list[Finding]:
    """What it costs to choose the rate after the fewest epochs and train for the most."""
    first, last = optima[0], optima[-1]
    comparison = compare(rates[first.best.setting], last.best)
    if comparison is None or first.best.setting == last.best.setting:
        return []
    text = (
        f"Choosing {number(first.best.setting)}, the best after {plural(first.epochs, 'epoch')}, brings "
        f"{points(comparison)} after {last.epochs} than {number(last.best.setting)}: {verdict(comparison)}."
    )
    difference = comparison.difference
    settings = {"learning_rate": first.best.setting, "epochs": last.epochs}
    return [Finding("chosen_early", text, difference.estimate, difference.interval, difference.n, "accuracy", settings)]


def _limit_findings(data: SweepData, last: Optimum, rates: Rates) -> list[Finding]:
    """From where on rates are too large."""
    level = _too_large(data, last, rates)
    if level is None:
        return []
    collapsed = _collapsed(data, last, level)
    parts = [
        f"{level.diverged} diverged" if level.diverged else "",
        f"{collapsed} ended nearer to guessing than to the best" if collapsed else "",
    ]
    text = (
        f"At {number(level.setting)}, of {plural(level.runs, 'run')} {' and '.join(filter(None, parts))}: the steps "
        "are too long for the loss to fall."
    )
    settings = {"learning_rate": level.setting, "epochs": last.epochs}
    return [Finding("too_large", text, level.setting, None, level.runs, "", settings)]


def _too_large(data: SweepData, last: Optimum, rates: Rates) -> Level[float] | None:
    """The smallest rate above the best one at which runs diverged, or ended nearer to guessing than to the best."""
    larger = (level for rate, level in rates.items() if rate > last.best.setting)
    return next((level for level in larger if level.diverged or _collapsed(data, last, level)), None)


def _collapsed(data: SweepData, last: Optimum, level: Level[float]) -> int:
    """Runs that are nearer to guessing than to the best."""
    middle = (guessing(data.sweep) + last.best.mean) / 2
    return sum(value < middle for value in level.values.values())


def _certainty(last: Optimum, rates: Rates) -> str:
    if last.best.n < 2:
        return "One run a rate: without more seeds nobody can say how much of this is luck."
    won, seeds = wins(rates, last.best)
    text = f"After {plural(last.epochs, 'epoch')}, {number(last.best.setting)} is best in {won} of {seeds} seeds."
    unseen = held_out(rates)
    if unseen is None:
        return text
    return (
        f"{text} Chosen by the other seeds and judged on the one left out, the best rate reaches {spread(unseen)} over "
        f"{plural(unseen.n, 'seed')}: what is above that may be the luck of choosing."
    )


def _caveats(data: SweepData, rates: Rates) -> list[str]:
    settings = recipe(data.trials, ("hidden_units", "batch_size", "optimizer"))
    texts = [
        f"A constant rate{f' ({settings})' if settings else ''}: with a schedule, another batch size or another "
        "optimizer the best one is another.",
        "Fewer epochs are the beginnings of the same runs, which is exact for a constant rate.",
        judged_on(data.sweep),
        "Each comparison has 95 % confidence by itself; among many, some would look clear by luck.",
    ]
    return [*texts, *losses(data.trials, rates, "rate")]


def _rows(by_epochs: Mapping[int, Rates], optima: Sequence[Optimum]) -> list[tuple[str, ...]]:
    last = by_epochs[optima[-1].epochs]
    return [
        (
            number(rate),
            *(_cell(by_epochs[optimum.epochs][rate]) for optimum in optima),
            "" if level.std is None else f"{level.std:.4f}",
            runs_of(level),
        )
        for rate, level in last.items()
    ]


def _cell(level: Level[float]) -> str:
    return f"{level.mean:.4f}" if level.n else "diverged"


# ---- charts


def _rate_figure(measurements: Measurements, *, close: bool) -> go.Figure:
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    lines = [LevelLine(plural(epochs, "epoch"), [*by_epochs[epochs].items()]) for epochs in budgets(by_epochs)]
    axis = data.sweep.axes.get("learning_rate", Axis("learning_rate", log=True))
    note = "fewer epochs: read from the same runs"
    return levels_figure(data.sweep, "Validation accuracy by learning rate", axis, lines, note, close=close)


def rate_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by rate, a line for each of a few numbers of epochs."""
    return _rate_figure(measurements, close=False)


def close_figure(measurements: Measurements) -> go.Figure:
    """The same, close up."""
    return _rate_figure(measurements, close=True)


def optimum_figure(measurements: Measurements) -> go.Figure:
    """The best rate by number of epochs, with the range that can't be told from it."""
    data = measurements[SWEEP]
    by_epochs = rates_by_epochs(data)
    optima = [optimum for epochs, rates in by_epochs.items() if (optimum := optimum_of(epochs, rates))]
    title = "Best learning rate by epochs"
    text = subtitle(data.sweep, "bars: rates that are not clearly worse", "of the rates tried, so in steps")
    if not optima:
        return empty_figure(title=title, subtitle=text)
    figure = new_figure(title, text)
    figure.add_trace(
        scatter(
            x=[optimum.epochs for optimum in optima],
            y=[optimum.best.setting for optimum in optima],
            mode="lines+markers",
            line={"shape": "hvh", "width": 2, "color": PALETTE[0]},
            error_y={
                "array": [optimum.high - optimum.best.setting for optimum in optima],
                "arrayminus": [optimum.best.setting - optimum.low for optimum in optima],
                "symmetric": False,
                "thickness": 1.2,
                "width": 3,
            },
            text=[f"{spread(optimum.best)}, {plural(optimum.best.n, 'run')}" for optimum in optima],
            hovertemplate="after %{x} epochs <b>%{y}</b><br>%{text}<extra></extra>",
        )
    )
    rates = next(iter(by_epochs.values()))
    draw_x_axis(figure, axis_plan(Axis("epochs"), by_epochs))
    draw_y_axis(figure, axis_plan(Axis("learning_rate", log=True, choices=tuple(rates)), ()))
    return figure


LEARNING_RATE = Exercise(
    number=4,
    title="The learning rate",
    question=(
        "Change the learning rate and leave everything else as it is. Which rate is best, and how does that depend on "
        "the number of epochs?"
    ),
    parts=("The best learning rate", "How it goes with the number of epochs"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by learning rate", rate_figure),
        ExerciseChart("close-up", "The same, close up", close_figure),
        ExerciseChart("heatmap", "Learning rate and epochs", chart_of(SWEEP, "heatmap", x="learning_rate")),
        ExerciseChart("best", "The best rate by number of epochs", optimum_figure),
    ),
    answer=answer,
    subset="6 of 9 rates, 8 of 20 epochs, 128 of 256 units, 5 seeds",
    whole="9 rates, 20 epochs, 256 units, 5 seeds",
    needs=frozenset({"epochs"}),
    scored=(SWEEP,),
    slider=Slider(
        "learning_rate",
        (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
        lambda preset: sweeps(preset)[SWEEP],
        "accuracy",
    ),
)
