"""A sweep in a real MLflow server, read back from it over HTTP: `make test-mlflow`."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perceptune import AsyncClient, Client, MlflowError, Model, Sweep
from tests.client.test_mlflow_export import write_note
from tests.support.machine.ports import free_port
from tests.support.own_loop import finished
from tests.support.paths import ROOT
from tests.support.up_process import say
from tests.support.waiting import wait_until

# MLflow's client warns of what is its own
pytestmark = [pytest.mark.mlflow, pytest.mark.filterwarnings("default")]
PROGRAM = ROOT / ".venv-mlflow" / "bin" / "mlflow"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    stores = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={folder}/artifacts"]
    command = [str(PROGRAM), "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", *stores]
    variables = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    variables.pop("PYTHONPATH", None)  # its packages are its own
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)

    def serves() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx2.get(f"{url}/health", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    with process:
        try:
            wait_until(serves, 600)  # it imports much, and makes its tables
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def sweep(trained_server: str) -> Iterator[Sweep]:
    """Of the module's own: two trials are complete, two are pruned after an epoch."""
    with Client(trained_server) as client:
        space = {"hidden_units": [2, 4, 8, 16], "epochs": 5, "learning_rate": 0.5}
        pruner = {"name": "one_epoch", "keep": 2}
        fields: dict[str, Any] = {"dataset": "digits", "sampler": "grid", "seeds": 2, "pruner": pruner}
        yield client.sweep("to MLflow", space=space, tags=["thesis"], **fields).wait(timeout=120)


def search(mlflow: str, export: Any, query: str = "") -> list[dict[str, Any]]:
    """The runs of an export's experiment that MLflow's API gives."""
    number = export.address.rpartition("/")[2]
    body = {"experiment_ids": [number], "filter": query, "max_results": 1000}
    answer = httpx2.post(f"{mlflow}/api/2.0/mlflow/runs/search", json=body).raise_for_status()
    runs: list[dict[str, Any]] = answer.json().get("runs", [])
    return runs


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def test_trials_are_runs_with_their_curves(mlflow: str, sweep: Sweep) -> None:
    """As many finished ones as are complete, pruned ones as killed, each with its parameters, tags and every epoch."""
    export = sweep.to_mlflow(mlflow)
    assert (sweep.counts.complete, sweep.counts.pruned) == (2, 2)
    assert (export.experiment, export.new_runs, export.unchanged_runs) == (f"sweep {sweep.id}: to MLflow", 4, 0)
    states = {query: len(search(mlflow, export, f"attributes.status = '{query}'")) for query in ("FINISHED", "KILLED")}
    assert states == {"FINISHED": 2, "KILLED": 2}
    for run in search(mlflow, export):
        tags = tags_of(run)
        trial = sweep.trial(int(tags["perceptune.trial"]))
        assert trial.params is not None
        params = {param["key"]: param["value"] for param in run["data"]["params"]}
        assert params == {name: str(value) for name, value in trial.params.items()}
        assert (tags["perceptune.state"], tags["perceptune.tags"]) == (trial.state, "thesis")
        for seed in range(2):
            query = {"run_id": run["info"]["run_id"], "metric_key": f"run_{seed}/val_accuracy"}
            history = httpx2.get(f"{mlflow}/api/2.0/mlflow/metrics/get-history", params=query).json()["metrics"]
            curve = [point for point in sweep.curves(trial.number) if point.run == seed]
            assert [(point["step"], point["value"]) for point in history] == [
                (point.epoch, point.val_accuracy) for point in curve
            ]


def test_the_best_network_is_an_artifact(mlflow: str, sweep: Sweep, tmp_path: Path) -> None:
    """Of the one run that says so; MLflow's own download gives the file, and it predicts."""
    from mlflow import MlflowClient

    (run,) = search(mlflow, sweep.to_mlflow(mlflow), "tags.`perceptune.best` = 'true'")
    assert tags_of(run)["perceptune.trial"] == str(sweep.best.number)
    path = MlflowClient(mlflow).download_artifacts(run["info"]["run_id"], "model.safetensors", str(tmp_path))
    model = Model.load(path)
    assert model.content == sweep.model().content
    assert model.predict([[0.0] * 64]) == sweep.model().predict([[0.0] * 64])


def test_a_run_is_there_once_however_often_it_is_exported(mlflow: str, sweep: Sweep) -> None:
    """What is as it was stays; what has changed, or was not written to its end, is written anew; the twin in asyncio
    agrees."""
    from mlflow import MlflowClient

    numbers = {run["info"]["run_id"] for run in search(mlflow, sweep.to_mlflow(mlflow))}
    again = sweep.to_mlflow(mlflow)
    assert (again.new_runs, again.unchanged_runs) == (0, 4)
    assert {run["info"]["run_id"] for run in search(mlflow, again)} == numbers
    write_note(sweep, 1, "the small one")
    (cut_run,) = search(mlflow, again, "tags.`perceptune.trial` = '2'")
    MlflowClient(mlflow).delete_tag(cut_run["info"]["run_id"], "perceptune.content")
    changed = sweep.to_mlflow(mlflow)
    assert (changed.new_runs, changed.unchanged_runs) == (2, 2)
    runs = search(mlflow, changed)
    assert sorted(tags_of(run)["perceptune.trial"] for run in runs) == ["0", "1", "2", "3"]
    assert "the small one" in {tags_of(run).get("mlflow.note.content") for run in runs}

    async def export() -> Any:
        async with AsyncClient(sweep._client.url) as client:
            return await (await client.get(sweep.id)).to_mlflow(mlflow)

    assert finished(export()) == changed._replace(new_runs=0, unchanged_runs=4)


def test_the_command_says_what_it_did_or_why_it_can_not(mlflow: str, sweep: Sweep) -> None:
    """In a sentence each, with exit code 1 where it can't."""

    def perceptune(*arguments: str) -> tuple[int, str]:
        path = os.pathsep.join([str(ROOT / "client" / "src"), os.environ.get("PYTHONPATH", "")])
        answer = say("export-mlflow", *arguments, PERCEPTUNE_URL=sweep._client.url, PYTHONPATH=path)
        assert "Traceback" not in answer.stderr
        return answer.returncode, answer.stdout or answer.stderr

    code, words = perceptune(str(sweep.id), mlflow, "--experiment", "by command")
    assert (code, words.splitlines()[0]) == (0, "Experiment 'by command': 4 runs written, 0 as they were.")
    assert perceptune("1000000", mlflow)[0] == 1
    for uri, part in (
        ("mlruns", "'mlruns' is no address of an MLflow server"),
        ("http://127.0.0.1:9", "No MLflow server answers at http://127.0.0.1:9"),
        (sweep._client.url, f"MLflow at {sweep._client.url} can't be used: "),
    ):
        code, words = perceptune(str(sweep.id), uri)
        assert (code, words.count("\n")) == (1, 1), words
        assert words.startswith(f"perceptune: {part}")


def test_an_experiment_of_something_else_is_left_alone(mlflow: str, trained: Sweep) -> None:
    """An experiment that has the name already is no reason to write into it."""
    from mlflow import MlflowClient

    MlflowClient(mlflow).create_experiment(f"sweep {trained.id}: {trained.name}")
    with pytest.raises(MlflowError, match="of another sweep"):
        trained.to_mlflow(mlflow)
    assert trained.to_mlflow(mlflow, "elsewhere").new_runs == 2
