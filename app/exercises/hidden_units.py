"""Exercise 1: how the accuracy depends on the number of hidden units, and which number is best."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any, NamedTuple

from app.charts.rows import BestRow, RunRow, SweepRow, TrialRow
from app.charts.titles import metric_name
from app.domain.configuration import MLPConfig
from app.domain.datasets import DATASETS
from app.domain.formatting import plural, score
from app.exercises.exercise import Answer, Exercise, ExerciseChart, Preset

WIDTHS = {"quick": (1, 4, 16, 64, 256), "full": tuple(2**k for k in range(11))}
EPOCHS = {"quick": 5, "full": 10}
SEEDS = 3
CHANCE_MARGIN = 0.01  # a guess of always the same class is right for a little more or less than a tenth
OPEN_STATES = ("waiting", "running")


class WidthRow(NamedTuple):
    """All runs of one width."""

    width: int
    mean: float | None  # over the runs that have a value
    std: float | None  # their sample standard deviation
    n: int  # how many they are
    diverged: int  # runs that ended without a value
    at_chance: int  # runs that are no better than guessing
    parameters: int  # weights and biases of the network


class Finding(NamedTuple):
    """What the widths none of whose runs diverged come to."""

    best: WidthRow
    mean: float  # of the best
    smallest: WidthRow | None  # the smallest within the best one's standard deviation of it


def sweeps(preset: Preset) -> list[dict[str, Any]]:
    """One grid over widths. `quick` has a twelfth of the arithmetic of `full`."""
    space = {
        "hidden_units": list(WIDTHS[preset]),
        "learning_rate": 0.1,
        "epochs": EPOCHS[preset],
        "batch_size": 256,
    }
    return [
        {
            "name": f"Exercise 1: hidden units ({preset})",
            "dataset": "fashion_mnist",
            "space": space,
            "sampler": "grid",
            "seeds": SEEDS,
            "split": "holdout",
            "objective": {"metric": "val_accuracy", "direction": "maximize"},
        }
    ]


def width_rows(sweep: SweepRow, trials: Sequence[TrialRow]) -> list[WidthRow]:
    """One row a width that has ended, narrow first. Several trials of one width are pooled."""
    runs: dict[int, list[RunRow]] = {}
    for trial in trials:
        if trial.state in ("complete", "failed") and "hidden_units" in trial.params:
            runs.setdefault(int(str(trial.params["hidden_units"])), []).extend(trial.runs)
    return [_width_row(sweep, width, runs[width]) for width in sorted(runs)]


def find_best(rows: Sequence[WidthRow], best: BestRow | None) -> Finding | None:
    """The sweep's best width and the smallest as good, None while no width has ended well.

    A single run has no spread: then no other width is within it.
    """
    candidates = [(row.mean, row) for row in rows if row.mean is not None and row.diverged == 0]
    best_width = best.params.get("hidden_units") if best is not None else None
    best_candidates = [item for item in candidates if item[1].width == best_width]
    if not best_candidates:
        return None
    mean, row = best_candidates[0]
    if row.std is None:
        return Finding(row, mean, None)
    smallest = next(other_row for value, other_row in candidates if value >= mean - row.std)
    return Finding(row, mean, smallest)


def answer(sweep: SweepRow, trials: Sequence[TrialRow]) -> Answer:
    """The answer as far as the trials go: also with none, with some, and where runs diverged."""
    rows = width_rows(sweep, trials)
    finding = find_best(rows, sweep.best)
    open_trials = sum(trial.state in OPEN_STATES for trial in trials)
    paragraphs = [_progress(trials, open_trials)]
    if finding is None:
        paragraphs.append("There is no answer yet: no width has finished without a diverged run.")
    else:
        paragraphs += [_best(sweep, finding), _smallest(finding, rows), _edge(finding, rows)]
        paragraphs += [_gains(rows), _one_unit(sweep, rows), _recipe(sweep, trials)]
    paragraphs.append(_losses(rows, trials))
    return Answer(
        text="\n\n".join(paragraph for paragraph in paragraphs if paragraph),
        header=("hidden units", "mean", "std", "runs", "parameters"),
        rows=[_cells(row) for row in rows],
        figures=_figures(finding, rows, open_trials),
        final=bool(trials) and open_trials == 0,
    )


def _width_row(sweep: SweepRow, width: int, runs: Sequence[RunRow]) -> WidthRow:
    values = [run.value for run in runs if run.value is not None]
    data = DATASETS[sweep.dataset]
    chance = 1 / data.classes + CHANCE_MARGIN
    return WidthRow(
        width=width,
        mean=fmean(values) if values else None,
        std=stdev(values) if len(values) > 1 else None,
        n=len(values),
        diverged=len(runs) - len(values),
        at_chance=sum(value < chance for value in values),
        parameters=MLPConfig((width,)).parameter_count(*data.shape),
    )


def _progress(trials: Sequence[TrialRow], open_trials: int) -> str:
    if not trials:
        return "No trial has been queued yet."
    if open_trials == 0:
        return ""
    return f"{len(trials) - open_trials} of {len(trials)} widths have ended so far; what follows may still change."


def _best(sweep: SweepRow, finding: Finding) -> str:
    name = metric_name(sweep.objective.metric).lower()
    text = f"The best mean {name} is {_spread(finding.best)}, with {_units(finding.best.width)}"
    if finding.best.std is None:
        return f"{text}. That is one run: without more seeds nobody can say how much of it is luck."
    return f"{text} (mean ± sample standard deviation over {finding.best.n} runs)."


def _smallest(finding: Finding, rows: Sequence[WidthRow]) -> str:
    best, smallest = finding.best, finding.smallest
    if smallest is None or best.std is None:
        return ""
    within = f"within one standard deviation of it ({best.std:.4f}, that of {_units(best.width)} itself)"
    if smallest.width == best.width:
        return f"No smaller width has a mean {within}.{_rival(finding, rows)}"
    times = f"with {best.parameters / smallest.parameters:.1f} times fewer parameters"
    rough = f" {best.n} runs give only a rough idea of that spread." if best.n < 10 else ""
    return (
        f"The smallest width whose mean lies {within} is {smallest.width}: {_spread(smallest)}, {times}. "
        f"Between these two the noise of the seeds is as large as the difference, so this does not settle "
        f"which of them is better.{rough}"
    )


def _rival(finding: Finding, rows: Sequence[WidthRow]) -> str:
    """The next best width, when its error bar reaches into the best one's."""
    rivals = [(row.mean, row) for row in rows if row.mean is not None and row.diverged == 0 and row != finding.best]
    if not rivals:
        return ""
    mean, rival = max(rivals, key=lambda item: item[0])
    if mean + (rival.std or 0.0) < finding.mean - (finding.best.std or 0.0):
        return ""
    return f" The error bars of the next best, {rival.width} ({_spread(rival)}), still overlap with it."


def _edge(finding: Finding, rows: Sequence[WidthRow]) -> str:
    if len(rows) < 2 or finding.best.width != rows[-1].width:
        return ""
    return "The best is the largest width that was tried, so a larger one may be better still."


def _gains(rows: Sequence[WidthRow]) -> str:
    """Diminishing returns: what each part of the ladder gains, split at about equal numbers of doublings."""
    means = [(row.width, row.mean) for row in rows if row.mean is not None]
    if len(means) < 4:
        return ""
    stops = [means[round(i * (len(means) - 1) / 3)] for i in range(4)]
    steps = [
        f"from {narrow} to {wide} {'gains' if after >= before else 'loses'} {100 * abs(after - before):.1f}"
        for (narrow, before), (wide, after) in pairwise(stops)
    ]
    first, last = stops[1][1] - stops[0][1], stops[3][1] - stops[2][1]
    verdict = "The returns diminish: going " if last < first else "Going "
    return f"{verdict}{', '.join(steps)} percentage points."


def _one_unit(sweep: SweepRow, rows: Sequence[WidthRow]) -> str:
    row = next((row for row in rows if row.width == 1), None)
    if row is None or row.mean is None:
        return ""
    classes = DATASETS[sweep.dataset].classes
    return (
        f"A single hidden unit reaches {_spread(row)}, where guessing gives {1 / classes:.2f}: all that the {classes} "
        "classes can be told apart by is one number, and ReLU makes it 0 for every image on its other side. "
        "A unit that is 0 for every image is dead and gets no gradient, so its run stays at chance; "
        f"of these {row.n} runs {row.at_chance or 'none'} did."
    )


