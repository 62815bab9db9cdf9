"""The chart of learning curves: whether a network still learns, and whether it overfits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal, NamedTuple

import plotly.graph_objects as go

from app.charts.axis import whole_ticks
from app.charts.empty import empty_figure
from app.charts.labels import naming_parameters, trial_name
from app.charts.looks import ALONG_LINE, Look, look_at, look_of
from app.charts.marks import excluded_note
from app.charts.progress.means import epoch_means
from app.charts.rows import EpochRow, SweepRow, TrialRow
from app.charts.select import CURVES, EPOCHS, Scored, finished, ranked, thinned
from app.charts.theme import Trace, faded, new_figure, scatter
from app.charts.titles import curves_title, drawn_note, measure_title, subtitle
from app.domain.formatting import plural

Measure = Literal["accuracy", "loss", "r2", "mae"]
LEAST_R2 = -1.0  # where the axis ends: what a network gives before it has learned may be thousands of times worse
LOSS_ROOM = 4  # the axis of a loss ends at so many times the highest one of the better half of the lines


@dataclass(frozen=True)
class CurvesOptions:
    """What is drawn over the epochs."""

    measure: Measure = "accuracy"
    trials: Mapping[int, int] = field(default_factory=dict)
    """The numbers of those to draw, with the places of their looks; empty for the best and the worst. A single one is
    drawn seed by seed."""


class Line(NamedTuple):
    """A figure over the epochs, averaged over the runs, as far as none has diverged."""

    epochs: list[int]
    means: list[float]
    stds: list[float]  # sample standard deviations, 0 for a single seed


class Curve(NamedTuple):
    """One trial's two lines."""

    trial: int
    name: str
    order: float | None  # the value of the one parameter that tells the trials apart, if that is a number
    look: Look
    train: Line
    val: Line
    ends: Sequence[int]  # the last epochs of its runs

    @property
    def diverged(self) -> bool:
        """Whether its lines end where a run did."""
        return self.val.epochs[-1:] != [max(self.ends)]

    def stopped(self, epoch: int) -> int:
        """How many of its runs had stopped before this epoch, with which they count later on too."""
        return sum(end < epoch for end in self.ends)


class CurvesData(NamedTuple):
    """What the chart shows."""

    title: str
    subtitle: str
    measure: Measure
    axis: str  # what its axis says
    by: str  # the parameters that the curves' names are values of
    curves: list[Curve]  # by `order`, or else best first


