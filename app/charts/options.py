"""The options of charts, as query strings have them: each is checked, with what would be right."""

from collections.abc import Iterable, Mapping
from typing import NoReturn

from app.charts.diagnostics import TEXTS, DiagnosticsOptions
from app.charts.diagnostics import Measure as DiagnosticsMeasure
from app.charts.effect import EffectOptions
from app.charts.heatmap import EPOCHS_AXIS, HeatmapOptions
from app.charts.importance import ImportanceOptions
from app.charts.landscape.plane import PlaneOptions
from app.charts.looks import places_in
from app.charts.overview.edf import EdfOptions
from app.charts.overview.scatter import TOTALS, ScatterOptions
from app.charts.pareto import ParetoOptions
from app.charts.progress.all_curves import AllCurvesOptions
from app.charts.progress.curves import CurvesOptions, Measure
from app.charts.progress.groups import STATE
from app.charts.progress.regret import SPENT, RegretOptions
from app.charts.progress.timeline import WORKERS, TimelineOptions
from app.charts.rows import SweepRow
from app.charts.select import CURVES
from app.domain.datasets import Target
from app.domain.tasks import TASKS
from app.errors import FieldError, InvalidError

Query = Mapping[str, str]

MAX_EPOCH_DIGITS = 9


def refuse(option: str, msg: str) -> NoReturn:
    """Raises InvalidError for an option of the query string."""
    raise InvalidError(f"The option {option} can't be used: {msg}.", [FieldError(("query", option), msg)])


def joined(names: Iterable[str]) -> str:
    """`effect, curves`."""
    return ", ".join(names)


def effect_options(sweep: SweepRow, query: Query) -> EffectOptions:
    """The axes of the effect chart; without x an empty one."""
    x = _axis_name(sweep, "x", query["x"]) if query.get("x") else ""  # the trials tell what is worth drawing
    color = _axis_name(sweep, "color", query["color"]) if query.get("color") else None
    return EffectOptions(x, color, _is_true(query, "close"), _is_true(query, "dependence"))


def edf_options(sweep: SweepRow, query: Query) -> EdfOptions:
    """What tells the lines apart, if anything."""
    return EdfOptions(_axis_name(sweep, "color", query["color"]) if query.get("color") else None)


def heatmap_options(sweep: SweepRow, query: Query) -> HeatmapOptions:
    """The axes of the heat map; without x an empty one, without y the epochs of the learning curves."""
    x = _axis_name(sweep, "x", query["x"]) if query.get("x") else ""
    y = query.get("y") or EPOCHS_AXIS
    if y != EPOCHS_AXIS:
        _axis_name(sweep, "y", y)
    if x == y:
        refuse("y", f"must be another one than x, not {y!r}")
    return HeatmapOptions(x, y)


def importance_options(_: SweepRow, query: Query) -> ImportanceOptions:
    """Whether only the better half of the values is told apart."""
    return ImportanceOptions(_is_true(query, "close"))


def regret_options(_: SweepRow, query: Query) -> RegretOptions:
    """What is on the x axis of the best so far."""
    x = query.get("x", "seconds")
    if x not in SPENT:
        refuse("x", f"must be {joined(SPENT[:-1])} or {SPENT[-1]}, not {x!r}")
    return RegretOptions(x)


def curves_measures(target: Target) -> tuple[Measure, ...]:
    """What curves can show of a sweep, the usual first."""
    return ("accuracy", "loss") if target == "class" else ("r2", "loss", "mae")


def curves_options(sweep: SweepRow, query: Query) -> CurvesOptions:
    """What is drawn over the epochs."""
    measures = curves_measures(sweep.target)
    text = query.get("measure", measures[0])
    measure = next((name for name in measures if name == text), None)
    if measure is None:
        refuse("measure", f"must be {joined(measures[:-1])} or {measures[-1]}, not {text!r}")
    return CurvesOptions(measure, _trials(query.get("trials", "")))


