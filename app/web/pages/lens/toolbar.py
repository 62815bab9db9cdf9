"""The toolbar of the lens: its fields, the chips of its conditions, and what is in sight in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from app import queries, schemas
from app.charts import registry
from app.charts.heatmap import EPOCHS_AXIS
from app.charts.lens import OF_RUNS, OF_TRIALS, Lens
from app.charts.titles import value_name, within
from app.domain.formatting import number, plural, score, setting
from app.domain.space import Choice, Space
from app.domain.states import TrialState
from app.domain.tasks import TASKS
from app.lifecycle import sweep_row
from app.queries.lens.trials import TrialsInSight, list_in_sight
from app.web.pages.lens.query import LensQuery

TOPS = (100, 50, 20, 10, 5)  # per cent
STATES = ("complete", "pruned", "failed", "running", "waiting", "cancelled")
MARK_EXCLUDED = ("effect", "history")  # charts that draw excluded trials, hollow


@dataclass(frozen=True)
class MetricChoice:
    """What may count as the value of a run."""

    kind: str
    label: str
    current: bool
    counted: bool = False
    """Whether it goes with a number of epochs."""


@dataclass(frozen=True)
class StateChoice:
    """A state of trials."""

    name: str
    count: int
    current: bool


@dataclass(frozen=True)
class Chip:
    """A condition, as it is shown and as the address has it."""

    text: str
    note: str


@dataclass(frozen=True)
class Toolbar:
    """The lens of a sweep's page."""

    sweep: schemas.SweepOut
    space: Space
    lens: Lens
    in_sight: TrialsInSight | None
    excluded: str = ""
    """`hidden`, or nothing where charts mark them."""

    @property
    def query(self) -> dict[str, str]:
        """What the page's address says of it."""
        return self.lens.query | ({"excluded": self.excluded} if self.excluded else {})

    @property
    def text(self) -> str:
        """The same as text: another one means that the fields are to be shown anew."""
        return urlencode(self.query)

    @property
    def is_timing(self) -> bool:
        """Whether its runs have no epochs to choose from."""
        return TASKS[self.sweep.task].is_timing

    @property
    def objectives(self) -> list[tuple[str, str, bool]]:
        """Of several objectives: the metric of each, what it is called, and whether values are those."""
        present = self.seen_sweep.objective.metric
        metrics = [objective.metric for objective in self.sweep.objectives or ()]
        return [(metric, within(value_name(metric)), metric == present) for metric in metrics]

    @property
    def seen_sweep(self) -> schemas.SweepOut:
        """The sweep with the objective by which it is looked at in the place of its first one, and with its best."""
        if self.lens.objective is None or self.in_sight is None:
            return self.sweep
        objective, best = self.lens.objective, self.in_sight.sweep.best
        figures = {name: getattr(best, name) for name in ("number", "value", "std", "runs")} if best else {}
        of_best = self.sweep.best.model_copy(update=figures) if self.sweep.best and best else None
        stated = schemas.OneObjective.model_validate({"metric": objective.metric, "direction": objective.direction})
        return self.sweep.model_copy(update={"objective": stated, "best": of_best})

    @property
    def metrics(self) -> list[MetricChoice]:
        """What counts as the value of a run."""
        labels = {"last": "last epoch", "best": "best epoch", "mean_last": "mean of last", "at_epoch": "at epoch"}
        kind = self.lens.metric.kind
        return [MetricChoice(name, text, name == kind, "_" in name) for name, text in labels.items()]

    @property
    def epochs(self) -> int:
        """The number that goes with the metric; the last five epochs where none does yet."""
        return self.lens.metric.number or 5

    @property
    def tops(self) -> list[tuple[str, bool]]:
        """Per cent, and whether it is the present one."""
        present = number(self.lens.top)
        texts = dict.fromkeys([*map(str, TOPS), present])
        return [(text, text == present) for text in texts]

    @property
    def states(self) -> list[StateChoice]:
        """The states in which trials are, and those that are chosen."""
        counts = {name: getattr(self.sweep.counts, name) for name in STATES}
        chosen_states = self.lens.states
        return [
            StateChoice(name, count, name in chosen_states)
            for name, count in counts.items()
            if count or name in chosen_states
        ]

    @property
    def chips(self) -> list[Chip]:
        """The conditions."""
        return [Chip(item.text, item.note) for item in self.lens.where]

    @property
    def fields(self) -> Mapping[str, Sequence[str]]:
        """What a condition may be of, with the values that are offered."""
        free = self.space.free()
        choices = {
            name: [setting(value) for value in domain.values] if isinstance(domain, Choice) else []
            for name, domain in free.items()
        }
        return {**choices, "value": []}

    @property
    def sentence(self) -> str:
        """`12 of 60 trials: 40 trials in other states, 8 trials without depth = 1 are left out.`"""
        if self.in_sight is None:
            return ""
        count = f"{len(self.in_sight.trials):,} of {plural(self.in_sight.total, 'trial')} in sight"
        left_out = ", ".join(self.in_sight.left_out)
        return f"{count}; left out: {left_out}." if left_out else f"{count}."

    @property
    def export_query(self) -> str:
        """What a file of the trials in sight is asked for by; nothing where it would be one of all."""
        if TrialState.infeasible in self.lens.states:
            return ""
        query = {name: text for name, text in self.lens.query.items() if name != "robust"}
        return urlencode(query | ({"include_excluded": "false"} if self.excluded else {}))

    @property
    def best(self) -> str:
        """`0.9310 ± 0.0012, trial 5, 3 runs`: the best mean of what is in sight."""
        best = self.in_sight.best if self.in_sight else None
        if best is None:
            return ""
        value = score(best.mean, best.std, self.seen_sweep.objective.metric)
        runs = plural(self.in_sight.best_runs if self.in_sight else 0, "run")
        return f"{value}, trial {best.trial.number}, {runs}"

    def trials(self, session: Session, *, order_by: str, limit: int, skip: int) -> schemas.Page[schemas.TrialOut]:
        """A page of the table of what is in sight."""
        if self.in_sight is not None:
            return list_in_sight(session, self.sweep.id, self.in_sight, order_by=order_by, limit=limit, skip=skip)
        state = TrialState(self.lens.states[0]) if self.lens.states else None
        return queries.list_configurations(
            session, self.sweep.id, state=state, order_by=order_by, limit=limit, skip=skip
        )

    def through(self, address: str, name: str, options: Mapping[str, str] | None = None) -> str:
        """A chart's address with its options and as much of the lens as it takes."""
        query = {**(options or {}), **self.lens.query}
        needs = registry.chart(name).rows_needed(options or {"y": EPOCHS_AXIS})
        if needs not in OF_RUNS or self.is_timing:
            query.pop("metric", None)
        if needs not in OF_TRIALS:
            query.pop("objective", None)
        if name in MARK_EXCLUDED and not self.excluded:
            query["include_excluded"] = "true"
        return f"{address}?{urlencode(query)}" if query else address


def lens_toolbar(session: Session, sweep: schemas.SweepOut, space: Space, query: LensQuery) -> Toolbar:
    """The toolbar of a page with this query string. Raises InvalidError."""
    row = sweep_row.get(session, sweep.id)
    lens = query.lens(row)
    return Toolbar(sweep, space, lens, query.in_sight(session, row, lens), query.excluded)
