"""Attacks a real server with odd calls, and says how it fared."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from sqlalchemy import Engine, text

from app.db.engine import connect
from app.db.migrations import migrate
from app.service.postgres.server import running
from tests.fuzz.calls import Caller
from tests.support.machine.process_size import Size, size_of
from tests.support.sweeps.export_examples import rich_sweep
from tests.support.up_process import Up, up

WARM_SHARE = 0.2  # of the calls, after which a server has loaded all that it loads
CLEAN_EVERY = 200  # calls; what was accepted is deleted, so that the database stays as small as it was


@dataclass
class Outcome:
    """The answers by kind of call and status, and what the server held when it was warm and at the end."""

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warm: Size | None = None
    end: Size | None = None


def attack(folder: Path, *, calls: int, seed: int, say: Callable[[str], None] = lambda _: None) -> Outcome:
    """Starts a Postgres and a server of its own in an empty folder, on loopback, and makes so many calls."""
    with running(folder, {"fsync": "off", "synchronous_commit": "off"}) as database:
        engine = connect(database)
        migrate(engine)
        rich_sweep(engine)
        with up(folder, "--workers", "0", DATABASE_URL=database, PERCEPTUNE_HOME=folder) as server:
            outcome = _call(server, engine, folder, calls, seed, say)
            outcome.errors += [line for line in server.log.read_text().splitlines() if "unexpected error" in line]
        engine.dispose()
    return outcome


def _call(server: Up, engine: Engine, folder: Path, calls: int, seed: int, say: Callable[[str], None]) -> Outcome:
    outcome = Outcome()
    caller = Caller(server.url, engine, _exports(server.url), folder, seed)
    for number in range(calls):
        kind, status = caller.call()
        outcome.answers.setdefault(kind, Counter())[str(status or "no answer")] += 1
        if status is not None and status >= 500:
            outcome.errors.append(f"call {number}, {kind}: {status}")
        if number % CLEAN_EVERY == 0:
            _clean(engine)
        if number == int(calls * WARM_SHARE):
            outcome.warm = size_of(server.process.pid, engine)
            say(f"{number} calls: {outcome.warm}")
    caller.close()
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        client.get("/readyz").raise_for_status()
    outcome.end = size_of(server.process.pid, engine)
    return outcome


def _exports(url: str) -> dict[str, bytes]:
    with httpx2.Client(base_url=url, timeout=60) as client:
        answers = {
            ending: client.get(f"/api/v1/sweeps/1/export.{ending}?epochs=true") for ending in ("json", "csv", "parquet")
        }
        return {ending: answer.raise_for_status().content for ending, answer in answers.items()}


def _clean(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM sweeps WHERE id > 1"))
        connection.execute(text("DELETE FROM trials WHERE sweep_id = 1 AND number > 100"))
