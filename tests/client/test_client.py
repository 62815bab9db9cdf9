"""The client from a sweep's making to a prediction, what it makes of refusals and faults, and its asyncio twin."""

import asyncio
import inspect
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import plotly.graph_objects as go
import polars
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from app.config import Settings
from app.service.up import Service
from perceptune import (
    AsyncClient,
    AsyncSweep,
    BusyError,
    Client,
    ConflictError,
    InvalidError,
    NotFoundError,
    Sweep,
    UnauthorizedError,
    UnreachableError,
    flows,
)
from perceptune._models import Counts
from perceptune.progress import Progress, ended_trials
from tests.support import client_twin
from tests.support.own_loop import finished
from tests.support.paths import ROOT
from tests.support.web.flaky_front import Fault, before
from worker.data.datasets import load

SPACE = {"hidden_units": [2, 16], "epochs": 1}


def test_a_sweep_is_waited_for_and_looked_at(trained: Sweep) -> None:
    """Its state, its best configuration, and its trials as models and as frames of both libraries."""
    assert (trained.state, trained.ended, trained.progress, trained.counts.complete) == ("completed", True, 1, 2)
    assert trained.best.params["hidden_units"] in {2, 16}
    models = trained.trials("models", order_by="value")
    assert [len(trial.runs) for trial in models] == [2, 2]
    assert models[0].value <= models[1].value == trained.best.value
    for frame in (trained.trials("pandas", order_by="value"), trained.trials("polars", order_by="value")):
        assert isinstance(frame, pandas.DataFrame | polars.DataFrame)
        assert list(frame["value"]) == [trial.value for trial in models]
        assert sorted(frame["hidden_units"]) == [2, 16]
    assert isinstance(trained.trials(), pandas.DataFrame)
    assert len(trained.curves(0)) == 2 * 8


def test_charts_are_figures(trained: Sweep) -> None:
    """Of plotly, with the options of the chart; and pages that stand alone."""
    figure = trained.chart("effect", x="hidden_units")
    assert isinstance(figure, go.Figure)
    assert figure.layout.xaxis.title.text == "hidden_units"
    assert trained.chart_page("curves").startswith("<!")
    with pytest.raises(InvalidError, match="hidden_unitz"):
        trained.chart("effect", x="hidden_unitz")


def test_the_best_model_predicts(trained: Sweep, tmp_path: Path) -> None:
    """On the held-out digits it is as often right as the run that it is of, also read from its file again."""
    model = trained.model()
    assert (model.info.sweep, model.info.trial) == (trained.id, trained.best.number)
    data = load("digits", "holdout", home=tmp_path, device=torch.device("cpu"))
    labels = [model.info.classes[label] for label in data.val_y]
    model.save(tmp_path / "model.safetensors")
    for network in (model, model.load(tmp_path / "model.safetensors")):
        classes = network.predict(data.val_x)
        hits = [label == predicted for label, predicted in zip(labels, classes, strict=True)]
        assert np.mean(hits) == pytest.approx(model.info.value, abs=1e-6)
    worse = 1 - trained.best.number
    with pytest.raises(ConflictError):
        trained.model(worse)
    with pytest.raises(ValueError, match="from 0 to 1"):
        model.predict(np.full((1, 64), 16))
    with pytest.raises(ValueError, match="takes"):
        model.predict(np.zeros((2, 63)))


def test_a_sweep_is_a_study(trained: Sweep, trained_server: str) -> None:
    """With the same best trial, and distributions of what varies: choices, whole numbers and reals."""
    study = trained.to_optuna()
    assert (study.best_value, study.best_trial.user_attrs["number"]) == (trained.best.value, trained.best.number)
    assert study.best_trial.distributions == {"hidden_units": CategoricalDistribution([2, 16])}
    space = {
        "hidden_units": {"low": 2, "high": 8},
        "learning_rate": {"low": 0.01, "high": 1, "log": True},
        "dropout": {"low": 0.0, "high": 0.5, "step": 0.2},
        "epochs": 1,
    }
    with Client(trained_server) as client:
        sweep = client.sweep("ranges", space=space, dataset="digits", n_trials=3).wait(timeout=120)
        (trial, *_) = sweep.to_optuna().trials
        assert trial.distributions == {
            "hidden_units": IntDistribution(2, 8),
            "learning_rate": FloatDistribution(0.01, 1, log=True),
            "dropout": FloatDistribution(0, 0.4, step=0.2),
        }
        assert trial.params | {"epochs": 1} == sweep.trial(0).params


