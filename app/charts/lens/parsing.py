"""The lens as a query string has it, each part checked, with what would be right."""

from collections.abc import Mapping

from app.charts.lens.condition import Condition, is_numeric, parse_condition
from app.charts.lens.lens import Lens
from app.charts.lens.metric import parse_metric
from app.charts.options import refuse
from app.charts.rows import SweepRow
from app.domain.objectives import Objective
from app.domain.states import TrialState

OPTIONS = ("objective", "metric", "state", "top", "where", "robust")
MAX_WHERE, MAX_CONDITIONS = 4_000, 40  # characters of all conditions together, and how many: each looks at every trial
OF_TRIALS = ("trials", "runs", "pooled")  # the rows of charts that show one value of each trial: that of one objective
OF_RUNS = ("trials", "runs", "pooled", "metrics")  # the rows of charts that show one value of each run


def parse_lens(sweep: SweepRow, query: Mapping[str, str]) -> Lens:
    """The lens of a query string. Raises InvalidError, which says what would be right."""
    return Lens(
        parse_metric(query.get("metric") or "last"),
        _objective(sweep, query.get("objective", "")),
        _states(query.get("state", "")),
        _top(query.get("top") or "100"),
        _where(sweep, query.get("where", "")),
        _robust(query.get("robust") or "false"),
    )


def divide(query: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The lens's part of a query string, and the chart's."""
    lens = {name: value for name, value in query.items() if name in OPTIONS}
    return lens, {name: value for name, value in query.items() if name not in OPTIONS}


def refuse_metric(lens: Lens, needs: str) -> None:
    """Raises InvalidError where a chart shows other values than one of each run."""
    if lens.metric.kind != "last" and needs not in OF_RUNS:
        refuse("metric", "it chooses among the epochs of a run, of which this chart shows all or none: leave it out")


def refuse_objective(lens: Lens, needs: str) -> None:
    """Raises InvalidError where a chart shows other values than those of one objective."""
    if lens.objective is not None and needs not in OF_TRIALS:
        refuse("objective", "this chart shows curves, or metrics that it names itself: leave it out")


def _objective(sweep: SweepRow, text: str) -> Objective | None:
    """None for the first one, by which trials have their values anyway."""
    objectives = {objective.metric: objective for objective in sweep.objectives or [sweep.objective]}
    if text and text not in objectives:
        refuse("objective", f"must be {' or '.join(objectives)}, not {text!r}")
    return None if text in ("", sweep.objective.metric) else objectives[text]


def _states(text: str) -> tuple[str, ...]:
    states = tuple(dict.fromkeys(filter(None, text.split(","))))
    for state in states:
        if state not in (*TrialState,):
            refuse("state", f"{state!r} is no state of a trial; there are {', '.join(TrialState)}")
    return states


def _top(text: str) -> float:
    if not is_numeric(text) or not 0 < float(text) <= 100:
        refuse("top", f"must be per cent, above 0 and at most 100, not {text!r}")
    return float(text)


def _where(sweep: SweepRow, text: str) -> tuple[Condition, ...]:
    texts = list(filter(None, text.split(",")))
    if len(text) > MAX_WHERE or len(texts) > MAX_CONDITIONS:
        refuse("where", f"may have at most {MAX_CONDITIONS} conditions and {MAX_WHERE:,} characters")
    return tuple(parse_condition(sweep, condition) for condition in texts)


def _robust(text: str) -> bool:
    if text not in ("true", "false"):
        refuse("robust", f"must be true or false, not {text!r}")
    return text == "true"
