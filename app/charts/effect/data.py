"""What the chart of one hyperparameter's effect shows, which depends on what else varied in the sweep."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.charts.axis import AxisPlan, Place, axis_plan
from app.charts.configurations import ONLY_RUN, Configuration, configurations, left_out_note, mean_and_std, spread
from app.charts.effect.dependence import dependence_of
from app.charts.effect.envelope import envelope
from app.charts.effect.grid import grid_groups
from app.charts.effect.parts import Drawing, EffectData, EffectOptions, Group, Kind, Level, Point
from app.charts.labels import label, varying
from app.charts.marks import best_head, best_name, excluded_note, hollow_note
from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.charts.select import Scored, excluded, finished, pruned, quota, thinned
from app.charts.titles import drawn_note, effect_title, subtitle, value_hover, value_title
from app.domain.formatting import plural
from app.domain.hyperparameters import is_number
from app.domain.tasks import TASKS

POINTS = 2_000  # drawn
LEVELS = 24  # with more distinct numbers on the axis, neighbours are noise and get no line
GROUPS = 8  # with more distinct colour numbers, a colour scale stands in for a legend


class Run(NamedTuple):
    """One run of a trial."""

    trial: TrialRow
    run: RunRow


def effect_data(sweep: SweepRow, trials: Sequence[TrialRow], options: EffectOptions) -> EffectData:
    """What the chart shows. Trials without a value (unfinished, a run diverged) and trials without `x` are left out."""
    ended = (finished(trials), pruned(trials), excluded(trials))
    scored, pruned_trials, excluded_trials = (
        [item for item in items if options.x in item.trial.params] for items in ended
    )
    valued_trials = [trial for trial, _ in (*scored, *pruned_trials, *excluded_trials)]
    axis = axis_plan(sweep.axes.get(options.x, Axis(options.x)), [trial.params[options.x] for trial in valued_trials])
    drawing = Drawing(sweep, options, axis, varying(valued_trials) or [options.x])
    kind = _kind(drawing)
    hues = _hue_plan(sweep, options.color, valued_trials)
    items = configurations(scored)
    expected, dependence_note = dependence_of(drawing, kind, items)
    groups, notes = _groups(drawing, kind, _by_hue(sweep, None if hues else options.color, items))
    with_envelope = kind == "sampled" and bool(items) and expected is None
    places_and_means = [(drawing.place(item.trial), item.mean) for item in items]
    return EffectData(
        title=effect_title(sweep.objective.metric, options.x),
        subtitle=subtitle(
            sweep,
            _KINDS[kind] + ("; line: best found nearby" if with_envelope else ""),
            hollow_note(len(pruned_trials), len(excluded_trials)),
            left_out_note(trials),
            excluded_note(sweep),
            _without_note(options.x, sum(map(len, ended)) - len(valued_trials)),
            *notes,
            dependence_note,
            "close-up: the y axis shows the better half" if options.close else "",
        ),
        metric=value_title(sweep.objective.metric, sweep.unit),
        objective=sweep.objective.metric,
        hover=value_hover(sweep.objective.metric),
        runs_noun=f"{TASKS[sweep.task].run_noun}s",
        kind=kind,
        color=options.color,
        axis=axis,
        hues=hues,
        groups=groups,
        envelope=envelope(sweep, axis, places_and_means, LEVELS) if with_envelope else [],
        expected=expected,
        pruned=_hollow_points(drawing, pruned_trials, "pruned"),
        excluded=_hollow_points(drawing, excluded_trials, "excluded"),
        best=_best(drawing),
        best_name=best_name(sweep),
        y_range=_better_half(sweep, items) if options.close and items else None,
    )


def _kind(drawing: Drawing) -> Kind:
    if all(name == drawing.options.x for name in drawing.names):
        return "alone"
    return "grid" if drawing.sweep.is_grid else "sampled"


# ---- texts


_KINDS: dict[Kind, str] = {
    "alone": "",
    "grid": "thin: each setting of the others; bold: their mean",
    "sampled": "others vary too, so no means",
}


def _without_note(x: str, count: int) -> str:
    return f"{plural(count, 'trial')} without {x} not shown" if count else ""


# ---- groups of one colour


def _hue_plan(sweep: SweepRow, color: str | None, trials: Sequence[TrialRow]) -> AxisPlan | None:
    """A scale of colours for a parameter with many different numbers."""
    hues = [trial.params.get(color) for trial in trials] if color is not None else []
    if color is None or not all(map(is_number, hues)) or len(set(map(label, hues))) <= GROUPS:
        return None
    return axis_plan(Axis(color, sweep.axes.get(color, Axis(color)).log), hues)


def _by_hue(sweep: SweepRow, color: str | None, items: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    """By the colours' names in their order: numbers by size, names as in the space.

    Without a colour parameter, one unnamed group.
    """
    if color is None:
        return {"": list(items)}
    hues = [item.trial.params.get(color) for item in items]
    names = list(map(label, hues))
    members: dict[str, list[Configuration]] = {
        name: [] for name in _ordered_hues(sweep, color, dict(zip(names, hues, strict=True)))
    }
    for name, item in zip(names, items, strict=True):
        members[name].append(item)
    return members


def _ordered_hues(sweep: SweepRow, color: str, hues: Mapping[str, object]) -> list[str]:
    """The names of the hues: numbers by size, others as in the space."""
    if all(map(is_number, hues.values())):
        return sorted(hues, key=lambda name: float(str(hues[name])))
    choices = map(label, sweep.axes.get(color, Axis(color)).choices or ())
    return [name for name in dict.fromkeys([*choices, *hues]) if name in hues]


def _groups(
    drawing: Drawing, kind: Kind, members: Mapping[str, Sequence[Configuration]]
) -> tuple[list[Group], list[str]]:
    """What has one colour, and notes of what is not drawn. What is drawn is thinned, what is averaged is not."""
    if kind == "grid":
        return grid_groups(drawing, members)
    items = {hue: _runs(group) if kind == "alone" else list(group) for hue, group in members.items()}
    total = sum(map(len, items.values()))
    drawn_items = {hue: thinned(group, quota(len(group), total, POINTS)) for hue, group in items.items()}
    note = drawn_note(sum(map(len, drawn_items.values())), total, "runs" if kind == "alone" else "configurations")
    groups = [
        Group(
            hue,
            [_point(drawing, item) for item in drawn_items[hue]],
            levels=_levels(drawing, group) if kind == "alone" else (),
        )
        for hue, group in members.items()
    ]
    return groups, [note]


def _runs(items: Sequence[Configuration]) -> list[Configuration | Run]:
    return [Run(item.trial, run) for item in items for run in item.runs]


def _point(drawing: Drawing, item: Configuration | Run) -> Point:
    if isinstance(item, Configuration):
        return drawing.configuration_point(item)
    noun = TASKS[drawing.sweep.task].run_noun
    seed = "" if item.run.seed == ONLY_RUN else f", {noun} {item.run.seed}"
    return drawing.point(item.trial, float(item.run.value or 0.0), f"trial {item.trial.number}{seed}")


def _levels(drawing: Drawing, items: Sequence[Configuration]) -> list[Level]:
    """Where x alone varies, what has one x is one configuration: the mean of its runs and their spread."""
    values: dict[Place, list[float]] = {}
    for item in items:
        values.setdefault(drawing.place(item.trial), []).extend(item.values)
    if len(values) > LEVELS:
        return []
    return [_level(drawing.sweep, x, values[x]) for x in drawing.axis.places if x in values]


def _level(sweep: SweepRow, x: Place, values: Sequence[float]) -> Level:
    mean, std = mean_and_std(values)
    return Level(x, mean, None if std is None else spread(sweep.objective.metric, mean, std), len(values))


# ---- single trials


def _hollow_points(drawing: Drawing, scored: Sequence[Scored], state: str) -> list[Point]:
    return [drawing.point(trial, value, f"trial {trial.number}, {state}") for trial, value in thinned(scored, POINTS)]


def _best(drawing: Drawing) -> Point | None:
    """The star: the configuration that headers and tables call the best."""
    best = drawing.sweep.best
    if best is None or drawing.options.x not in best.params:
        return None
    trial = TrialRow(best.number, "complete", best.params, best.value, best.std)
    return drawing.point(trial, best.value, best_head(drawing.sweep))


def _better_half(sweep: SweepRow, items: Sequence[Configuration]) -> tuple[float, float]:
    """From a little under the median configuration to a little beyond the best, with room for the spread over seeds."""
    by_rank = sorted(items, key=lambda item: sweep.objective.rank(item.mean, item.trial.number))
    best, middle = by_rank[0].mean, by_rank[len(by_rank) // 2].mean
    room = max(0.15 * abs(best - middle), 2 * (by_rank[0].std or 0.0), 1e-3)
    return min(best, middle) - room, max(best, middle) + room
