"""One kind of chart: the rows that it needs, its options, and how it is drawn of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

from app.charts.axis import with_room
from app.charts.heatmap import EPOCHS_AXIS
from app.charts.lens import OPTIONS as LENS
from app.charts.lens.robust import with_robust_axis
from app.charts.looks import LOOKS
from app.charts.options import Query, joined, refuse
from app.charts.rows import AttemptRow, DiagnosticsRow, EpochMean, EpochRow, SweepRow, TrialRow
from app.charts.value_scale import ValueScale
from app.domain.objectives import Objective
from app.domain.tasks import TASKS

# Beside the trials: their runs, or those of configurations that have several trials (`pooled`), their values in all
# objectives, or in the metrics that the options name, the curves of the best and the worst of them, or the metric after
# each epoch of those that the chart picks, or what the networks of the best and the worst of them did, or the attempts
# at all of them.
Needs = Literal["trials", "runs", "pooled", "objectives", "metrics", "epochs", "epoch_means", "diagnostics", "attempts"]
Curves = Sequence[EpochRow] | Sequence[EpochMean] | Sequence[DiagnosticsRow] | Sequence[AttemptRow]


@dataclass(frozen=True)
class Chart:
    """One kind of chart."""

    name: str
    """What addresses call it."""
    title: str
    """What pages call it."""
    description: str
    """What it shows, in a sentence."""
    needs: Needs
    """Which rows to read."""
    draw: Callable[[SweepRow, Sequence[TrialRow], Any, Any], go.Figure]
    """Draws the rows with these options; the curves are empty where it does not need them."""
    options: tuple[str, ...] = ()
    """The parameters that its query string may have."""
    parse: Callable[[SweepRow, Query], Any] = lambda _sweep, _query: None
    """Gives the chart's options of a query string. Raises InvalidError."""
    robust: Callable[[SweepRow, Any], Objective] | None = None
    """Whose values are on its y axis with these options, where that can be the robust axis of the lens."""
    pick: Callable[[SweepRow, Sequence[TrialRow], Any], Sequence[TrialRow]] | None = None
    """The trials whose metric after each epoch it needs with these options; None where it has no use for it."""

    def suits(self, sweep: SweepRow) -> bool:
        """Whether the chart says something about this sweep."""
        has_rows = {
            "epochs": not TASKS[sweep.task].is_timing,
            "metrics": not TASKS[sweep.task].is_timing,
            "objectives": bool(sweep.objectives),
            "diagnostics": sweep.diagnostics,
        }
        return has_rows.get(self.needs, True)

    def rows_needed(self, query: Query) -> Needs:
        """Which rows to read for these options."""
        over_epochs = self.pick is not None and query.get("y", EPOCHS_AXIS) in ("", EPOCHS_AXIS)
        return "epoch_means" if over_epochs else self.needs

    def picked_trials(self, sweep: SweepRow, trials: Sequence[TrialRow], query: Query) -> list[int]:
        """The numbers of the trials whose metric after each epoch it draws. Raises InvalidError."""
        return [trial.number for trial in self.pick(sweep, trials, self.parse(sweep, query))] if self.pick else []

    def figure(
        self,
        sweep: SweepRow,
        trials: Sequence[TrialRow],
        epochs: Curves = (),
        query: Query | None = None,
        *,
        robust: bool = False,
    ) -> go.Figure:
        """Draws the chart with the options of a query string, e.g. {"x": "hidden_units"}. Raises InvalidError.

        `robust` is the lens's axis. Charts that lie by the logarithm of the error anyway are the same with it.
        """
        query = query or {}
        for option in query:
            if option not in self.options:
                refuse(
                    option,
                    f"the chart {self.name} has {joined(self.options) or 'no options'}, and each has {joined(LENS)}",
                )
        options = self.parse(sweep, query)
        figure = with_room(self.draw(sweep, trials, epochs, options))
        figure.update_layout(meta={**(figure.layout.meta or {}), "looks": LOOKS})
        if robust and self.robust is not None:
            return with_robust_axis(figure, ValueScale(self.robust(sweep, options)))
        return figure
