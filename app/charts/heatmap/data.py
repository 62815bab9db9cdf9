"""What the heat map shows, which depends on what else varied in the sweep."""

from collections.abc import Iterable, Sequence

from app.charts.axis import AxisPlan, Place, axis_plan, places
from app.charts.configurations import left_out_note, mean_and_std
from app.charts.heatmap.parts import EPOCHS_AXIS, Cell, HeatmapData, HeatmapOptions, Kind, Sample
from app.charts.heatmap.samples import crossed_trials, samples, trials_with_places
from app.charts.labels import escape, label, params_text, varying
from app.charts.marks import best_head, best_name, excluded_note
from app.charts.rows import Axis, EpochMean, SweepRow, TrialRow
from app.charts.select import thinned
from app.charts.titles import drawn_note, heatmap_title, subtitle
from app.charts.value_scale import ValueScale
from app.domain.formatting import plural, score
from app.domain.tasks import TASKS

POINTS = 2_000  # drawn

_KINDS: dict[Kind, str] = {
    "seeds": "each cell: the mean over seeds",
    "settings": "each cell: the mean over the settings of the others",
    "best": "others vary too: each cell is the best found there",
    "points": "each point: one configuration; others may vary too",
}


def heatmap_data(
    sweep: SweepRow, trials: Sequence[TrialRow], epochs: Sequence[EpochMean], options: HeatmapOptions
) -> HeatmapData:
    """What the chart shows. `epochs` are those of the trials to draw, where the y axis is their epochs."""
    all_samples = samples(trials, epochs, options)
    drawn_trials = [sample.trial for sample in all_samples]
    plans = (
        _plan(sweep, options.x, (item.x for item in all_samples)),
        _plan(sweep, options.y, (item.y for item in all_samples)),
    )
    names = varying(drawn_trials)
    kind = _kind(sweep, plans, names, options)
    drawn_samples = thinned(all_samples, POINTS) if kind == "points" else all_samples
    by_epoch = options.y == EPOCHS_AXIS
    total = sum(trial.epochs > 0 for trial in trials) if by_epoch else len(all_samples)
    drawn_count = len({trial.number for trial in drawn_trials}) if by_epoch else len(drawn_samples)
    return HeatmapData(
        title=heatmap_title(sweep.objective.metric),
        subtitle=subtitle(
            sweep,
            _KINDS[kind].replace("seeds", f"{TASKS[sweep.task].run_noun}s"),
            f"colour: {ValueScale(sweep.objective).note}",
            "" if by_epoch else _left_out_note(trials, options),
            excluded_note(sweep),
            drawn_note(drawn_count, total, "trials" if by_epoch else "configurations"),
            *((_epochs_note(epochs), _schedule_note(drawn_trials)) if by_epoch else ()),
        ),
        kind=kind,
        x=plans[0],
        y=plans[1],
        scale=ValueScale(sweep.objective),
        cells=_cells(sweep, kind, plans, names, drawn_samples),
        best=_best(sweep, plans, options, all_samples),
        best_name=best_name(sweep),
    )


def _left_out_note(trials: Sequence[TrialRow], options: HeatmapOptions) -> str:
    """Which trials have not even a part in a cross."""
    groups = crossed_trials(trials_with_places(trials, options))
    crossed_numbers = {trial.number for group in groups for trial in group}
    return left_out_note([trial for trial in trials if trial.number not in crossed_numbers])


def _plan(sweep: SweepRow, name: str, values: Iterable[object]) -> AxisPlan:
    if name == EPOCHS_AXIS:
        return axis_plan(Axis("epoch"), values)
    return axis_plan(sweep.axes.get(name, Axis(name)), values)


def _kind(sweep: SweepRow, plans: tuple[AxisPlan, AxisPlan], names: Sequence[str], options: HeatmapOptions) -> Kind:
    discrete = [
        plan.scale == "category" or plan.ticks is not None or name == EPOCHS_AXIS or _has_choices(sweep, name)
        for plan, name in zip(plans, (options.x, options.y), strict=True)
    ]
    if not all(discrete):
        return "points"
    if all(name in (options.x, options.y) for name in names):
        return "seeds"
    return "settings" if sweep.is_grid else "best"


def _has_choices(sweep: SweepRow, name: str) -> bool:
    return name in sweep.axes and sweep.axes[name].choices is not None


def _epochs_note(epochs: Sequence[EpochMean]) -> str:
    """How many epochs are drawn, where it is not all of them, and where that is which ended between two."""
    note = drawn_note(len({row.drawn_epoch for row in epochs}), max((row.epoch for row in epochs), default=0), "epochs")
    return f"{note}; what ended between two is at the next" if any(row.gap for row in epochs) else note