def _recipe(sweep: SweepRow, trials: Sequence[TrialRow]) -> str:
    params = trials[0].params
    names = [name for name in ("epochs", "learning_rate") if name in params]
    settings = ", ".join(f"{name.replace('_', ' ')} {params[name]}" for name in names)
    recipe = f"All widths were trained alike{f' ({settings})' if settings else ''}; "
    data = DATASETS[sweep.dataset]
    if sweep.split == "book":
        judge = "The test images were used to choose, as in the book, so the best value is a little too good."
    else:
        judge = f"The accuracy is that on {data.held_out:,} training images held out, not on the test images."
    return f"{recipe}another recipe may prefer another width. {judge}"


def _losses(rows: Sequence[WidthRow], trials: Sequence[TrialRow]) -> str:
    diverged = [f"{row.diverged} of {row.n + row.diverged} runs at width {row.width}" for row in rows if row.diverged]
    texts = []
    if diverged:
        texts.append(f"Diverged: {', '.join(diverged)}; such a width is not a candidate for the best.")
    failures = sum(trial.state == "failed" and not trial.runs for trial in trials)
    if failures:
        texts.append(f"{plural(failures, 'trial')} failed before a run ended.")
    stops = sum(trial.state in ("cancelled", "pruned") for trial in trials)
    if stops:
        texts.append(
            f"{plural(stops, 'trial')} {'were' if stops > 1 else 'was'} stopped before the end and not counted."
        )
    return " ".join(texts)


def _units(width: int) -> str:
    return f"{width} hidden unit{'s' if width != 1 else ''}"


def _spread(row: WidthRow) -> str:
    return score(row.mean, row.std)


def _cells(row: WidthRow) -> tuple[str, ...]:
    mean = "diverged" if row.mean is None else f"{row.mean:.4f}"
    std = "" if row.std is None else f"{row.std:.4f}"
    runs = f"{row.n} of {row.n + row.diverged}" if row.diverged else str(row.n)
    return (str(row.width), mean, std, runs, f"{row.parameters:,}")


def _figures(finding: Finding | None, rows: Sequence[WidthRow], open_trials: int) -> dict[str, float | int | None]:
    smallest = finding.smallest if finding else None
    return {
        "best_hidden_units": finding.best.width if finding else None,
        "best_mean": finding.mean if finding else None,
        "best_std": finding.best.std if finding else None,
        "smallest_within_one_std": smallest.width if smallest else None,
        "widths_ended": len(rows),
        "trials_open": open_trials,
    }


HIDDEN_UNITS = Exercise(
    number=1,
    title="The number of hidden units",
    question=(
        "Give the hidden layer more or fewer units and train again each time. How does the accuracy change with the "
        "number of units, drawn as a curve, and which number serves best?"
    ),
    parts=("Accuracy for each number of hidden units, as a plot", "The best number of hidden units"),
    source="Dive into Deep Learning, section 5.2.4, exercise 1",
    sweeps=sweeps,
    charts=(
        ExerciseChart("accuracy", "Accuracy by number of hidden units", "effect", {"x": "hidden_units"}),
        ExerciseChart("close-up", "The same, close up", "effect", {"x": "hidden_units", "close": "true"}),
        ExerciseChart("curves", "Learning curves", "curves", {}),
    ),
    answer=answer,
)
