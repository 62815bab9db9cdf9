"""What the options of pruners take and refuse."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.pruning.options import HyperbandPruner, SuccessiveHalvingPruner, stored_pruner


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "successive_halving", "min_resource": "auto"}, SuccessiveHalvingPruner(name="successive_halving")),
        ({"name": "hyperband", "max_resource": "auto"}, HyperbandPruner(name="hyperband")),
    ],
)
def test_auto_can_be_said(options: dict[str, Any], expected: object) -> None:
    """The word `auto` is taken, and means what its absence means."""
    assert stored_pruner(options) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"name": "successive_halving", "min_resource": 0},
        {"name": "successive_halving", "min_resource": "half"},
        {"name": "hyperband", "max_resource": 1_000_001},
        {"name": "hyperband", "min_resource": 5, "max_resource": 4},
    ],
)
def test_resources_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """They are epochs, from 1 to a million, and the most is not below the least."""
    with pytest.raises(ValidationError):
        stored_pruner(options)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1_000_001, "1000001"), ("x", '"x"'), (1.5, "1.5"), (True, "true")]
)
def test_a_wrong_resource_is_told_once(value: Any, text: str) -> None:
    """At the field that the client wrote, with what would be right."""
    with pytest.raises(ValidationError) as refusal:
        HyperbandPruner(name="hyperband", max_resource=value)
    (finding,) = refusal.value.errors()
    assert finding["loc"] == ("max_resource",)
    assert finding["msg"] == f"Value error, must be auto, or a whole number from 1 to 1,000,000, not {text}"
