"""What is kept of sweeps until their revision is another one."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.queries.standing import kept
from app.queries.standing.kept import KeptByRevision


def reader(reads: list[list[int]]) -> Callable[[list[int]], dict[int, str]]:
    """Reads a value that says how often something was read, and notes what."""

    def read(sweep_ids: list[int]) -> dict[int, str]:
        reads.append(sweep_ids)
        return {sweep_id: f"read {len(reads)}" for sweep_id in sweep_ids}

    return read


def test_what_is_kept_is_read_once_a_revision(engine: Engine) -> None:
    """Only what has another revision is read again; an older one, as of a transaction that began before, too."""
    values, reads = KeptByRevision[str](), list[list[int]]()
    read = reader(reads)
    with transaction(engine) as session:
        assert values.get_or_read(session, {1: 1, 2: 1}, read) == {1: "read 1", 2: "read 1"}
        assert values.get_or_read(session, {1: 2, 2: 1}, read) == {1: "read 2", 2: "read 1"}
        assert values.get_or_read(session, {1: 2}, read) == {1: "read 2"}
        assert values.get_or_read(session, {1: 1}, read) == {1: "read 3"}
    assert reads == [[1, 2], [1], [1]]


def test_what_a_writer_reads_is_not_kept(engine: Engine) -> None:
    """Its revision may be rolled back, and be given to another change; what is kept already it is shown."""
    values, reads = KeptByRevision[str](), list[list[int]]()
    read = reader(reads)
    with transaction(engine) as session:
        values.get_or_read(session, {1: 1}, read)
        session.execute(text("INSERT INTO counters (name, value) VALUES ('x', 1)"))
        assert values.get_or_read(session, {1: 1, 2: 1}, read) == {1: "read 1", 2: "read 2"}
    with transaction(engine) as session:
        assert values.get_or_read(session, {2: 1}, read) == {2: "read 3"}
        assert values.get_or_read(session, {2: 1}, read) == {2: "read 3"}


def test_those_that_were_not_asked_for_lately_make_room(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, not read: what is looked at all the time stays."""
    monkeypatch.setattr(kept, "MAX_SWEEPS", 2)
    values, reads = KeptByRevision[str](), list[list[int]]()
    read = reader(reads)
    with transaction(engine) as session:
        for sweep_id in (1, 2, 1, 3, 1, 2):
            values.get_or_read(session, {sweep_id: 1}, read)
    assert reads == [[1], [2], [3], [2]]


def test_what_is_forgotten_is_read_again(engine: Engine) -> None:
    values, reads = KeptByRevision[str](), list[list[int]]()
    with transaction(engine) as session:
        values.get_or_read(session, {1: 1}, reader(reads))
        values.forget()
        values.get_or_read(session, {1: 1}, reader(reads))
    assert reads == [[1], [1]]