def all_curves_options(sweep: SweepRow, query: Query) -> AllCurvesOptions:
    """What tells the groups of curves apart."""
    group = query.get("group") or STATE
    return AllCurvesOptions(group if group == STATE else _axis_name(sweep, "group", group))


def _trials(text: str) -> dict[int, int]:
    numbers = [number for number in text.split(",") if number]
    if len(numbers) > CURVES or not all(number.isdecimal() and len(number) < 10 for number in numbers):
        refuse("trials", f"must be at most {CURVES} numbers of trials with commas between them, not {text!r}")
    return places_in(text)


def timeline_options(_: SweepRow, query: Query) -> TimelineOptions:
    """What lies below each other."""
    by = query.get("by") or WORKERS
    if by not in (WORKERS, "trial"):
        refuse("by", f"must be {WORKERS} or trial, not {by!r}")
    return TimelineOptions(by)


def scatter_metrics(target: Target) -> tuple[str, ...]:
    """What can be drawn against each other of a sweep that trains."""
    return (*TASKS["train_mlp"].metrics_of(target), *TOTALS)


def scatter_options(sweep: SweepRow, query: Query) -> ScatterOptions:
    """A metric, or a hyperparameter, against which another metric is drawn: the objective, where none is asked for."""
    names = scatter_metrics(sweep.target)
    x, y = query.get("x") or "seconds", query.get("y") or sweep.objective.metric
    if x not in (*names, *sweep.axes):
        there_are = f"there are {joined(names)} and {joined(sweep.axes)}"
        refuse("x", f"{x!r} is neither a metric nor a hyperparameter of this sweep; {there_are}")
    if TASKS[sweep.task].is_timing:
        return ScatterOptions(x, y)
    if y not in names:
        refuse("y", f"{y!r} is no metric of this sweep; there are {joined(names)}")
    return ScatterOptions(x, y, _axis_name(sweep, "color", query["color"]) if query.get("color") else None)


def diagnostics_measures(target: Target) -> tuple[DiagnosticsMeasure, ...]:
    """What can be told of the networks of a sweep: those that give numbers predict no classes."""
    return tuple(name for name in TEXTS if target == "class" or name != "classes")


def diagnostics_options(sweep: SweepRow, query: Query) -> DiagnosticsOptions:
    """What is drawn of the networks, and after which epoch."""
    measures = diagnostics_measures(sweep.target)
    text, epoch = query.get("measure", "dead"), query.get("epoch") or None
    measure = next((name for name in measures if name == text), None)
    if measure is None:
        refuse("measure", f"must be one of {joined(measures)}, not {text!r}")
    if epoch is not None and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= MAX_EPOCH_DIGITS):
        refuse("epoch", f"must be a whole number, 0 being before the first step, not {epoch!r}")
    return DiagnosticsOptions(measure, None if epoch is None else int(epoch))


def pareto_options(sweep: SweepRow, query: Query) -> ParetoOptions:
    """The objectives on the axes."""
    names = [objective.metric for objective in sweep.objectives] or [sweep.objective.metric] * 2
    axes = {"x": query.get("x") or names[1], "y": query.get("y") or names[0]}
    for option, name in axes.items():
        if name not in names:
            refuse(option, f"{name!r} is no objective of this sweep; there are {joined(names)}")
    return ParetoOptions(**axes)


def plane_options(sweep: SweepRow, query: Query) -> PlaneOptions:
    """Two hyperparameters; without them the chart picks those that vary."""
    names = {option: _axis_name(sweep, option, query[option]) if query.get(option) else "" for option in ("x", "y")}
    if names["x"] and names["x"] == names["y"]:
        refuse("y", f"must be another one than x, not {names['y']!r}")
    return PlaneOptions(**names)


def _is_true(query: Query, option: str) -> bool:
    text = query.get(option, "false")
    if text not in ("true", "false"):
        refuse(option, f"must be true or false, not {text!r}")
    return text == "true"


def _axis_name(sweep: SweepRow, option: str, name: str) -> str:
    if name not in sweep.axes:
        refuse(option, f"{name!r} is not a hyperparameter of this sweep; there are {joined(sweep.axes)}")
    return name
