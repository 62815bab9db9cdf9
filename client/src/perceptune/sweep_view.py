"""How a sweep stood when the server was last asked, and what both of its kinds make of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from perceptune import calls
from perceptune._models import Best, Counts, SweepOut
from perceptune.flows import Flow, send
from perceptune.model_file import Model
from perceptune.waiting import ENDED_STATES


class SweepView:
    """How a sweep stood when the server was last asked."""

    def __init__(self, data: SweepOut) -> None:
        self.data = data
        """All that the server says of it."""

    @property
    def id(self) -> int:
        """Its number."""
        return self.data.id

    @property
    def name(self) -> str:
        """What it is called."""
        return self.data.name

    @property
    def state(self) -> str:
        """`queued`, `running`, `paused`, `stopping`, `completed`, `cancelled` or `failed`."""
        return self.data.state

    @property
    def ended(self) -> bool:
        """Whether nothing of it waits or runs any more."""
        return self.data.state in ENDED_STATES

    @property
    def progress(self) -> float:
        """The share of its work that is done, from 0 to 1."""
        return self.data.progress

    @property
    def counts(self) -> Counts:
        """Trials by state."""
        return self.data.counts

    @property
    def best(self) -> Best:
        """The best configuration so far: `best.params`, `best.value`. Raises LookupError before there is one."""
        if self.data.best is None:
            raise LookupError(f"Sweep {self.id} is {self.state} and has no complete trial yet: wait() for it.")
        return self.data.best

    def __repr__(self) -> str:
        best = "" if self.data.best is None else f", best {self.data.best.value:.4g}"
        return f"<Sweep {self.id} {self.name!r}: {self.state}, {self.progress:.0%}{best}>"

    def _best_model(self, trial: int | None, run: int | None) -> Flow[Model]:
        """The model of this trial, or of the best."""
        number = self.best.number if trial is None else trial
        return Model((yield from send(calls.get_model(self.id, number, run))))

    def _extension(self, n_trials: int | None, space: Mapping[str, object] | None) -> dict[str, object]:
        """The fields to change for more trials, in a wider space."""
        fields = {"n_trials": n_trials, "space": space}
        return {name: value for name, value in fields.items() if value is not None}


def figure(chart: dict[str, Any]) -> Any:
    """The chart as plotly's figure, where plotly is installed."""
    if find_spec("plotly") is None:
        return chart
    from plotly.graph_objects import Figure

    return Figure(chart)