def test_lists_and_previews(trained: Sweep, trained_server: str) -> None:
    """Sweeps by tag and number, data sets, workers, and what a sweep would be."""
    with Client(trained_server) as client:
        assert trained.id in [sweep.id for sweep in client.sweeps(state="completed")]
        assert client.sweeps(tag="nobody has this") == []
        assert client.get(trained.id).name == trained.name
        assert "digits" in [dataset.name for dataset in client.datasets()]
        assert [worker.alive for worker in client.workers()] == [True]
        assert client.preview(space=SPACE, dataset="digits", sampler="grid", seeds=3).trainings == 6
    assert "completed" in repr(trained)


def test_a_sweep_is_changed(idle_server: str) -> None:
    """Paused, resumed, extended, renamed, copied, given a trial of one's own, stopped, cancelled and deleted."""
    with Client(idle_server) as client:
        sweep = client.sweep("rate", space={"learning_rate": {"low": 0.01, "high": 1.0}}, n_trials=3)
        with pytest.raises(LookupError, match="no complete trial yet"):
            _ = sweep.best
        assert sweep.pause().state == "paused"
        assert sweep.resume().state == "queued"
        assert sweep.extend(n_trials=5).data.n_trials == 5
        assert sweep.change(name="rates", tags=["a"]).name == "rates"
        assert sweep.enqueue(learning_rate=0.5).params == {"learning_rate": 0.5}
        assert sweep.clone(name="again").data.n_trials == 5
        assert [other.name for other in client.sweeps(tag="a")] == ["again", "rates"]
        with pytest.raises(ConflictError):
            sweep.rerun()
        assert sweep.stop().state == sweep.cancel().refresh().state == "cancelled"
        assert sweep.retry("cancelled").state == "queued"
        sweep.cancel().delete()
        with pytest.raises(NotFoundError):
            sweep.refresh()


def test_refusals_name_the_fields(idle_server: str) -> None:
    """Each with its path and what would be right, in the error's text too."""
    with Client(idle_server) as client, pytest.raises(InvalidError) as refusal:
        client.sweep("wrong", space={"learning_rate": {"low": 1, "high": 0.1}, "width": 3}, sampler="gridd")
    (field,) = refusal.value.fields
    assert (refusal.value.status, field.loc) == (422, ("sampler",))
    assert f"sampler {field.msg}" in str(refusal.value)


def test_the_key_is_sent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an argument or by the environment, as is the address."""
    with Service(settings.model_copy(update={"api_key": "long enough"})) as service:
        monkeypatch.setenv("PERCEPTUNE_URL", service.url)
        with Client() as client, pytest.raises(UnauthorizedError):
            client.sweeps()
        with Client(key="long enough") as client:
            assert client.sweeps() == []
        monkeypatch.setenv("PERCEPTUNE_API_KEY", "long enough")
        with Client() as client:
            assert client.sweeps() == []


@pytest.mark.parametrize("fault", ["busy", "unavailable", "refused before", "answer lost"])
def test_a_call_that_failed_is_made_again_once(idle_server: str, fault: Fault) -> None:
    """A sweep that was posted is there once, whatever became of the first try."""
    with before(idle_server) as front, Client(front.url) as client:
        front.faults[:] = [fault]
        sweep = client.sweep("once", space=SPACE, dataset="digits", n_trials=2)
        assert [entry.id for entry in client.sweeps()] == [sweep.id]
        assert front.calls.count("POST /api/v1/sweeps") == 2


def test_what_can_not_be_repeated_is_not(idle_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further seeds might be trained twice: the error is the caller's. A server that is always busy is one too."""
    monkeypatch.setattr(flows, "FIRST_PAUSE_SECONDS", 0.05)
    with before(idle_server) as front, Client(front.url) as client:
        sweep = client.sweep("once", space=SPACE, dataset="digits", n_trials=2)
        front.faults[:] = ["answer lost"]
        with pytest.raises(UnreachableError):
            sweep.rerun()
        front.faults[:] = ["unavailable"]
        with pytest.raises(BusyError):
            sweep.rerun()
        front.faults[:] = ["busy"] * 6
        with pytest.raises(BusyError, match="Try again in a moment"):
            client.sweeps()
    with Client(front.url) as client, pytest.raises(UnreachableError, match="does `perceptune up` run there"):
        client.sweeps()


def test_waiting_without_events_polls(trained_server: str) -> None:
    """Where no stream comes through, it looks every two seconds."""
    with before(trained_server) as front, Client(front.url) as client:
        sweep = client.sweep("polled", space=SPACE, dataset="digits", sampler="grid").wait(timeout=120)
        assert sweep.state == "completed"
        assert f"GET /api/v1/sweeps/{sweep.id}/events" in front.calls or sweep.ended


def test_waiting_ends_in_time(idle_server: str) -> None:
    """With an error that says that the sweep goes on."""
    with Client(idle_server) as client:
        sweep = client.sweep("waits", space=SPACE, dataset="digits", n_trials=2)
        with pytest.raises(TimeoutError, match=f"Sweep {sweep.id} is queued after 1 seconds; it goes on"):
            sweep.wait(timeout=1)


