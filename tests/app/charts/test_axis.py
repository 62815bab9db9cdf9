import pytest

from app.charts.axis import axis_plan
from app.charts.rows import Axis


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((8, 16, 32), "log"),
        ((0.1, 0.3, 1.0, 3.0), "log"),
        ((0.01, 1.0), "log"),
        ((1, 2, 3), "linear"),
        ((10, 20, 30), "linear"),
        ((0.1, 0.3), "linear"),
        ((0, 1, 10), "linear"),
    ],
)
def test_a_ladder_of_choices_has_a_log_axis(values: tuple[float, ...], scale: str) -> None:
    """Also one of thirds of a decade, whose steps are nearly equal; even steps have an even one."""
    assert axis_plan(Axis("x", choices=values), values).scale == scale
