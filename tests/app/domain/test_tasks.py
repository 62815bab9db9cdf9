"""The table of tasks: what each measures, with which hyperparameters and in which metrics."""

from typing import get_args

import pytest

from app.domain.datasets import DATASETS
from app.domain.formatting import score
from app.domain.hyperparameters import markdown_table
from app.domain.tasks import METRICS, TASKS, TaskName
from app.schemas.sweeps import EpochMetric, TimingMetric
from tests.support.paths import ROOT

DIGITS = DATASETS["digits"]
TIMINGS = [name for name, task in TASKS.items() if task.is_timing]
DOCS = (ROOT / "docs" / "timing.md").read_text(encoding="utf-8")


def test_the_api_has_the_tasks_and_their_metrics() -> None:
    """The names of its schema are those of the table, and a name means one thing in all tasks."""
    assert list(get_args(TaskName)) == list(TASKS)
    assert {*get_args(EpochMetric), *get_args(TimingMetric)} == {*METRICS}
    for task in TASKS.values():
        assert {name: METRICS[name].unit for name in task.metrics} == {n: m.unit for n, m in task.metrics.items()}
        assert {name: METRICS[name].maximize for name in task.metrics} == {
            n: m.maximize for n, m in task.metrics.items()
        }


@pytest.mark.parametrize("name", TIMINGS)
def test_what_times_is_documented(name: str) -> None:
    """The docs have its hyperparameters as the code does, and each default is a value that it takes."""
    task = TASKS[name]
    assert markdown_table(task.hyperparameters) in DOCS
    assert all(f"`{metric}`" in DOCS for metric in task.metrics)
    for parameter in task.hyperparameters.values():
        assert parameter.meaning
        assert parameter.kind.problem(parameter.default) is None


@pytest.mark.parametrize("name", TIMINGS)
def test_what_times_counts_what_it_says(name: str) -> None:
    """Half the seconds are half the time and twice the speed, and a trial has a cost."""
    of_seconds = TASKS[name].of_seconds
    assert of_seconds is not None
    long, short = of_seconds({}, DIGITS, 2.0), of_seconds({}, DIGITS, 1.0)
    assert long.keys() == {*TASKS[name].metrics}
    for metric, value in long.items():
        assert short[metric] == pytest.approx(value * (2 if METRICS[metric].maximize else 0.5))
    assert TASKS[name].cost({}, DIGITS) > 0
    assert TASKS[name].epochs({}) == 1


def test_many_steps_cost_more_than_few() -> None:
    """A small network costs four times as much in batches of a quarter, whose time is that of its steps."""
    small, large = ({"hidden_units": 2, "batch_size": batch} for batch in (16, 64))
    cost = TASKS["train_mlp"].cost
    assert cost(small, DIGITS) / cost(large, DIGITS) == pytest.approx(4, rel=0.1)


def test_a_product_has_two_n_cubed_operations() -> None:
    """A product of size 1000 in a second is 2 GFLOP/s; triad moves three arrays, copy two."""
    matmul, stream = TASKS["time_matmul"].of_seconds, TASKS["time_memory"].of_seconds
    assert matmul is not None
    assert stream is not None
    assert matmul({"size": 1000}, DIGITS, 1.0) == {"gflops": 2.0, "seconds": 1.0}
    assert stream({"operation": "triad"}, DIGITS, 1.0) == {"gigabytes_per_second": 3.0}
    assert stream({}, DIGITS, 1.0) == {"gigabytes_per_second": 2.0}


@pytest.mark.parametrize(
    ("value", "std", "metric", "text"),
    [
        (0.88931, 0.00212, "val_accuracy", "0.8893 ± 0.0021"),
        (61.2391, 0.351, "gflops", "61.24 ± 0.35 GFLOP/s"),
        (12345.6, None, "examples_per_second", "12,346 examples/s"),
        (0.00012346, 0.00000678, "seconds", "0.0001235 ± 0.0000068 s"),
        (0.0, None, "seconds", "0.0 s"),
        (None, None, "gflops", "–"),
    ],
)
def test_values_are_written_with_their_units(value: float | None, std: float | None, metric: str, text: str) -> None:
    """Four digits where there is a unit, four decimals where there is none."""
    assert score(value, std, metric) == text
