"""Further seeds for the better configurations of a sweep, and what the sweep makes of them."""

from collections import Counter
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.domain.states import SweepState, TrialState
from app.queries.totals import TOTALS
from app.queue.claims import ClaimedTrial
from app.queue.progress import RunResult, TrialResult
from app.search.assignment import assign_params
from app.search.history import observations
from tests.support.queue_examples import (
    BODY,
    change,
    claim,
    create_grid,
    create_sweep,
    failure,
    finish,
    new_worker,
    runs_of,
    setup_of,
    sweep_of,
    trials_of,
)
from tests.support.waiting import wait_until

ONE_THEN_THREE = {"first": 1, "survivors": 3}


def ended(trial: ClaimedTrial, value: float, seeds: int = 1) -> TrialResult:
    """The result of a trial all of whose runs have this value."""
    runs = [RunResult(trial.first_seed + seed, value, None, 0.1) for seed in range(seeds)]
    return TrialResult(trial.lease, value, None, None, runs)


def train(engine: Engine, sweep: int, values: dict[int, float], at_once: int = 1) -> None:
    """Trains all that waits, so many at once; a trial's value is that of its width."""
    worker = new_worker(engine)
    while claimed := claim(engine, worker, max_trials=at_once):
        trials = assign_params(engine, setup_of(engine, sweep), claimed)
        widths = [int((trial.params or {})["hidden_units"]) for trial in trials]
        finish(
            engine, sweep, worker, [ended(trial, values[width]) for trial, width in zip(trials, widths, strict=True)]
        )


def seeds_by_width(engine: Engine, sweep: int) -> dict[int, list[int]]:
    """The first seeds of the trials of each width."""
    seeds: dict[int, list[int]] = {}
    for trial in trials_of(engine, sweep):
        seeds.setdefault((trial.params or {})["hidden_units"], []).append(trial.first_seed)
    return seeds


def survivors(engine: Engine, sweep: int) -> list[int]:
    return [width for width, seeds in seeds_by_width(engine, sweep).items() if len(seeds) > 1]


def test_the_best_third_gets_further_seeds(engine: Engine) -> None:
    """Each as many as were asked for, by trials that the sweep queues itself; then it completes."""
    values = {width: width / 100 for width in range(1, 10)}
    sweep = create_grid(engine, *values, seeds=ONE_THEN_THREE)
    train(engine, sweep, values, at_once=9)
    assert seeds_by_width(engine, sweep) == {width: [0, 1, 2] if width >= 7 else [0] for width in values}
    assert [trial.is_survivor for trial in trials_of(engine, sweep)] == [False] * 9 + [True] * 6
    assert sweep_of(engine, sweep).state == SweepState.completed


@pytest.mark.parametrize("values", [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]])
def test_places_open_as_trials_end(engine: Engine, values: list[float]) -> None:
    """One for each three, for the best at that time that has none; in the end the best of all has one."""
    by_width = {width: values[40 - width] for width in range(40, 33, -1)}  # the widest are claimed first
    sweep = create_grid(engine, *by_width, seeds=ONE_THEN_THREE)
    train(engine, sweep, by_width)
    widths = survivors(engine, sweep)
    assert max(by_width, key=lambda width: by_width[width]) in widths
    assert widths == ([38, 35, 34] if values[0] < values[1] else [40, 39, 38])


def test_of_a_large_sweep_places_are_given_a_hundredth_at_a_time(engine: Engine) -> None:
    """All that is complete is read for it; the last ones are given when others complete, or nothing is left to do."""
    values = {width: width / 1000 for width in range(1, 403)}
    sweep, worker = create_grid(engine, *values, seeds=ONE_THEN_THREE), new_worker(engine)
    with transaction(engine) as session:
        session.execute(
            text("UPDATE trials SET state = 'complete', value = 0.1, finished_at = now() WHERE number < 396")
        )
    last_trials = claim(engine, worker)
    given = []
    for part in (last_trials[:1], last_trials[1:3], last_trials[3:5], last_trials[5:]):
        finish(engine, sweep, worker, [ended(trial, 0.5) for trial in part])
        given.append(len(survivors(engine, sweep)))
    train(engine, sweep, values, at_once=1000)
    assert [*given, len(survivors(engine, sweep))] == [0, 133, 133, 133, 134]
    assert sweep_of(engine, sweep).state == SweepState.completed


