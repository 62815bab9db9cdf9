"""What a sweep may search for by the kind of its data set's target: a class or a number."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.datasets import DATASETS
from app.errors import InvalidError
from app.schemas import SweepCreate
from app.sweeps.body_checks import check_body, with_objective

BODY: dict[str, Any] = {"name": "x", "dataset": "diabetes", "space": {"epochs": 1}, "sampler": "grid"}
OF_NUMBERS = "val_r2, val_loss, val_mae, train_r2, train_loss, train_mae"
TIMING = {"task": "time_training", "space": {"hidden_units": 8}}


def body(**changes: Any) -> SweepCreate:
    posted = SweepCreate.model_validate(BODY | changes)
    return with_objective(posted, DATASETS[posted.dataset])


@pytest.mark.parametrize(
    ("changes", "metric", "direction"),
    [
        ({}, "val_r2", "maximize"),
        ({"objective": {"metric": "val_mae"}}, "val_mae", "minimize"),
        ({"objective": {"metric": "val_loss"}}, "val_loss", "minimize"),
        (TIMING, "seconds_per_epoch", "minimize"),
        ({"dataset": "digits"}, "val_accuracy", "maximize"),
        ({"dataset": "digits", "objective": {"metric": "val_loss"}}, "val_loss", "minimize"),
    ],
)
def test_what_is_left_out_of_an_objective(changes: dict[str, Any], metric: str, direction: str) -> None:
    """Of numbers it is R², and each metric in the direction in which it is better."""
    posted = body(**changes)
    assert (posted.objective.metric, posted.objective.direction) == (metric, direction)
    check_body(posted, DATASETS[posted.dataset])


@pytest.mark.parametrize(
    ("changes", "loc", "msg"),
    [
        (
            {"objective": {"metric": "val_accuracy"}},
            ("objective", "metric"),
            f"must be one of {OF_NUMBERS} for train_mlp on diabetes, not val_accuracy",
        ),
        (
            {"dataset": "digits", "objective": {"metric": "val_mae"}},
            ("objective", "metric"),
            "must be one of val_accuracy, val_loss, train_accuracy, train_loss for train_mlp on digits, not val_mae",
        ),
        (
            {
                "sampler": "tpe",
                "n_trials": 2,
                "objectives": [
                    {"metric": "val_r2", "direction": "maximize"},
                    {"metric": "train_accuracy", "direction": "maximize"},
                ],
            },
            ("objectives", 1, "metric"),
            f"must be one of {OF_NUMBERS} for diabetes, not train_accuracy",
        ),
        (
            {"space": {"epochs": 1, "label_smoothing": [0, 0.1]}},
            ("space", "label_smoothing"),
            "is for classes, and the target of diabetes is a number",
        ),
    ],
)
def test_what_numbers_do_not_have_is_refused(changes: dict[str, Any], loc: tuple[str | int, ...], msg: str) -> None:
    """The sentence says which metrics there are."""
    posted = body(**changes)
    with pytest.raises(InvalidError) as error:
        check_body(posted, DATASETS[posted.dataset])
    (field_error,) = error.value.errors
    assert (field_error.loc, field_error.msg) == (loc, msg)


ONE_TEST_ROW = replace(DATASETS["diabetes"], test=1)
OBJECTIVES = [{"metric": "val_loss", "direction": "minimize"}, {"metric": "val_r2", "direction": "maximize"}]


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({}, ("objective", "metric")),
        ({"objectives": OBJECTIVES, "sampler": "tpe", "n_trials": 2}, ("objectives", 1, "metric")),
    ],
)
def test_r2_of_a_single_row_is_refused(changes: dict[str, Any], loc: tuple[str | int, ...]) -> None:
    """Every trial would fail; on another split, or by another metric, there is nothing against it."""
    with pytest.raises(InvalidError) as error:
        check_body(body(split="book", **changes), ONE_TEST_ROW)
    (field_error,) = error.value.errors
    assert (field_error.loc, field_error.msg) == (
        loc,
        "can't be val_r2: diabetes has 1 row to validate on with the split book, and R² needs two that differ; take "
        "val_mae or val_loss",
    )
    check_body(body(split="holdout", **changes), ONE_TEST_ROW)
    check_body(body(split="book", objective={"metric": "val_mae"}), ONE_TEST_ROW)


def test_without_smoothing_it_is_a_value_like_any_other() -> None:
    """A label_smoothing of 0 smooths nothing."""
    check_body(body(space={"epochs": 1, "label_smoothing": 0}), DATASETS["diabetes"])
