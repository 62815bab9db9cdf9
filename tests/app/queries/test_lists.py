"""Lists over HTTP: their filters, their pages, what they refuse; and the time left that a sweep shows."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app import queries, queue
from app.config import Settings
from app.db.engine import transaction
from app.web.app import create_app
from tests.app.lifecycle.test_best import again
from tests.support.queue_examples import (
    change,
    choose,
    claim,
    complete,
    create_grid,
    create_sweep,
    finish,
    new_worker,
    record,
    success,
)
from tests.support.sweeps.measured_sweeps import a_sweep, end

PAGES_OF_TRIALS = "/api/v1/sweeps/1/trials"


def test_sweeps_are_found_by_tag_and_state(client: TestClient, engine: Engine) -> None:
    """Both filters together, and pages of what they leave."""
    for tags in (["a"], ["a", "b"], ["b"], ["a"]):
        create_sweep(engine, tags=tags)
    change(engine, 4, "cancel")

    def found_ids(query: str) -> list[int]:
        return [sweep["id"] for sweep in client.get(f"/api/v1/sweeps?{query}").json()["items"]]

    assert (found_ids("tag=a"), found_ids("tag=b"), found_ids("tag=c")) == ([4, 2, 1], [3, 2], [])
    assert (found_ids("tag=a&state=queued"), found_ids("tag=a&limit=1&after=4")) == ([2, 1], [2])


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("sweeps?stat=queued", "stat"),
        ("sweeps?tag=a,b", "tag"),
        ("sweeps?tag=a%00", "tag"),
        ("sweeps?state=waiting", "state"),
        ("sweeps/1/trials?offset=3", "offset"),
        ("sweeps/1?verbose=1", "verbose"),
        ("workers?limit=3", "limit"),
    ],
)
def test_a_query_parameter_that_does_not_exist_is_refused(
    client: TestClient, engine: Engine, path: str, field: str
) -> None:
    """A misspelt filter must not answer with everything: 422 names it."""
    create_sweep(engine)
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", field])


def test_the_refusal_says_which_parameters_there_are(client: TestClient) -> None:
    """The sentence can be read aloud, and names the known ones."""
    detail = client.get("/api/v1/sweeps?stat=queued").json()["detail"]
    assert detail == "The query parameter stat is unknown; this call has after, limit, state, tag."


def test_every_call_refuses_unknown_query_parameters(settings: Settings, engine: Engine) -> None:
    """All calls of the API, whatever is added to it."""
    create_sweep(engine)
    app = create_app(settings)
    values = {"name": "history", "call": "pause", "run_id": "1", "number": "1"}
    with TestClient(app, base_url="http://localhost") as client:
        for path, calls in app.openapi()["paths"].items():
            address = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "1"), path)
            for method in calls:
                answer = client.request(method, f"{address}?no_such_parameter=1")
                assert (answer.status_code, "no_such_parameter" in answer.text) == (422, True), (method, path)


@pytest.mark.parametrize("order_by", ["number", "-number", "value", "-value", "state"])
def test_pages_of_trials_show_each_once(client: TestClient, engine: Engine, order_by: str) -> None:
    """`next` leads through all of them in the order asked for."""
    sweep, worker = create_grid(engine, *range(1, 8)), new_worker(engine)
    trials = claim(engine, worker, max_trials=4)
    finish(engine, sweep, worker, [success(trial.lease, trial.number / 10) for trial in trials])
    whole = client.get(PAGES_OF_TRIALS, params={"order_by": order_by}).json()["items"]
    items, after = [], None
    while True:
        query = {"order_by": order_by, "limit": "3"} | ({} if after is None else {"after": str(after)})
        page = client.get(PAGES_OF_TRIALS, params=query).json()
        items += page["items"]
        if (after := page["next"]) is None:
            break
    assert (len(items), items) == (7, whole)


@pytest.mark.parametrize("order_by", ["number", "-value"])
def test_a_page_has_so_many_runs_at_most(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, order_by: str
) -> None:
    """A trial with more of them stands alone; `next` leads through all."""
    monkeypatch.setattr(queries.trials, "MAX_RUNS", 5)
    a_sweep(engine, [[0.9, 0.8], [0.7, 0.6], [0.5, 0.4], [0.3, 0.2]])
    again(engine, 1, 0, first_seed=2)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET seeds = 7"))
    end(engine, 1, [[0.1] * 7])
    pages: list[list[int]] = []
    after: dict[str, str] | None = {}
    while after is not None:
        page = client.get(PAGES_OF_TRIALS, params={"order_by": order_by, "limit": "1000", **after}).json()
        pages.append([len(trial["runs"]) for trial in page["items"]])
        after = None if page["next"] is None else {"after": page["next"]}
    assert pages == [[2, 2], [2, 2], [7]]


def test_a_page_of_sweeps_has_so_many_characters_at_most(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what they were set up with: a space lists thousands of values. A sweep with more is alone on its page."""
    for width in range(1, 6):
        create_grid(engine, *range(1, 1001 if width == 3 else 2), notes="n" * 2_000)
    monkeypatch.setattr(queries.pages, "MAX_CHARACTERS", 6_500)
    listed: list[list[int]] = []
    after: str | None = None
    while after is not None or not listed:
        page = client.get("/api/v1/sweeps", params={"limit": 1000} | ({"after": after} if after else {})).json()
        listed.append([sweep["id"] for sweep in page["items"]])
        after = page["next"]
    assert listed == [[5, 4], [3], [2, 1]]