def test_no_configuration_gets_them_twice(engine: Engine, client: TestClient) -> None:
    """When the sweep is extended the places are those of all its configurations."""
    values = {width: width / 100 for width in range(1, 65)}
    sweep = create_sweep(engine, n_trials=6, seeds=ONE_THEN_THREE, sampler="qmc")
    train(engine, sweep, values, at_once=6)
    assert Counter(map(len, seeds_by_width(engine, sweep).values())) == {1: 4, 3: 2}
    assert client.patch(f"/api/v1/sweeps/{sweep}", json={"n_trials": 12}).json()["n_trials"] == 12
    train(engine, sweep, values, at_once=6)
    assert Counter(map(len, seeds_by_width(engine, sweep).values())) == {1: 8, 3: 4}
    for seeds in seeds_by_width(engine, sweep).values():
        assert len(set(seeds)) == len(seeds)


def test_seeds_that_somebody_asked_for_are_not_trained_again(engine: Engine, client: TestClient) -> None:
    """The survivor gets those that it lacks."""
    sweep, worker = create_grid(engine, 1, 2, 3, seeds=ONE_THEN_THREE), new_worker(engine)
    (first,) = claim(engine, worker, max_trials=1)
    finish(engine, sweep, worker, [ended(first, 0.9)])
    client.post(f"/api/v1/sweeps/{sweep}/rerun-top", json={"k": 1, "seeds": 1})
    train(engine, sweep, {1: 0.1, 2: 0.2, 3: 0.9})
    trials = trials_of(engine, sweep)
    assert seeds_by_width(engine, sweep) == {1: [0], 2: [0], 3: [0, 1, 2]}
    assert [(trial.enqueued, trial.is_survivor) for trial in trials[3:]] == [(True, False), (False, True)]


def test_longer_training_asks_for_no_further_seeds(engine: Engine, client: TestClient) -> None:
    """Neither as a configuration of its own nor as a survivor; reruns are no candidates either."""
    values = {width: width / 100 for width in range(1, 4)}
    sweep = create_grid(engine, *values, seeds=ONE_THEN_THREE)
    train(engine, sweep, values)
    assert client.post(f"/api/v1/sweeps/{sweep}/continue", json={"top": 2, "epochs": 5}).is_success
    assert client.post(f"/api/v1/sweeps/{sweep}/rerun-top", json={"k": 1, "seeds": 1}).is_success
    summary = client.get(f"/api/v1/sweeps/{sweep}").json()
    ends = client.get(f"/api/v1/sweeps/{sweep}/trials").json()["items"]
    done = sum(trial["state"] == "complete" for trial in ends)
    assert (len(ends), done, summary["survivor_trials"]) == (8, 5, 2)
    with transaction(engine) as session:
        totals = session.execute(TOTALS, {"ids": [sweep]}).one()
    assert totals.candidates == 3
    train(engine, sweep, dict.fromkeys(values, 0.9))
    assert Counter(trial.is_survivor for trial in trials_of(engine, sweep)) == {False: 6, True: 2}


def test_a_configuration_that_is_surely_worse_gets_none(engine: Engine) -> None:
    """Its place stays free: with several first seeds the sweep compares them in pairs."""
    sweep, worker = create_grid(engine, 1, 2, 3, 4, 5, 6, seeds={"first": 3, "survivors": 6}), new_worker(engine)
    values = {1: 0.1, 2: 0.1, 3: 0.1, 4: 0.1, 5: 0.7, 6: 0.9}
    noise = [0.05, -0.05, 0.0]

    def result(trial: ClaimedTrial) -> TrialResult:
        mean = values[(trial.params or {})["hidden_units"]]
        runs = [RunResult(trial.first_seed + seed, mean + noise[seed], None, 0.1) for seed in range(3)]
        return TrialResult(trial.lease, mean, 0.05, None, runs)

    while claimed := claim(engine, worker):
        finish(engine, sweep, worker, list(map(result, claimed)))
    assert seeds_by_width(engine, sweep) == {width: [0, 3] if width == 6 else [0] for width in values}


