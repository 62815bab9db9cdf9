"""What is recorded of an epoch has the same names in the table, on its way there, in charts and in the API."""

from dataclasses import fields
from typing import Any

from app.charts.rows import DiagnosticsRow, EpochRow
from app.db.tables import Diagnostics, Epoch
from app.domain.diagnostics import NetworkDiagnostics
from app.domain.runs import EpochResult
from app.domain.tasks.train_mlp import EPOCH_METRICS
from app.queue.progress import EpochPoint
from app.schemas import EpochOut, Metrics
from worker.legs.progress import epoch_point

PLACE = {"trial_id", "seed", "epoch"}


def test_every_metric_of_an_epoch_is_recorded_and_shown() -> None:
    """In a column of its own, by the same name from the worker to the charts and the API."""
    metrics = {*EPOCH_METRICS}
    assert {*Epoch.__table__.columns.keys()} == PLACE | metrics | {"seconds"}
    assert {field.name for field in fields(EpochPoint)} == {*Epoch.__table__.columns.keys()}
    assert metrics <= {field.name for field in fields(EpochResult)}
    figures: dict[str, Any] = {name: float(number) for number, name in enumerate(EPOCH_METRICS)}
    point = epoch_point(1, 0, EpochResult("run", 1, **figures, seconds=0.5, diverged=False))
    assert {name: getattr(point, name) for name in figures} == figures
    assert {*EpochRow._fields} == {"trial", "seed", "epoch"} | metrics
    assert {*EpochOut.model_fields} == {"run", "epoch", "seconds"} | metrics
    assert {*Metrics.model_fields} == metrics


def test_every_figure_of_a_network_s_diagnostics_is_recorded_and_shown() -> None:
    """In a column of its own, by the same name."""
    figures = {field.name for field in fields(NetworkDiagnostics)}
    assert {*Diagnostics.__table__.columns.keys()} == PLACE | figures
    assert {*DiagnosticsRow._fields} == {"trial", "seed", "epoch"} | figures