def test_a_page_of_diagnostics_has_so_many_numbers_at_most(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one measurement may be more; a trial's panel is about the last one of each run."""
    sweep = create_grid(engine, 1, seeds=2, diagnostics=True)
    with transaction(engine) as session:
        session.execute(
            text("""
                INSERT INTO diagnostics
                    (trial_id, seed, epoch, dead_share, activation_rms, gradient_rms, distinct_outputs, bottleneck)
                SELECT t.id, seed, epoch, '{0}', '{1,1}', '{1,1}', 7, '{{1,2,3,4,5}}'
                FROM trials t, generate_series(0, 1) AS seed, generate_series(0, 4) AS epoch
            """)
        )
    monkeypatch.setattr(queries.trials, "MAX_NUMBERS", 39)
    path, sizes, items = f"{PAGES_OF_TRIALS}/0/diagnostics", [], []
    after: dict[str, str] | None = {"after": "0"}
    while after is not None:
        page = client.get(path, params=after).json()
        sizes.append(len(page["items"]))
        items += [(item["run"], item["epoch"]) for item in page["items"]]
        after = None if page["next"] is None else {"after": page["next"]}
    assert sizes == [3, 3, 3, 1]
    assert items == [(run, epoch) for run in range(2) for epoch in range(5)]
    monkeypatch.setattr(queries.trials, "MAX_NUMBERS", 1)
    assert len(client.get(path).json()["items"]) == 1
    with transaction(engine) as session:
        last_rows = queries.last_diagnostics(session, sweep, 0)
    assert [(row.run, row.epoch) for row in last_rows] == [(0, 4), (1, 4)]


def test_a_page_by_number_does_not_shift_when_trials_are_removed(client: TestClient, engine: Engine) -> None:
    """The cursor is a number, not a count: what is added or removed before it moves nothing."""
    create_sweep(engine, n_trials=6)
    first = client.get(PAGES_OF_TRIALS, params={"limit": 2}).json()
    with transaction(engine) as session:
        session.execute(text("DELETE FROM trials WHERE number = 0"))
    second = client.get(PAGES_OF_TRIALS, params={"limit": 2, "after": first["next"]}).json()
    assert [trial["number"] for trial in second["items"]] == [2, 3]


def test_the_time_left_does_not_count_pauses(client: TestClient, engine: Engine) -> None:
    """Half done after ten seconds of training, an hour of pause between: ten seconds are left."""
    sweep, worker = create_sweep(engine, n_trials=4), new_worker(engine)
    claimed = claim(engine, worker, max_trials=2)
    choose(engine, sweep, claimed)
    with transaction(engine) as session:
        session.execute(text("UPDATE sweeps SET started_at = started_at - interval '1 h'"))
        past = "interval '1 h' * (1 - number) + interval '5 s'"  # one trial an hour ago, the other just now
        session.execute(text(f"UPDATE trials SET started_at = started_at - {past} WHERE state = 'running'"))
    complete(engine, sweep, worker, claimed)
    with transaction(engine) as session:
        session.execute(text("UPDATE trials SET finished_at = started_at + interval '5 s' WHERE state = 'complete'"))
    answer = client.get(f"/api/v1/sweeps/{sweep}").json()
    assert answer["progress"] == pytest.approx(0.5)
    assert answer["eta_seconds"] == pytest.approx(10, rel=0.01)
    change(engine, sweep, "pause")
    assert client.get(f"/api/v1/sweeps/{sweep}").json()["eta_seconds"] is None


def test_workers_long_gone_are_removed_but_those_of_trials_that_are_kept(engine: Engine) -> None:
    """A week after its last word a worker without trials is forgotten; who trained what stays known."""
    sweep = create_grid(engine, 4)
    trained, idle, alive = (new_worker(engine) for _ in range(3))
    trials = claim(engine, trained)
    record(engine, sweep, [trial.lease for trial in trials])
    with transaction(engine) as session:
        silence = text("UPDATE workers SET last_seen = last_seen - interval '8 days' WHERE id <> :alive")
        session.execute(silence, {"alive": alive})
        queue.forget_workers(session)
        remaining_ids = set(session.execute(text("SELECT id FROM workers")).scalars())
    assert (remaining_ids, idle in remaining_ids) == ({trained, alive}, False)
