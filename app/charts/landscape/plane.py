"""The plane of two hyperparameters: which two, where trials lie on it, and their points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.charts.axis import AxisPlan, Place, axis_plan, places
from app.charts.configurations import Configuration, configurations
from app.charts.labels import params_text, varying
from app.charts.rows import Axis, SweepRow, TrialRow
from app.charts.select import Scored
from app.domain.formatting import score

POINTS = 1_000  # drawn


@dataclass(frozen=True)
class PlaneOptions:
    """The hyperparameters on the axes; empty for those that vary."""

    x: str = ""
    y: str = ""


class Spot(NamedTuple):
    """One configuration on the plane."""

    x: Place
    y: Place
    value: float
    text: str
    trial: int  # the number of its first


def plane_names(scored: Sequence[Scored], options: PlaneOptions, *, with_y: bool) -> tuple[str, str]:
    """The hyperparameters on the axes; `with_y`: where no y is asked for, another one that varies."""
    names = varying([trial for trial, _ in scored])
    x = options.x or next((name for name in names if name != options.y), "")
    return x, options.y or (next((name for name in names if name != x), "") if with_y else "")


def plan_of(sweep: SweepRow, name: str, trials: Sequence[TrialRow]) -> AxisPlan:
    """The axis of a hyperparameter with the values of these trials."""
    return axis_plan(sweep.axes.get(name, Axis(name)), [trial.params[name] for trial in trials])


def items_with(scored: Sequence[Scored], *names: str) -> list[Configuration]:
    """The configurations that have these hyperparameters."""
    return [item for item in configurations(scored) if all(name in item.trial.params for name in names if name)]


def spot_text(sweep: SweepRow, item: Configuration) -> str:
    """What a point says when it is pointed at."""
    value = score(item.mean, item.std, sweep.objective.metric)
    return f"<b>{value}</b>, trial {item.trial.number}<br>{params_text(item.trial.params, sweep.axes)}"


def spots(sweep: SweepRow, plans: tuple[AxisPlan, AxisPlan], items: Sequence[Configuration]) -> list[Spot]:
    """Where the configurations lie."""
    x, y = (places(plan, (item.trial.params[plan.name] for item in items)) for plan in plans)
    return [
        Spot(at_x, at_y, item.mean, spot_text(sweep, item), item.trial.number)
        for at_x, at_y, item in zip(x, y, items, strict=True)
    ]