def test_events_wake_who_waits(idle_server: str) -> None:
    """A change by somebody else is seen long before the stream would be opened anew."""

    async def wait_for_other() -> AsyncSweep:
        async with AsyncClient(idle_server) as client:
            sweep = await client.sweep("cancelled", space=SPACE, dataset="digits", n_trials=2)
            waiting = asyncio.create_task(sweep.wait(timeout=60))
            await asyncio.sleep(0)
            await (await client.get(sweep.id)).cancel()
            return await waiting

    assert finished(wait_for_other()).state == "cancelled"


class Terminal(io.StringIO):
    """A terminal that remembers what is written."""

    def isatty(self) -> bool:
        return True


def test_trials_end_in_several_ways(trained: Sweep) -> None:
    """All of them count, so that `16/16` stands beside 100 %."""
    counts = Counts(complete=5, pruned=9, failed=1, cancelled=1)
    sweep = trained.data.model_copy(update={"counts": counts, "n_trials": 14, "survivor_trials": 2})
    assert ended_trials(sweep) == "16/16"


def test_progress_is_one_line_in_a_terminal(trained: Sweep) -> None:
    """It is written over, and ends with a line break; elsewhere nothing is shown, or a line for each tenth."""
    half = trained.data.model_copy(update={"progress": 0.5, "state": "running", "eta_seconds": 63.0})
    terminal, file, lines = Terminal(), io.StringIO(), io.StringIO()
    for stream, show in ((terminal, None), (file, None), (lines, True)):
        with Progress(show, stream) as progress:
            for view in (half, half, trained.data):
                progress(view)
    parts = terminal.getvalue().split("\r")
    assert parts[1].startswith(f"width {'█' * 12}{'░' * 12}  50%  2/2 trials, running, best ")
    assert parts[1].endswith(", 1 min 3 s left")
    assert parts[-1].endswith("\n")
    assert len(parts[-1]) > len(parts[1])
    assert file.getvalue() == ""
    assert lines.getvalue().count("\n") == 2


def test_the_twin_in_asyncio_has_the_same_methods() -> None:
    """With the same parameters and the same words."""
    for sync, twin in ((Client, AsyncClient), (Sweep, AsyncSweep)):
        names = [name for name, _ in inspect.getmembers(sync, inspect.isfunction) if not name.startswith("_")]
        assert names == [name for name, _ in inspect.getmembers(twin, inspect.isfunction) if not name.startswith("_")]
        for name in names:
            method, other = getattr(sync, name), getattr(twin, name)
            assert inspect.signature(method).parameters == inspect.signature(other).parameters
            assert inspect.getdoc(method) == inspect.getdoc(other)
            assert inspect.iscoroutinefunction(other)


def test_the_client_for_threads_is_generated_from_the_one_in_asyncio() -> None:
    """`make client-twin` was run after each change."""
    modules = {path: path.read_text(encoding="utf-8") for path in client_twin.GENERATED.glob("*.py")}
    assert modules == client_twin.twins()


def test_asyncio_does_the_same(trained_server: str, trained: Sweep) -> None:
    """A sweep, its trials, its chart and its model."""

    async def look() -> None:
        async with AsyncClient(trained_server) as client:
            sweep = await client.get(trained.id)
            await sweep.wait()
            assert await sweep.trials("models") == trained.trials("models")
            assert (await sweep.chart("curves")) == trained.chart("curves")
            assert (await sweep.model()).content == trained.model().content
            with pytest.raises(NotFoundError):
                await client.get(10**6)

    finished(look())


def test_httpx_and_pydantic_are_enough(trained_server: str, trained: Sweep) -> None:
    """Where nothing else is installed, trials are models, charts are JSON, and a model says what it needs."""
    program = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"numpy", "pandas", "polars", "plotly", "optuna", "app", "IPython"}}:
            raise ModuleNotFoundError(name)
import importlib.util
real = importlib.util.find_spec
hidden = {{"numpy", "pandas", "polars", "plotly", "optuna"}}
importlib.util.find_spec = lambda name, package=None: None if name in hidden else real(name, package)
sys.meta_path.insert(0, Hidden())
from perceptune import Client
sweep = Client({trained_server!r}).get({trained.id})
print(type(sweep.wait().trials()), type(sweep.chart("curves")))
try:
    sweep.model().predict([[0.0] * 64])
except ModuleNotFoundError as error:
    print(error)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {"PYTHONPATH": str(ROOT / "client" / "src")}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd="/")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [
        "<class 'list'> <class 'dict'>",
        "A model is computed with numpy: pip install numpy",
    ]