def test_a_sweep_that_stops_queues_no_more(engine: Engine) -> None:
    """Survivors that wait are dropped as all that waits is; a paused sweep queues them, and they wait."""
    values = {width: width / 100 for width in range(1, 7)}
    worker = new_worker(engine)
    left = {
        "pause": {TrialState.complete: 3, TrialState.waiting: 5},
        "stop": {TrialState.complete: 3, TrialState.cancelled: 3},
    }
    for call, states in left.items():
        sweep = create_grid(engine, *values, seeds=ONE_THEN_THREE)
        running = claim(engine, worker, max_trials=3)
        change(engine, sweep, call)
        finish(engine, sweep, worker, [ended(trial, 0.5) for trial in running])
        assert Counter(trial.state for trial in trials_of(engine, sweep)) == states


def test_the_sampler_sees_a_survivor_once(engine: Engine) -> None:
    """With the mean over all its seeds."""
    sweep, worker = create_grid(engine, 1, 2, 3, seeds=ONE_THEN_THREE), new_worker(engine)
    while claimed := claim(engine, worker):
        finish(engine, sweep, worker, [ended(trial, 0.9 - 0.3 * trial.first_seed + trial.number) for trial in claimed])
    with transaction(engine) as session:
        seen = {trial.number: trial.values for trial in observations(session, sweep)}
    (survivor,) = survivors(engine, sweep)
    assert survivor == 3
    own = [trial.value or 0.0 for trial in trials_of(engine, sweep) if (trial.params or {})["hidden_units"] == 3]
    assert seen == {0: (0.9,), 1: (1.9,), 2: (pytest.approx(sum(own) / 3),)}


