"""Rows that each earlier version wrote, after an upgrade to this one: everything answers, and says what was stored."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, update

from app import queue
from app.charts.registry import CHARTS
from app.config import Settings
from app.db.engine import connect, transaction
from app.db.tables import Sweep, Trial
from app.db.trial_rows import configuration
from app.web.app import create_app
from tests.conftest import new_database
from tests.support.queue_examples import claim, new_worker
from tests.support.sweeps.earlier_versions import EPOCHS, SEEDS, SPACE, TRIALS, upgrade_with_rows, value_of
from tests.support.sweeps.stored_totals import wrong_totals

KEY = "a key of the environment"


class Upgraded(NamedTuple):
    """The database with rows of every version; its sweeps by the version that wrote them; a server on it."""

    engine: Engine
    sweeps: dict[str, list[int]]
    client: TestClient

    def get(self, path: str) -> Any:
        """The JSON of an answer of 200."""
        answer = self.client.get(f"/api/v1{path}")
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def all_sweeps(self) -> list[Sweep]:
        with transaction(self.engine) as session:
            return list(session.scalars(select(Sweep).order_by(Sweep.id)))


@pytest.fixture(scope="module")
def upgraded(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Brought from one version to the next, with rows written at each."""
    home: Path = tmp_path_factory.mktemp("home")
    with new_database(postgres, "template0") as url:
        engine = connect(url)
        sweeps = upgrade_with_rows(engine)
        settings = Settings(home=home, DATABASE_URL=url, port=0, workers=0, device="cpu", api_key=KEY)
        with TestClient(create_app(settings), base_url="http://localhost") as client:
            client.headers["Authorization"] = f"Bearer {KEY}"
            yield Upgraded(engine, sweeps, client)
        engine.dispose()


def test_every_trial_with_parameters_has_its_configuration(upgraded: Upgraded) -> None:
    """Of every version, by the rule of this one: equal parameters are one configuration, whoever stored them."""
    with transaction(upgraded.engine) as session:
        trials = session.execute(select(Trial, Sweep.task).join(Sweep, Sweep.id == Trial.sweep_id)).all()
    assert len(trials) > 16 * len(upgraded.sweeps)
    for trial, task in trials:
        assert trial.configuration == (None if trial.params is None else configuration(trial.params, task))


def test_totals_of_earlier_sweeps_are_those_of_their_trials(upgraded: Upgraded) -> None:
    """Counted once by the upgrade, and kept by triggers since."""
    assert wrong_totals(upgraded.engine) == []


def test_spaces_pruners_and_exercises_mean_what_they_meant(upgraded: Upgraded) -> None:
    """Whole ranges stay whole, halving stays what it was, looks at test images and the parts of exercises are known."""
    for sweep in upgraded.all_sweeps():
        revision = sweep.name.split()[-1] if sweep.name.startswith("Exercise") else sweep.name.split()[0]
        assert sweep.exercise_sweep == ("width" if sweep.exercise_run_id else None)
        if sweep.task == "train_mlp":
            assert sweep.space == SPACE | {"momentum": {"low": 0, "high": 1, "step": 1}}
            assert (sweep.pruner or {}).get("mode") == {"0001": None, "0002": "stopping"}.get(revision, "promotion")
        if sweep.name in ("0001 completed", "0003 completed"):
            looks = [{"at": None, "number": 0, "runs": SEEDS, "test_accuracy": 0.5}]
            assert sweep.test_scores == looks


@pytest.mark.parametrize("state", TRIALS)
def test_the_api_says_what_was_stored(upgraded: Upgraded, state: str) -> None:
    """Counts, the best trial, trials with their runs, and curves."""
    for sweeps in upgraded.sweeps.values():
        sweep = sweeps[[*TRIALS].index(state)]
        summary, trials = upgraded.get(f"/sweeps/{sweep}"), upgraded.get(f"/sweeps/{sweep}/trials")["items"]
        assert summary["state"] == state
        assert [trial["state"] for trial in trials] == TRIALS[state]
        complete = [number for number, trial_state in enumerate(TRIALS[state]) if trial_state == "complete"]
        assert {trial["number"]: trial["value"] for trial in trials if trial["state"] == "complete"} == {
            number: value_of(number) for number in complete
        }
        assert (summary["best"] or {}).get("number") == max(complete, default=None)
        for number in complete:
            points = upgraded.get(f"/sweeps/{sweep}/trials/{number}/epochs")["items"]
            assert len(points) == SEEDS * EPOCHS


def test_pages_charts_and_exports_answer(upgraded: Upgraded) -> None:
    """Of every version the page of a sweep and of its exercise, and an export, of the first one all charts."""
    pages = ["/", "/workers", "/exercises/1", "/keys", "/metrics", "/api/v1/exercises/1/runs"]
    completed = [*TRIALS].index("completed")
    for sweeps, ending in zip(upgraded.sweeps.values(), cycle(["json", "csv", "parquet"])):
        pages += [f"/sweeps/{sweep}" for sweep in (sweeps[completed], *sweeps[len(TRIALS) :])]
        pages += [f"/api/v1/sweeps/{sweeps[completed]}/export.{ending}?epochs=true"]
    first = upgraded.sweeps["0001"][completed]
    pages += [f"/sweeps/{first}/{page}" for page in ("log", "setup", "trials/0", "shares")]
    pages += [f"/api/v1/sweeps/{first}/charts/{name}" for name in CHARTS]
    wrong = {page: answer.status_code for page in pages if (answer := upgraded.client.get(page)).status_code != 200}
    assert wrong == {}


def test_earlier_sweeps_go_on(upgraded: Upgraded) -> None:
    """What ran and waited is taken up once the leases of workers that are gone have ended; what was to stop stops."""
    with transaction(upgraded.engine) as session:
        session.execute(update(Trial).where(Trial.lease_until.is_not(None)).values(lease_until=func.now()))
    with transaction(upgraded.engine) as session:
        queue.expire(session)
    worker = new_worker(upgraded.engine)
    claimed_ids = {
        trial.lease.trial_id for trials in iter(lambda: claim(upgraded.engine, worker), []) for trial in trials
    }
    with transaction(upgraded.engine) as session:
        statement = select(Sweep.name).join(Trial, Trial.sweep_id == Sweep.id).where(Trial.id.in_(claimed_ids))
        claimed = set(session.scalars(statement))
    assert claimed == {f"{revision} {state}" for revision in upgraded.sweeps for state in ("queued", "running")}
    states = {sweep.name: sweep.state for sweep in upgraded.all_sweeps()}
    assert {states[f"{revision} stopping"] for revision in upgraded.sweeps} == {"completed"}
