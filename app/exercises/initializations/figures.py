"""The table of starts, and the figures of accuracies and sizes."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from app.charts.rows import Axis
from app.domain.formatting import number, plural
from app.exercises.answers.diagnosed import DiagnosedRun, diagnosed_runs, median
from app.exercises.answers.levels import Level, levels
from app.exercises.answers.wording import runs_of
from app.exercises.exercise import Measurements, SweepData
from app.exercises.figures import LevelLine, levels_figure
from app.exercises.initializations.findings import gradients
from app.exercises.initializations.starts import NAMED, SCALES, STDS, Start, depths_of, only_name, start_of, starts_at


def table_rows(*sweeps: SweepData) -> list[tuple[str, ...]]:
    """A row for each start, by the sweep that has it first."""
    rows: dict[Start, tuple[str, ...]] = {}
    for data in sweeps:
        rows |= {start: cells for start, cells in _rows_of(data).items() if start not in rows}
    return list(rows.values())


def _rows_of(data: SweepData) -> dict[Start, tuple[str, ...]]:
    starts = levels(data.trials, lambda trial: start_of(data, trial))
    early = starts_at(data, 1)
    runs: dict[Start, list[DiagnosedRun]] = {}
    for run in diagnosed_runs(data):
        if (start := start_of(data, run.trial)) is not None:
            runs.setdefault(start, []).append(run)
    return {
        only_name(start): _cells(only_name(start), level, early.get(start), runs.get(start, []))
        for start, level in starts.items()
    }


def _cells(
    start: Start, level: Level[Start], early: Level[Start] | None, runs: Sequence[DiagnosedRun]
) -> tuple[str, ...]:
    return (
        str(start.depth),
        start.name,
        f"{early.mean:.4f}" if early else "",
        f"{level.mean:.4f}" if level.n else "diverged",
        "" if level.std is None else f"{level.std:.4f}",
        runs_of(level),
        _first_pass(runs),
        number(float(f"{median(sizes):.2g}")) if (sizes := gradients(runs)) else "",
    )


def _first_pass(runs: Sequence[DiagnosedRun]) -> str:
    """`0.18 to 0.041`: the sizes of the first and the last hidden layer's outputs before the first step, medians."""
    if not runs:
        return ""
    hidden = [run.first.activation_rms[:-1] for run in runs]
    sizes = [median([float(layers[place] or 0) for layers in hidden]) for place in (0, -1)]
    texts = [number(float(f"{size:.2g}")) for size in sizes]
    return texts[0] if len(hidden[0]) == 1 else " to ".join(texts)


def accuracy_figure(measurements: Measurements, *, best_share: float = 1.0) -> go.Figure:
    """Accuracy by initialization, for each depth after the first and the last epoch; close up, after the last alone."""
    data = measurements[NAMED]
    figure = levels_figure(
        data.sweep,
        "Validation accuracy by initialization",
        Axis("initialization"),
        _lines(data, lambda name: name, moments=1 if best_share < 1 else 2),
        best_share=best_share,
    )
    # names have no order: lines between them would say nothing
    return figure.update_traces(mode="markers", selector={"mode": "lines+markers"})


def scales_figure(measurements: Measurements) -> go.Figure:
    """Accuracy by the standard deviation of normal weights, for each depth after the first and the last epoch."""
    data = measurements[SCALES]
    lines = _lines(data, lambda name: float(name.removeprefix("normal ")))
    axis = Axis("standard deviation of the first weights", log=True, choices=STDS)
    return levels_figure(data.sweep, "Accuracy by scale of normal weights", axis, lines)


def _lines(data: SweepData, place: Any, moments: int = 2) -> list[LevelLine]:
    """A line for each depth and for one moment or two; `place` makes the value of x of a start's name."""
    lines = []
    last = max((row.epoch for row in data.epochs), default=1)
    for name, epoch in ((plural(1, "epoch"), 1), (plural(last, "epoch"), None))[-moments:]:
        starts = starts_at(data, epoch)
        for depth in depths_of(starts):
            own_levels = [(place(start.name), level) for start, level in starts.items() if start.depth == depth]
            lines.append(LevelLine(f"{plural(depth, 'layer')}, {name}", own_levels))
    return sorted(lines, key=lambda line: line.name)


def deep_numbers(data: SweepData) -> set[int]:
    """The trials of the deepest networks."""
    starts = {trial.number: start for trial in data.trials if (start := start_of(data, trial)) is not None}
    deepest = max((start.depth for start in starts.values()), default=0)
    return {number for number, start in starts.items() if start.depth == deepest}