def test_the_sampler_sees_a_survivor_that_diverged_as_failed(engine: Engine) -> None:
    """Its configuration has no mean, however good its first value was; a lost worker says nothing of it."""
    sweep, worker = create_grid(engine, 1, 2, 3, 4, 5, 6, seeds=ONE_THEN_THREE), new_worker(engine)
    finish(engine, sweep, worker, [ended(trial, 0.9 - trial.number / 100) for trial in claim(engine, worker)])
    further = {(trial.number - 6) // 2: trial.lease for trial in claim(engine, worker) if trial.first_seed == 1}
    lost = TrialResult(further[1], None, None, "its worker was lost 3 times", [])
    finish(engine, sweep, worker, [failure(further[0]), lost])
    with transaction(engine) as session:
        seen = {trial.number: (trial.state, trial.values) for trial in observations(session, sweep)}
    assert (seen[0], seen[1]) == (("failed", ()), ("complete", (0.89,)))


def test_a_diverged_trial_is_no_candidate(engine: Engine) -> None:
    """Nor an excluded one: the places are those of what is complete."""
    sweep, worker = create_grid(engine, 1, 2, 3, seeds=ONE_THEN_THREE), new_worker(engine)
    claimed = claim(engine, worker)
    finish(engine, sweep, worker, [failure(trial.lease) for trial in claimed])
    assert sweep_of(engine, sweep).state == SweepState.failed
    assert len(trials_of(engine, sweep)) == 3


def test_counts_and_progress_know_of_what_is_to_come(client: TestClient, engine: Engine) -> None:
    """`n_trials` is the budget that was posted; the work that is left includes survivors that are still to be found."""
    values = {width: width / 100 for width in range(1, 7)}
    sweep, worker = create_grid(engine, *values, seeds=ONE_THEN_THREE), new_worker(engine)
    path = f"/api/v1/sweeps/{sweep}"
    assert client.get(path).json()["seeds"] == ONE_THEN_THREE
    first = claim(engine, worker, max_trials=3)
    finish(engine, sweep, worker, [ended(trial, 0.5) for trial in first])
    summary = client.get(path).json()
    assert (summary["n_trials"], summary["survivor_trials"], summary["counts"]["waiting"]) == (6, 2, 5)
    assert summary["progress"] == pytest.approx((4 + 5 + 6) / (1 + 2 + 3 + 4 + 5 + 6 + 2 * 6 + 2 * 3.5), abs=0.1)
    train(engine, sweep, values)
    summary = client.get(path).json()
    assert (summary["n_trials"], summary["survivor_trials"], summary["progress"]) == (6, 4, 1.0)
    page = client.get(f"/sweeps/{sweep}").text
    assert "1 seed per trial, 3 for survivors" in page
    assert "survivor" in page


def test_a_preview_gives_the_most_that_it_can_be(client: TestClient) -> None:
    """Nobody knows before how many places stay free; whole numbers mean what they meant."""
    body = BODY | {"n_trials": 7, "seeds": {"first": 2, "survivors": 6}}
    preview = client.post("/api/v1/sweeps/preview", json=body).json()
    assert (preview["trainings"], preview["survivors"]) == (7 * 2 + 3 * 4, 3)
    plain = client.post("/api/v1/sweeps/preview", json=BODY | {"n_trials": 7, "seeds": 3}).json()
    assert (plain["trainings"], plain["survivors"]) == (21, None)
    form = {"name": "x", "n_trials": "7", "seeds": "2", "survivors": "6"}
    page = client.post("/sweeps/new/preview", data=form)
    assert "at most 3 of them with 6: at most 26 trainings" in page.text


def test_copies_ask_for_the_same(client: TestClient, engine: Engine) -> None:
    """A clone has the budget without survivors; an imported export has all trials, and knows which they are."""
    values = {width: width / 100 for width in range(1, 7)}
    sweep = create_grid(engine, *values, seeds=ONE_THEN_THREE)
    train(engine, sweep, values, at_once=6)
    clone = client.post(f"/api/v1/sweeps/{sweep}/clone", json={"sampler": "random", "n_trials": 6}).json()
    assert (clone["seeds"], clone["n_trials"]) == (ONE_THEN_THREE, 6)
    export = client.get(f"/api/v1/sweeps/{sweep}/export.csv").content
    copy = client.post("/api/v1/sweeps/import", content=export).json()
    assert (copy["seeds"], copy["n_trials"], copy["survivor_trials"]) == (ONE_THEN_THREE, 6, 4)
    facts = [(trial.number, trial.first_seed, trial.is_survivor) for trial in trials_of(engine, copy["id"])]
    assert facts == [(trial.number, trial.first_seed, trial.is_survivor) for trial in trials_of(engine, sweep)]


@pytest.mark.parametrize(
    ("changes", "loc", "words"),
    [
        (
            {"seeds": {"first": 2, "survivors": 5}},
            ["seeds", "survivors"],
            "must be a multiple of first and more than that: 4, 6",
        ),
        ({"seeds": {"first": 2, "survivors": 2}}, ["seeds", "survivors"], "4, 6"),
        ({"seeds": {"first": 0, "survivors": 2}}, ["seeds", "first"], "greater than or equal to 1"),
        ({"seeds": {"survivors": 2}}, ["seeds", "first"], "is missing"),
        ({"seeds": {"first": 1, "survivors": 3, "share": 0.5}}, ["seeds", "share"], "unknown"),
        ({"seeds": "3"}, ["seeds"], "whole number"),
        ({"seeds": 0}, ["seeds"], "greater than or equal to 1"),
        ({"seeds": ONE_THEN_THREE, "best_by": "mean"}, ["best_by"], "must be expected or lower_bound"),
    ],
)
def test_a_wrong_field_is_named(refusing: TestClient, changes: dict[str, Any], loc: list[str], words: str) -> None:
    """422 with its path and what would be right."""
    answer = refusing.post("/api/v1/sweeps", json=BODY | changes)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, loc)
    assert words in answer.json()["errors"][0]["msg"]


@pytest.mark.usefixtures("worker")
def test_survivors_are_trained_by_workers(engine: Engine) -> None:
    """What they get are the runs that three seeds for all would have given them."""
    space = {"hidden_units": 8, "learning_rate": [0.001, 0.01, 0.05, 0.1, 0.3, 0.5], "epochs": 2}
    sweeps = [
        create_sweep(engine, space=space, sampler="grid", n_trials=None, seeds=seeds) for seeds in (ONE_THEN_THREE, 3)
    ]
    for sweep in sweeps:
        wait_until(lambda sweep=sweep: sweep_of(engine, sweep).state == SweepState.completed)  # type: ignore[misc]
    runs = {
        (run_configuration(engine, sweeps[1], run.trial_id), run.seed): run.value for run in runs_of(engine, sweeps[1])
    }
    own_runs = runs_of(engine, sweeps[0])
    assert len(own_runs) == 6 + 2 * 2
    for run in own_runs:
        assert run.value == pytest.approx(runs[run_configuration(engine, sweeps[0], run.trial_id), run.seed], abs=1e-6)


def run_configuration(engine: Engine, sweep: int, trial_id: int) -> str | None:
    return next(trial.configuration for trial in trials_of(engine, sweep) if trial.id == trial_id)
