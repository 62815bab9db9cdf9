"""Two servers on one database, as behind a proxy: what one of them knows or does is so at the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import cycle, takewhile
from typing import NamedTuple

import httpx2
import pytest
from sqlalchemy import Engine, select

from app.db.engine import connect, transaction
from app.db.tables import Counter, LogEntry
from app.domain.people.log_events import LogEvent
from app.queue.leases import EXPIRED_LEASES
from app.web.repeats import SEEN
from app.web.security.backoff import FREE_FAILURES
from tests.conftest import new_database
from tests.support.queue_examples import (
    BODY,
    at_once,
    claim,
    create_sweep,
    let_lapse,
    new_worker,
    states,
    trials_of,
)
from tests.support.up_process import up
from tests.support.waiting import wait_until
from tests.support.web.webhook_receiver import receiving

KEY = "the key of the environment"
SECRET = "a-secret-of-twenty-letters"


class Pair(NamedTuple):
    """Two servers, and who calls them with a key of the table."""

    engine: Engine
    first: httpx2.Client
    second: httpx2.Client
    key: str
    lapsed_sweep: int  # whose trials had a lease that ran out before the servers were there

    @property
    def both(self) -> tuple[httpx2.Client, httpx2.Client]:
        return self.first, self.second


@pytest.fixture(scope="module")
def pair(postgres: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Started at the same moment, so that both find at once what there is to take back."""
    with ExitStack() as stack:
        url = stack.enter_context(new_database(postgres, template))
        engine = connect(url)
        stack.callback(engine.dispose)
        lapsed = create_sweep(engine, n_trials=20)
        let_lapse(engine, *(trial.lease for trial in claim(engine, new_worker(engine))))
        variables = {"DATABASE_URL": url, "PERCEPTUNE_API_KEY": KEY, "PERCEPTUNE_WEBHOOK_PRIVATE": "true"}
        starts = [up(tmp_path_factory.mktemp("server"), "--workers", "0", **variables) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            urls = [served.url for served in pool.map(stack.enter_context, starts)]
        made = httpx2.post(f"{urls[0]}/api/v1/keys", json={"name": "Ada", "role": "admin"}, headers=bearer(KEY))
        key = made.raise_for_status().json()["key"]
        clients = [stack.enter_context(httpx2.Client(base_url=url, headers=bearer(key), timeout=30)) for url in urls]
        yield Pair(engine, clients[0], clients[1], key, lapsed)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_lapsed_leases_are_taken_back_once(pair: Pair) -> None:
    """Each trial loses one attempt, and is counted and noted once."""
    wait_until(lambda: set(states(pair.engine, pair.lapsed_sweep)) == {"waiting"}, 30)
    assert {trial.attempt for trial in trials_of(pair.engine, pair.lapsed_sweep)} == {1}
    with transaction(pair.engine) as session:
        assert session.scalar(select(Counter.value).where(Counter.name == EXPIRED_LEASES)) == 20
        entries = session.scalars(select(LogEntry.event).where(LogEntry.sweep_id == pair.lapsed_sweep)).all()
    assert entries.count(LogEvent.lost_worker) == 1


def test_a_change_at_one_is_told_by_both(pair: Pair) -> None:
    """Whoever has a page open, at whichever server, hears what was done at the other."""
    sweep = create_sweep(pair.engine)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(client.stream("GET", f"/api/v1/sweeps/{sweep}/events")).iter_lines()
            for client in pair.both
        ]
        for lines in streams:
            assert next(lines) == ": connected"
        pair.first.post(f"/api/v1/sweeps/{sweep}/pause").raise_for_status()
        assert all(any('"paused"' in line for line in lines) for lines in streams)


def test_a_page_that_one_has_made_shows_what_was_done_at_the_other(pair: Pair) -> None:
    """An answer made a moment ago is sent again only to who has heard of nothing newer, wherever that was done."""
    address = f"/sweeps/{create_sweep(pair.engine)}"
    headers = {"HX-Request": "true", SEEN: "1"}
    assert 'id="do-resume"' not in pair.first.get(address, headers=headers).text
    revision = pair.second.post(f"/api/v1{address}/pause").raise_for_status().json()["revision"]
    assert 'id="do-resume"' in pair.first.get(address, headers=headers | {SEEN: str(revision)}).text


def test_two_posts_with_one_key_make_one_sweep(pair: Pair) -> None:
    """Sent to both at once, as by a client that has lost its answer."""

    def post(client: httpx2.Client) -> httpx2.Response:
        return client.post("/api/v1/sweeps", json=BODY, headers={"Idempotency-Key": "once"})

    answers = at_once([partial(post, client) for client in pair.both])
    assert len({answer.raise_for_status().json()["id"] for answer in answers}) == 1


def test_each_change_reaches_its_webhook_once(pair: Pair) -> None:
    """Eight senders of two servers send every change of a sweep, in order, and none of them twice."""
    with receiving() as receiver:
        sweep = create_sweep(pair.engine, webhook={"url": receiver.url, "secret": SECRET})
        calls = ["pause", "resume", "pause", "resume", "cancel"]
        for client, call in zip(cycle(pair.both), calls, strict=False):
            client.post(f"/api/v1/sweeps/{sweep}/{call}").raise_for_status()
        deliveries = f"/api/v1/sweeps/{sweep}/deliveries"
        wait_until(lambda: all(row["delivered_at"] for row in pair.first.get(deliveries).json()["items"]), 30)
        rows = pair.second.get(deliveries).json()["items"]
    assert [headers["webhook-id"] for headers, _ in receiver.received] == [row["delivery"] for row in rows[::-1]]
    assert {row["attempts"] for row in rows} == {1}


def test_a_session_is_good_at_both_and_ends_at_both(pair: Pair) -> None:
    """A browser that has logged in at one server is known at the other; logged out, it is soon known at none."""
    with httpx2.Client(timeout=30) as browser:
        first, second = (client.base_url for client in pair.both)
        browser.post(first.join("/login"), data={"key": pair.key})
        assert browser.get(second.join("/api/v1/sweeps")).status_code == 200
        cookies = dict(browser.cookies)
        browser.post(second.join("/logout"))
        for address in (first, second):
            wait_until(partial(is_refused, address.join("/api/v1/sweeps"), cookies), 30)


def is_refused(address: httpx2.URL, cookies: dict[str, str]) -> bool:
    return httpx2.get(address, cookies=cookies).status_code == 401


def test_wrong_keys_at_one_count_at_the_other(pair: Pair) -> None:
    """Who guesses at both has no more tries than at one before he has to wait; the last test: all of us are he."""
    addresses = cycle(str(client.base_url.join("/api/v1/sweeps")) for client in pair.both)
    answers = (httpx2.get(address, headers=bearer("a guess")) for address in addresses)
    tries = len(list(takewhile(lambda answer: answer.status_code == 401, answers)))
    assert FREE_FAILURES < tries < 2 * (FREE_FAILURES + 1)
