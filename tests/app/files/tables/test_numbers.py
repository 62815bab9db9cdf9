"""Tables whose target is a number: told from classes, split by its size, described, and stored in its own unit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load

from app.errors import InvalidError
from app.files.tables.dataset import TableDataset, facts_of, file_of
from app.files.tables.ranges import MAX_RANGES, counts_in, ranges_of
from tests.app.files.tables.test_bad_files import table_of

ROWS = 200


def houses(tmp_path: Path, prices: Any, **options: Any) -> TableDataset:
    """A table of houses with these prices."""
    rows = [f"{place % 9}.5,{['town', 'village'][place % 2]},{price}" for place, price in enumerate(prices)]
    return table_of("\n".join(["rooms,where,price", *rows]).encode(), tmp_path, **({"target": "price"} | options))


@pytest.mark.parametrize(
    ("prices", "options", "task"),
    [
        ([place * 0.5 for place in range(ROWS)], {}, "regression"),
        ([place % 51 for place in range(ROWS)], {}, "regression"),
        ([place % 50 for place in range(ROWS)], {}, "classification"),
        ([place % 51 for place in range(ROWS)], {"task": "classification"}, "classification"),
        ([place % 5 for place in range(ROWS)], {"task": "regression"}, "regression"),
        (["dear", "cheap"] * 100, {}, "classification"),
    ],
)
def test_a_target_is_a_number_or_a_class(prices: Any, options: dict[str, Any], task: str, tmp_path: Path) -> None:
    """As it is said, and else by its values; what was proposed is said, with how to choose otherwise."""
    dataset = houses(tmp_path, prices, **options)
    assert dataset.task == task
    proposed = "so it is taken for a number to predict: say classification" in " ".join(dataset.table.notes)
    assert proposed == (task == "regression" and not options)


def test_parts_are_spread_over_all_sizes(tmp_path: Path) -> None:
    """A fifth to test on, a fifth of the others held out, each with as many small ones as large ones; by the seed."""
    prices = np.exp(np.random.default_rng(0).normal(size=ROWS)).round(3)
    dataset = houses(tmp_path, prices)
    assert dataset.split is not None
    assert [len(part) for part in dataset.split] == [128, 32, 40]
    assert sorted(np.concatenate(dataset.split)) == list(range(ROWS))
    for part in dataset.split:
        assert abs(np.searchsorted(np.sort(prices), prices[part]).mean() / ROWS - 0.5) < 0.02
    other = houses(tmp_path, prices, seed=1).split
    assert other is not None
    assert not np.array_equal(dataset.split.test, other.test)
    by_chance = houses(tmp_path, prices, stratified=False).split
    assert by_chance is not None
    assert [len(part) for part in by_chance] == [128, 32, 40]


def test_it_is_stored_in_its_own_unit_and_described_by_ranges(tmp_path: Path) -> None:
    """In float64, so that a price in cents is still that price."""
    prices = [1_234_567.25 + place for place in range(ROWS)]
    dataset = houses(tmp_path, prices, unit="cents")
    tensors = load(file_of(dataset))
    stored_prices = np.concatenate([tensors[f"{part}_y"] for part in ("train", "held_out", "test")])
    assert sorted(stored_prices) == prices
    facts = facts_of(dataset, "houses", "houses.csv", "cents")
    shown = {name: facts[name] for name in ("target", "quantity", "unit", "classes")}
    assert shown == {"target": "number", "quantity": "price", "unit": "cents", "classes": 0}
    assert "labels" not in facts
    assert len(facts["class_counts"]["test"]) == len(facts["ranges"]) - 1
    assert (sum(facts["class_counts"]["train"]), sum(facts["class_counts"]["held_out"])) == (160, 32)
    (use,) = (column["use"] for column in dataset.columns if column["name"] == "price")
    assert use == "the target, less its mean, divided by its spread"


@pytest.mark.parametrize(
    ("prices", "options", "sentence"),
    [
        (["1.5", "", "2.5"] * 5, {}, "data row 2, column 'price': the target is missing, as in 4 further rows"),
        ([1.5] * 20, {}, "column 'price' is 1.5 in every row: there is nothing to tell"),
        ([0.5, 1.5, 2.5], {}, "the table has 3 rows: a target that is a number needs at least 10"),
        (
            ["a", "b"] * 9,
            {"task": "regression"},
            "column 'price' has text: the target of a regression must be a number",
        ),
        (["true", "false"] * 9, {"task": "regression"}, "column 'price' has true or false: the target of a regression"),
        (["2020-01-01", "2021-01-01"] * 9, {}, "column 'price' has dates: the target must be a class or a number"),
        ([0.5] + [0.25] * 40, {}, "the target is 0.25 in the 26 rows to train on: its numbers must differ there"),
        (
            [1.7e9 + place + 0.5 for place in range(50)],
            {},
            "it must differ by more than a 100,000th of its size; subtract 1.7",
        ),
        (
            [1e-27 * place for place in range(60)],
            {},
            "it must differ by 1e-15 to 1e+15 there; count it in another unit",
        ),
        ([1e17 * place for place in range(60)], {"task": "regression"}, "count it in another unit"),
        (["a", "b"] * 9, {"unit": "EUR"}, "is for numbers, and the target is a class"),
        ([0.5, 1e300] * 9, {}, "data row 2, column 'price': is 1e+300: it must be a number of at most 1e+30"),
    ],
)
def test_what_can_not_be_told_is_refused(prices: Any, options: Any, sentence: str, tmp_path: Path) -> None:
    """One sentence each, before anything is stored."""
    with pytest.raises(InvalidError) as error:
        houses(tmp_path, prices, **options)
    assert sentence in error.value.errors[0].msg


def test_ranges_are_round_and_hold_every_number() -> None:
    """Of one width, never more than ten, whatever the size of the numbers."""
    assert ranges_of(np.array([25.0, 346.0])) == [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0]
    luck = np.random.default_rng(0)
    for scale in (1e-9, 0.3, 1.0, 7e4, 1e20):
        numbers = luck.normal(loc=scale, scale=scale, size=50)
        edges = ranges_of(numbers)
        assert 2 <= len(edges) <= MAX_RANGES + 1
        assert edges[0] <= numbers.min() < numbers.max() < edges[-1]
        assert np.ptp(np.diff(edges)) < 1e-9 * (edges[1] - edges[0])
        assert sum(counts_in(numbers, edges)) == 50
    assert counts_in(np.array([0.0, 1.0, 1.5]), [0.0, 1.0, 2.0]) == [1, 2]
