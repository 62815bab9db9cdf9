"""The configurations of a sweep as a forest takes them, and whether there are enough of them."""

from collections.abc import Sequence

from app.charts.axis import AxisPlan, Place, place_of
from app.charts.configurations import Configuration
from app.charts.forest.bins import Binned, Floats, binned
from app.charts.rows import Axis, SweepRow

CONFIGURATIONS = 1_000  # that are counted
LEAST_CONFIGURATIONS = 20
CONFIGURATIONS_A_HYPERPARAMETER = 5  # at least


def forest_columns(
    sweep: SweepRow, names: Sequence[str], items: Sequence[Configuration], values: Floats
) -> list[Binned]:
    """The hyperparameters in bins."""
    return [
        binned(sweep.axes.get(name, Axis(name)), [item.trial.params.get(name) for item in items], values)
        for name in names
    ]


def ordered_bins(plan: AxisPlan, column: Binned) -> list[tuple[int, Place]]:
    """The bins with their places on an axis, in its order."""
    if plan.scale == "category":
        by_name = {str(name): index for index, name in enumerate(column.places)}
        return [(by_name[str(place)], place) for place in plan.places if str(place) in by_name]
    return [(index, place_of(plan, value)) for index, value in enumerate(column.places)]


def forest_obstacle(names: Sequence[str], items: Sequence[Configuration]) -> str:
    """Why no forest can say anything of these configurations, or nothing."""
    least_count = max(LEAST_CONFIGURATIONS, CONFIGURATIONS_A_HYPERPARAMETER * len(names))
    if not items:
        return "No finished trial yet"
    if not names:
        return "The trials differ in no hyperparameter"
    if len(items) < least_count:
        return f"Too few configurations to tell: {len(items)} of at least {least_count}"
    return "All trials have the same value" if len({item.mean for item in items}) == 1 else ""
