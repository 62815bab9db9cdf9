"""The trials of a sweep as a forest takes them, and whether there are enough of them."""

from collections.abc import Sequence

from app.charts.axis import AxisPlan, Place, place_of
from app.charts.forest.bins import Binned, Floats, binned
from app.charts.rows import Axis, SweepRow
from app.charts.select import Scored

TRIALS = 1_000  # that are counted
LEAST_TRIALS = 20
TRIALS_A_HYPERPARAMETER = 5  # at least


def forest_columns(sweep: SweepRow, names: Sequence[str], scored: Sequence[Scored], values: Floats) -> list[Binned]:
    """The hyperparameters in bins."""
    return [
        binned(sweep.axes.get(name, Axis(name)), [trial.params.get(name) for trial, _ in scored], values)
        for name in names
    ]


def ordered_bins(plan: AxisPlan, column: Binned) -> list[tuple[int, Place]]:
    """The bins with their places on an axis, in its order."""
    if plan.scale == "category":
        by_name = {str(name): index for index, name in enumerate(column.places)}
        return [(by_name[str(place)], place) for place in plan.places if str(place) in by_name]
    return [(index, place_of(plan, value)) for index, value in enumerate(column.places)]


def forest_obstacle(names: Sequence[str], scored: Sequence[Scored]) -> str:
    """Why no forest can say anything of these trials, or nothing."""
    least_count = max(LEAST_TRIALS, TRIALS_A_HYPERPARAMETER * len(names))
    if not scored:
        return "No finished trial yet"
    if not names:
        return "The trials differ in no hyperparameter"
    if len(scored) < least_count:
        return f"Too few trials to tell: {len(scored)} of at least {least_count}"
    return "All trials have the same value" if len({value for _, value in scored}) == 1 else ""