def _schedule_note(trials: Sequence[TrialRow]) -> str:
    """Where fewer epochs are not a part of more of them."""
    scheduled = any(trial.params.get("lr_schedule", "constant") != "constant" for trial in trials)
    return "the rate has a schedule, so shorter trainings would differ" if scheduled else ""


# ---- cells


def _cells(
    sweep: SweepRow, kind: Kind, plans: tuple[AxisPlan, AxisPlan], names: Sequence[str], drawn_samples: Sequence[Sample]
) -> list[Cell]:
    located = list(
        zip(
            places(plans[0], (item.x for item in drawn_samples)),
            places(plans[1], (item.y for item in drawn_samples)),
            drawn_samples,
            strict=True,
        )
    )
    if kind == "points":
        other_names = [name for name in names if name != plans[0].name]
        return [_cell(plans, x, y, item.mean, _point_text(sweep, item, other_names), [item]) for x, y, item in located]
    members: dict[tuple[Place, Place], list[Sample]] = {}
    for x, y, item in located:
        members.setdefault((x, y), []).append(item)
    return [_cell(plans, x, y, *_summary(sweep, kind, items), items) for (x, y), items in members.items()]


def _summary(sweep: SweepRow, kind: Kind, items: Sequence[Sample]) -> tuple[float | None, str]:
    """The value of a cell, and what it is."""
    measured = [(item.mean, item) for item in items if item.mean is not None]
    if not measured:
        return None, ""
    if kind == "settings" and len(items) > 1:
        mean, std = mean_and_std([value for value, _ in measured])
        return (
            mean,
            f"<b>{score(mean, metric=sweep.objective.metric)}</b>, mean of {plural(len(measured), 'setting')}"
            + (f", ± {score(std, metric=sweep.objective.metric)} between them" if std is not None else ""),
        )
    if kind == "best":
        without_divergence = [(value, item) for value, item in measured if not item.diverged] or measured
        value, item = min(without_divergence, key=lambda pair: sweep.objective.rank(pair[0], pair[1].trial.number))
        return value, f"{_spread_text(sweep, item)}<br>trial {item.trial.number}, best of {len(items)} here"
    return measured[0][0], _spread_text(sweep, measured[0][1])


def _spread_text(sweep: SweepRow, item: Sample) -> str:
    ended = f", ended after epoch {item.ended}" if item.ended else ""
    return f"<b>{score(item.mean, item.std, sweep.objective.metric)}</b>, {plural(item.runs, 'run')}{ended}"


def _point_text(sweep: SweepRow, item: Sample, names: Sequence[str]) -> str:
    spread_text = "" if item.mean is None else f"{_spread_text(sweep, item)}<br>"
    params = params_text(item.trial.params, names)
    return f"{spread_text}trial {item.trial.number}" + (f"<br>{params}" if params else "")


def _cell(
    plans: tuple[AxisPlan, AxisPlan], x: Place, y: Place, value: float | None, text: str, items: Sequence[Sample]
) -> Cell:
    diverged = sum(item.diverged for item in items)
    runs = diverged + sum(item.runs for item in items)
    at = ", ".join(f"{escape(plan.name)} {_name(place)}" for plan, place in zip(plans, (x, y), strict=True))
    divergence = f"{diverged} of {plural(runs, 'run')} diverged" if diverged else ""
    text = "<br>".join(filter(None, (at, text, divergence)))
    return Cell(x, y, value, diverged, text, items[0].trial.number if len(items) == 1 else None)


def _name(place: Place) -> str:
    return place if isinstance(place, str) else label(place)


def _best(
    sweep: SweepRow, plans: tuple[AxisPlan, AxisPlan], options: HeatmapOptions, all_samples: Sequence[Sample]
) -> Cell | None:
    """The star: the configuration that headers and tables call the best, after its last epoch."""
    best = sweep.best
    if best is None or options.x not in best.params:
        return None
    if options.y == EPOCHS_AXIS:
        last = max((int(str(item.y)) for item in all_samples if item.trial.number == best.number), default=None)
    else:
        last = best.params.get(options.y)  # type: ignore[assignment]
    if last is None:
        return None
    (x,), (y,) = places(plans[0], [best.params[options.x]]), places(plans[1], [last])
    text = f"{best_head(sweep)}<br>{params_text(best.params, [options.x, options.y])}"
    return Cell(x, y, best.value, 0, text, best.number)