def curves_data(
    sweep: SweepRow, trials: Sequence[TrialRow], epochs: Sequence[EpochRow], options: CurvesOptions | None = None
) -> CurvesData:
    """What the chart shows: of more than 12 trials the 6 best and the 6 worst, each until a run of it diverged.

    `epochs` may be those of the trials to draw alone, and of long curves not every epoch; the subtitle says so.
    """
    options = options or CurvesOptions()
    measure = options.measure
    by_trial: dict[int, list[EpochRow]] = {}
    for row in epochs:
        by_trial.setdefault(row.trial, []).append(row)
    ordered = _by_value(sweep, [trial for trial in trials if trial.number in by_trial], by_trial)
    drawn_trials = ordered if len(ordered) <= CURVES else ordered[: CURVES // 2] + ordered[-CURVES // 2 :]
    names = naming_parameters(drawn_trials)
    curves = [_curve(sweep, trial, names, by_trial[trial.number], options) for trial in drawn_trials]
    if len(options.trials) == 1:
        curves = [curve for trial in drawn_trials for curve in _seeds(trial, by_trial[trial.number], measure)]
    if all(curve.order is not None for curve in curves):
        curves.sort(key=lambda curve: curve.order or 0.0)
    with_curves = (
        len(drawn_trials)
        if options.trials
        else max(sweep.trials_with_curves, len(ordered), sum(trial.epochs > 0 for trial in trials))
    )
    left_out = f"the {CURVES // 2} best and {CURVES // 2} worst of {with_curves} trials"
    return CurvesData(
        title=curves_title(measure),
        subtitle=subtitle(
            sweep,
            f"solid: validation{'' if len(options.trials) == 1 else ' (band: ± std)'}, dashed: training",
            left_out if len(drawn_trials) < with_curves else "",
            excluded_note(sweep),
            _epochs_left_out([by_trial[trial.number] for trial in drawn_trials]),
            *_ends_notes(curves, is_by_seed=len(options.trials) == 1),
        ),
        measure=measure,
        axis=measure_title(measure, sweep.unit),
        by="seed" if len(options.trials) == 1 else " · ".join(names) if drawn_trials else "",
        curves=[curve for curve in curves if curve.train.epochs or curve.val.epochs],
    )


def curves_figure(data: CurvesData) -> go.Figure:
    """Validation solid in a band of one standard deviation, training dashed, each trial in its own look."""
    if not data.curves:
        return empty_figure("No finished epoch yet", data.title, data.subtitle)
    figure = new_figure(data.title, data.subtitle)
    for curve in data.curves:
        if any(curve.val.stds):
            figure.add_trace(_band(curve, data.measure))
        figure.add_trace(_line(curve, "train"))
        figure.add_trace(_line(curve, "validation"))
    figure.update_xaxes(
        title_text="epoch", **whole_ticks([epoch for curve in data.curves for epoch in curve.val.epochs])
    )
    figure.update_yaxes(title_text=data.axis)
    lines = [line.means for curve in data.curves for line in (curve.val, curve.train)]
    limit_axis(figure, data.measure, lines, judged=[curve.val.means for curve in data.curves])
    figure.update_layout(legend_title_text=data.by, meta={"curves": True, "seeds": data.by == "seed"})
    return figure


def limit_axis(
    figure: go.Figure,
    measure: str,
    lines: Sequence[Sequence[float]],
    judged: Sequence[Sequence[float]] = (),  # those that the end of a loss is measured by; all where it is empty
) -> None:
    """Ends the axis of R² or of a loss where some lines would leave no room for what has learned something."""
    lines = [line for line in lines if line]
    if measure.endswith("r2") and min(map(min, lines)) < LEAST_R2:
        figure.update_yaxes(range=(LEAST_R2, 1.02))
    if measure.endswith(("loss", "mae")):
        judged = [line for line in judged if line] or lines
        better_half = sorted(judged, key=lambda line: line[-1])[: (len(judged) + 1) // 2]
        end = LOSS_ROOM * max(map(max, better_half))
        if 0 < end < max(map(max, lines)):
            title = f"{figure.layout.yaxis.title.text}, cut off at {end:.3g}"
            figure.update_yaxes(range=(0, end), title_text=title)


def _epochs_left_out(curves: Sequence[Sequence[EpochRow]]) -> str:
    """How many epochs of the longest curve are drawn, where it is not all of them."""
    longest = max(curves, key=lambda rows: max(row.epoch for row in rows), default=())
    last = max(longest, key=lambda row: row.epoch, default=None)
    epochs = [row.epoch for row in longest if last is not None and row.seed == last.seed]
    return drawn_note(min(len(epochs), EPOCHS), max(epochs, default=0), "epochs")


def _ends_notes(curves: Sequence[Curve], *, is_by_seed: bool) -> list[str]:
    """What counts where a run ended before the others of its trial."""
    diverged = sum(curve.diverged for curve in curves)
    has_stopped = any(curve.stopped(epoch) for curve in curves for epoch in curve.val.epochs[-1:])
    until = (
        f"of {plural(len(curves), 'run')} drawn until it"
        if is_by_seed
        else f"of {plural(len(curves), 'trial')} drawn until a run"
    )
    return [
        "a run that stopped early counts with its last epoch" if has_stopped else "",
        f"{diverged} {until} diverged" if diverged else "",
    ]


def _by_value(sweep: SweepRow, trials: Sequence[TrialRow], epochs: Mapping[int, Sequence[EpochRow]]) -> list[TrialRow]:
    """The best configuration first, then by value: of a trial without one, its metric in its latest epoch."""
    values = {item.trial.number: item.value for item in finished(trials)}
    scored = [
        Scored(trial, values[trial.number] if trial.number in values else _latest(sweep, epochs[trial.number]))
        for trial in trials
    ]
    by_rank = [item.trial for item in ranked(sweep, scored)]
    return sorted(by_rank, key=lambda trial: sweep.best is None or trial.number != sweep.best.number)


def _latest(sweep: SweepRow, rows: Sequence[EpochRow]) -> float:
    """The sweep's metric in the last epoch that has it, the worst there can be where none has."""
    metric, worst = sweep.objective.metric, -math.inf if sweep.objective.maximize else math.inf
    latest = max(
        ((row.epoch, value) for row in rows if (value := getattr(row, metric, None)) is not None), default=None
    )
    return worst if latest is None else float(latest[1])


def _curve(
    sweep: SweepRow, trial: TrialRow, names: Sequence[str], rows: Sequence[EpochRow], options: CurvesOptions
) -> Curve:
    name, measure = trial_name(sweep, trial, names), options.measure
    place = options.trials.get(trial.number)
    return Curve(
        trial=trial.number,
        name=name.text,
        order=name.order,
        look=look_of(sweep, trial.number, trial.params) if place is None else look_at(place),
        train=_mean_line(rows, f"train_{measure}"),
        val=_mean_line(rows, f"val_{measure}"),
        ends=_ends(rows),
    )


def _seeds(trial: TrialRow, rows: Sequence[EpochRow], measure: Measure) -> list[Curve]:
    """The curves of a trial, one for each seed."""
    by_seed: dict[int, list[EpochRow]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(row)
    return [
        Curve(
            trial.number,
            f"seed {seed}",
            float(seed),
            look_at(seed),
            train=_mean_line(run, f"train_{measure}"),
            val=_mean_line(run, f"val_{measure}"),
            ends=_ends(run),
        )
        for seed, run in sorted(by_seed.items())
    ]


def _ends(rows: Sequence[EpochRow]) -> list[int]:
    ends: dict[int, int] = {}
    for row in rows:
        ends[row.seed] = max(row.epoch, ends.get(row.seed, 0))
    return [*ends.values()]


def _mean_line(rows: Sequence[EpochRow], metric: str) -> Line:
    """Up to where a run diverged: the mean of the others is not that of the trial."""
    sound = takewhile(lambda row: not row.diverged and math.isfinite(row.mean or 0.0), epoch_means(rows, metric))
    points = thinned([(row.epoch, row.mean or 0.0, row.std or 0.0) for row in sound], EPOCHS)
    return Line(
        [epoch for epoch, *_ in points],
        [round(mean, 5) for _, mean, _ in points],
        [round(std, 5) for *_, std in points],
    )


def _line(curve: Curve, part: Literal["train", "validation"]) -> Trace:
    line = curve.train if part == "train" else curve.val
    color, symbol = curve.look
    single = len(line.epochs) == 1
    runs = f", mean of {plural(len(curve.ends), 'run')}" if len(curve.ends) > 1 else ""
    stopped = [f", {count} stopped before" if (count := curve.stopped(epoch)) else "" for epoch in line.epochs]
    return scatter(
        x=line.epochs,
        y=line.means,
        name=curve.name,
        legendgroup=str(curve.trial),
        showlegend=part == "validation",
        mode="markers" if single else "lines" if part == "train" else "lines+markers",
        line={"color": color, "width": 2 if part == "validation" else 1.2, "dash": "dash" if part == "train" else None},
        marker={"color": color, "symbol": f"{symbol}-open" if part == "train" else symbol, **ALONG_LINE},
        customdata=[curve.trial] * len(line.epochs),
        text=stopped if any(stopped) else None,
        hovertemplate=f"trial {curve.trial}, {part}{runs}{'%{text}' if any(stopped) else ''}<br>"
        f"epoch %{{x}}: <b>%{{y:.4f}}</b><br>{curve.name}<extra></extra>",
    )


def _band(curve: Curve, measure: Measure) -> Trace:
    """One standard deviation to either side, cut where no value can be."""
    epochs, means, stds = curve.val
    highest = 1.0 if measure in ("accuracy", "r2") else math.inf
    lowest = -math.inf if measure == "r2" else 0.0
    upper = [round(min(mean + std, highest), 5) for mean, std in zip(means, stds, strict=True)]
    lower = [round(max(mean - std, lowest), 5) for mean, std in zip(means, stds, strict=True)]
    return scatter(
        x=epochs + epochs[::-1],
        y=upper + lower[::-1],
        legendgroup=str(curve.trial),
        showlegend=False,
        fill="toself",
        fillcolor=faded(curve.look.color, 0.15),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )
