"""The metrics of trials in real tables: on the axes of a chart, and in the order of a table."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app import queue
from app.charts.lens import MetricLens
from app.charts.registry import CHARTS
from app.db.engine import transaction
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.queries.lens.trial_metrics import metric_means
from app.queue.progress import EpochPoint, RunResult, TrialResult
from tests.support.queue_examples import LEASE_SECONDS, claim, finish, new_worker
from tests.support.sweeps.measured_sweeps import a_sweep_with_epochs

PARAMETERS = 64 * 256 + 256 + 256 * 10 + 10


@pytest.mark.parametrize(
    ("name", "lens", "means"),
    [
        ("val_loss", MetricLens(), {0: 0.35, 1: 0.6}),
        ("val_loss", MetricLens("best"), {0: 0.3, 1: 0.6}),
        ("val_loss", MetricLens("at_epoch", 1), {0: 0.85, 1: 0.7}),
        ("val_accuracy", MetricLens(), {0: 0.65, 1: 0.4}),
        ("seconds", MetricLens(), {0: 1.0, 1: 1.0}),
        ("parameters", MetricLens(), {0: PARAMETERS, 1: PARAMETERS}),
    ],
)
def test_each_metric_is_a_mean_over_runs(engine: Engine, name: str, lens: MetricLens, means: dict[int, float]) -> None:
    """After the last epoch, or as the lens wants it, each metric by its own direction."""
    sweep_id = a_sweep_with_epochs(engine)
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        trials = chart_rows.trial_rows(session, sweep_id)
        column = metric_means(session, sweep, trials, name, lens)
    assert {number: mean.value for number, mean in column.items()} == pytest.approx(means)


def test_the_chart_has_the_metrics_of_its_axes(engine: Engine) -> None:
    """Of each trial, in the order of the y and the x axis; a hyperparameter needs none."""
    sweep_id = a_sweep_with_epochs(engine)
    with transaction(engine) as session:
        sweep = sweep_row.get(session, sweep_id)
        drawn = {
            x: chart_rows.chart_rows(session, sweep, CHARTS["scatter"], {"x": x, "y": "val_loss"})[1]
            for x in ("seconds", "epochs")
        }
    assert [trial.values for trial in drawn["seconds"]] == [pytest.approx((0.35, 1.0)), pytest.approx((0.6, 1.0))]
    assert [len(trial.values) for trial in drawn["epochs"]] == [1, 1]


def test_trials_are_sorted_by_any_metric(client: TestClient, engine: Engine) -> None:
    """In the API and in the table, through a lens and without, also where configurations have several trials."""
    path = f"/sweeps/{a_sweep_with_epochs(engine)}"

    def numbers(order_by: str) -> list[int]:
        return [trial["number"] for trial in client.get(f"/api/v1{path}/trials?order_by={order_by}").json()["items"]]

    def rows(query: str) -> list[int]:
        page = client.get(f"{path}?{query}").text
        assert 'aria-sort="ascending"' in page or 'aria-sort="descending"' in page
        return [int(part.split('"')[0]) for part in page.split('<tbody id="trial-')[1:]]

    assert numbers("metrics.val_loss") == [0, 1]
    assert numbers("-metrics.val_loss") == [1, 0]
    assert rows("order_by=-metrics.val_loss") == [1, 0]
    assert rows("order_by=metrics.val_loss") == [0, 1]
    assert rows("order_by=metrics.val_loss&metric=at_epoch%3D1") == [1, 0]
    client.post(f"/api/v1{path}/trials/0/rerun", json={"seeds": 2})
    assert rows("order_by=-metrics.val_loss") == [1, 0, 2]
    refused = client.get(f"/api/v1{path}/trials?order_by=metrics.loss")
    assert (refused.status_code, "a metric like metrics.train_loss" in refused.json()["errors"][0]["msg"]) == (
        422,
        True,
    )


def train_again(engine: Engine, sweep_id: int) -> None:
    """Trains the trial that waits for an epoch, after which each run of it has a loss of 1."""
    worker = new_worker(engine)
    (trial,) = claim(engine, worker)
    points = [EpochPoint(trial.lease.trial_id, trial.first_seed + run, 1, 1.0, 0.5, 1.0, 0.5, 0.1) for run in range(2)]
    with transaction(engine) as session:
        queue.record(session, sweep_id, {trial.lease: 2}, points, LEASE_SECONDS)
    runs = [RunResult(trial.first_seed + run, 0.5, None, 0.1) for run in range(2)]
    finish(engine, sweep_id, worker, [TrialResult(trial.lease, 0.5, None, None, runs)])


def test_a_configuration_lies_at_the_mean_of_its_trials(client: TestClient, engine: Engine) -> None:
    """With and without a lens, of those that are not excluded."""
    sweep_id = a_sweep_with_epochs(engine)
    path = f"/api/v1/sweeps/{sweep_id}/trials"
    client.post(f"{path}/0/rerun", json={"seeds": 2}).raise_for_status()
    train_again(engine, sweep_id)

    def rows() -> list[list[int]]:
        addresses = [f"/sweeps/{sweep_id}?order_by=metrics.val_loss{lens}" for lens in ("", "&state=complete")]
        pages = [client.get(address).text for address in addresses]
        return [[int(part.split('"')[0]) for part in page.split('<tbody id="trial-')[1:]] for page in pages]

    assert rows() == [[1, 0, 2]] * 2  # 0.6 before the mean of 0.35 and 1
    client.post(f"{path}/2/exclude").raise_for_status()
    assert rows() == [[0, 2, 1]] * 2


def test_metrics_in_the_table_are_seen_through_the_lens(client: TestClient, engine: Engine) -> None:
    """As values are: the column by which it is sorted has those of the epoch."""
    path = f"/sweeps/{a_sweep_with_epochs(engine)}"
    page = client.get(f"{path}?order_by=metrics.val_loss&metric=at_epoch%3D1").text
    cells = [part.split("</td>")[0] for part in page.split('data-column="val_loss">')[1:]]
    assert [cell for cell in cells if cell[0].isdigit()] == ["0.7000", "0.8500"]
    note = 'title="each metric at its own best epoch"'
    assert note not in page
    assert note in client.get(f"{path}?metric=best").text
