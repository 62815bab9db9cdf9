import pytest

from app.charts.value_scale import ValueScale
from app.domain.objectives import Objective

ACCURACY = ValueScale(Objective("val_accuracy"))
LOSS = ValueScale(Objective("val_loss", maximize=False))
R2 = ValueScale(Objective("val_r2"))


def test_halving_the_error_is_a_step_of_one_size() -> None:
    """0.8 to 0.9 is as far as 0.98 to 0.99, and the better is the higher, also of losses."""
    steps = [ACCURACY.place(0.9) - ACCURACY.place(0.8), ACCURACY.place(0.99) - ACCURACY.place(0.98)]
    assert steps[0] == pytest.approx(steps[1])
    assert steps[0] > 0
    assert LOSS.place(0.1) > LOSS.place(0.2)
    assert ACCURACY.place(1.0) < float("inf")
    assert LOSS.place(0.0) < float("inf")


@pytest.mark.parametrize(
    ("scale", "values", "texts"),
    [
        (ACCURACY, [0.15, 0.5, 0.979], ["0.16", "0.66", "0.87", "0.95", "0.97"]),
        (ACCURACY, [0.886, 0.8891], ["0.886", "0.8868", "0.8876", "0.8883", "0.8891"]),
        (ACCURACY, [0.5], ["0.5"]),
        (ACCURACY, [0.0, 1.0], ["0", "0.9", "0.99", "0.999"]),
        (LOSS, [0.15, 2.3], ["2.3", "1.2", "0.59", "0.3", "0.15"]),
        (R2, [0.1, 0.5], ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        (R2, [-300.0, 1.0], ["-1", "-0.5", "0", "0.5", "1"]),
    ],
)
def test_ticks_are_round_values_within_the_range(scale: ValueScale, values: list[float], texts: list[str]) -> None:
    """With as many digits as tell them apart, each where its text says, none twice and none outside."""
    ticks = scale.ticks(values)
    assert ticks["ticktext"] == texts
    assert ticks["tickvals"] == [scale.place(float(text)) for text in texts]


def test_r2_lies_as_it_is() -> None:
    """Even steps, but that all below -1 is as bad as that."""
    assert R2.place(0.5) - R2.place(0.4) == pytest.approx(R2.place(0.9) - R2.place(0.8))
    assert R2.place(-1e9) == R2.place(-1.0) < R2.place(0.0)
    assert R2.note == "R², below −1 as −1"
