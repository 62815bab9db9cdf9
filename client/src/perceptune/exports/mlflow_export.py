"""Writes the runs of a sweep into MLflow, each once: what is there stays, what has changed is written anew."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx

from perceptune.errors import MlflowError, in_short
from perceptune.exports.trial_runs import MODEL_FILE, NOTE_TAG, SWEEP_TAG, TRIAL_TAG, SweepRuns, TrialRun, text_of

Item = TypeVar("Item")

CONTENT_TAG = "perceptune.content"  # the last that is written: a run without it is not whole
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
METRICS_A_CALL = 1000  # by MLflow's limits
PARAMS_A_CALL = 100
RUNS_A_PAGE = 1000


class MlflowExport(NamedTuple):
    """What became of an export."""

    experiment: str
    """Its name."""
    address: str
    """Where MLflow shows it."""
    new_runs: int
    """That were written: those that were not there, or had changed."""
    unchanged_runs: int
    """That were there already."""
    has_model: bool
    """Whether the best run has its network."""


def require_mlflow() -> None:
    """Raises ModuleNotFoundError, with what to do, where MLflow's client is not installed."""
    try:
        import mlflow.tracking  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "mlflow":
            raise
        sentence = "An export to MLflow needs its client: pip install 'perceptune[mlflow]'"
        raise ModuleNotFoundError(sentence, name="mlflow") from None


def write(sweep: SweepRuns, uri: str, experiment: str | None = None) -> MlflowExport:
    """Writes the sweep into an experiment of the MLflow server at this address; by default into one of its own.

    Raises MlflowError where that is no address, nothing answers there, or MLflow refuses what it is sent.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    _check(uri)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # else it prints two lines a run
    try:
        client = MlflowClient(uri)
        experiment_id, name = _experiment(client, sweep, experiment)
        new_runs, unchanged_runs = _write_runs(client, experiment_id, sweep)
    except (MlflowException, ImportError, ValueError, OSError) as error:
        raise MlflowError(f"MLflow at {_without_secrets(uri)} can't be used: {in_short(error)}") from None
    address = f"{_without_secrets(uri)}/#/experiments/{experiment_id}"
    return MlflowExport(name, address, new_runs, unchanged_runs, any(run.model is not None for run in sweep.runs))


def _without_secrets(uri: str) -> str:
    """The address without the name and the password that may be in it."""
    return str(httpx.URL(uri).copy_with(userinfo=b"")).rstrip("/")


def _check(uri: str) -> None:
    """Raises MlflowError where no server is. MLflow's client by itself would try for minutes."""
    try:
        if httpx.URL(uri).scheme not in {"http", "https"}:
            raise httpx.InvalidURL(uri)
        httpx.get(f"{uri.rstrip('/')}/version", timeout=20)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise MlflowError(f"{uri!r} is no address of an MLflow server: write e.g. http://127.0.0.1:5000") from None
    except httpx.TransportError as error:
        if "[SSL" in str(error):
            return  # MLflow has settings of its own for certificates
        raise MlflowError(
            f"No MLflow server answers at {_without_secrets(uri)} ({error}): does `mlflow server` run there?"
        ) from None


def _experiment(client: Any, sweep: SweepRuns, name: str | None) -> tuple[str, str]:
    """The number and the name of the experiment to write into, which is made where it is not there."""
    own = client.search_experiments(filter_string=f"tags.`{SWEEP_TAG}` = '{sweep.identity}'")
    if name is None and own:
        return own[0].experiment_id, own[0].name
    stored = client.get_experiment_by_name(name or sweep.name)
    if stored is None:
        tags = {NOTE_TAG: sweep.notes} if sweep.notes else {}
        own_tag = {SWEEP_TAG: sweep.identity} if name is None else {}
        return client.create_experiment(name or sweep.name, tags=tags | own_tag), name or sweep.name
    if name is None:
        raise MlflowError(
            f"MLflow has an experiment {sweep.name!r} of another sweep, or a deleted one: choose another experiment."
        )
    return stored.experiment_id, name


def _write_runs(client: Any, experiment_id: str, sweep: SweepRuns) -> tuple[int, int]:
    """How many runs were written, and how many were there as they are. What is there otherwise goes to MLflow's bin."""
    hashes = {str(run.number): run.content_hash() for run in sweep.runs}
    stored_numbers = set()
    for stored in _stored_runs(client, experiment_id, sweep):
        tags = stored.data.tags
        number = tags.get(TRIAL_TAG, "")
        if number in hashes and number not in stored_numbers and tags.get(CONTENT_TAG) == hashes[number]:
            stored_numbers.add(number)
        else:
            client.delete_run(stored.info.run_id)
    new_runs = [run for run in sweep.runs if str(run.number) not in stored_numbers]
    for run in new_runs:
        _write_run(client, experiment_id, run)
    return len(new_runs), len(stored_numbers)


def _stored_runs(client: Any, experiment_id: str, sweep: SweepRuns) -> list[Any]:
    """All runs of this sweep that the experiment has."""
    query = f"tags.`{SWEEP_TAG}` = '{sweep.identity}'"
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], query, max_results=RUNS_A_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _write_run(client: Any, experiment_id: str, run: TrialRun) -> None:
    from mlflow.entities import Metric, Param

    stored = client.create_run(experiment_id, start_time=run.start, tags=run.tags, run_name=f"trial {run.number}")
    run_id = stored.info.run_id
    for params in _chunks((Param(name, text_of(value)) for name, value in run.configuration.items()), PARAMS_A_CALL):
        client.log_batch(run_id, params=params, synchronous=True)
    # when an epoch ended is not known: what came of the trial was there at its end
    metrics = (Metric(point.name, point.value, run.end, point.step) for point in run.points)
    for points in _chunks(metrics, METRICS_A_CALL):
        client.log_batch(run_id, metrics=points, synchronous=True)
    if run.model is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL_FILE
            path.write_bytes(run.model)
            client.log_artifact(run_id, str(path))
    client.set_terminated(run_id, STATUS[run.state], run.end)
    client.set_tag(run_id, CONTENT_TAG, run.content_hash())


def _chunks(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while chunk := list(islice(items, size)):
        yield chunk
