"""Dumps: written while sweeps train, restored elsewhere with the same rows, and refused where they must be."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, text

from app.db.dumps import archive
from app.db.dumps.dump import dump
from app.db.dumps.restore import restore
from app.db.engine import connect, transaction
from app.db.migrations import alembic_config, is_migrated
from app.errors import StartError
from app.service.postgres.server import running
from app.service.up import Service
from tests.conftest import new_database
from tests.support.queue_examples import (
    ENDLESS,
    claim,
    complete,
    count_epochs,
    create_grid,
    create_sweep,
    new_worker,
    trials_of,
)
from tests.support.sweeps.stored_totals import wrong_totals
from tests.support.up_process import say_forked
from tests.support.waiting import wait_until


@pytest.fixture
def another_engine(postgres: str, template: str) -> Iterator[Engine]:
    """A second database, with empty tables."""
    with new_database(postgres, template) as url:
        engine = connect(url)
        yield engine
        engine.dispose()


def rows(engine: Engine) -> dict[str, list[Any]]:
    """All rows of all tables, as text."""
    with engine.connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {
            name: sorted(connection.scalars(text(f'SELECT t::text FROM "{name}" t')).all()) for name in sorted(names)
        }


def finished_sweep(engine: Engine, *units: int) -> int:
    """A sweep with trials, runs and epochs."""
    sweep, worker = create_grid(engine, *units), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    return sweep


def test_a_dump_holds_every_row(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """Restored into another database each table is what it was, and new rows get numbers that nobody had."""
    finished_sweep(engine, 4, 8)
    with transaction(engine) as session:
        gone = create_grid(engine, 16)
        session.execute(text("DELETE FROM sweeps WHERE id = :id"), {"id": gone})
    header = dump(engine, tmp_path / "dump")
    assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600
    assert restore(another_engine, tmp_path / "dump") == header
    assert rows(another_engine) == rows(engine)
    assert create_grid(another_engine, 4) == gone + 1
    assert wrong_totals(another_engine) == []  # those that triggers keep were restored with the rows, and go on


def test_a_dump_of_a_sweep_in_training_is_of_one_moment(service: Service, home: Path, tmp_path: Path) -> None:
    """Restored in a new data folder its finished trials, their runs and epochs are those of the database that goes on.

    Each running trial has all epochs that it says, for curves and counts are written together.
    """
    finished = create_sweep(service.engine, n_trials=3)
    running_sweep = create_sweep(service.engine, space=ENDLESS, sampler="random", n_trials=1)
    wait_until(lambda: all(trial.finished_at for trial in trials_of(service.engine, finished)))
    wait_until(lambda: any(trial.epochs_done > 2 for trial in trials_of(service.engine, running_sweep)))
    header = dump(service.engine, tmp_path / "dump")
    epochs_before = count_epochs(service.engine)
    with running(home) as url:
        engine = connect(url)
        restore(engine, tmp_path / "dump")
        mine, theirs = trials_of(engine, finished), trials_of(service.engine, finished)
        assert [(t.number, t.params, t.value) for t in mine] == [(t.number, t.params, t.value) for t in theirs]
        (trial,) = trials_of(engine, running_sweep)
        assert trial.state == "running"
        restored, current = rows(engine), rows(service.engine)
        assert set(restored["runs"]) == set(current["runs"])
        assert set(restored["epochs"]) <= set(current["epochs"])
        assert header.tables["epochs"].rows == count_epochs(engine) <= epochs_before
        assert trial.epochs_done == sum(row.startswith(f"({trial.id},") for row in restored["epochs"])
        engine.dispose()


def test_an_older_dump_is_brought_to_this_version(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """A dump of the tables of an earlier version: its rows are those of that version after an upgrade."""
    finished_sweep(engine, 4, 8)
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
    header = dump(engine, tmp_path / "dump")
    assert header.revision == "0010"
    restore(another_engine, tmp_path / "dump")
    with transaction(another_engine) as session:
        assert is_migrated(session)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    assert rows(another_engine) == rows(engine)


def test_a_newer_dump_is_refused(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """Its tables are unknown here."""
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    dump(engine, tmp_path / "dump")
    before = rows(another_engine)
    with pytest.raises(StartError, match="newer than this one"):
        restore(another_engine, tmp_path / "dump")
    assert rows(another_engine) == before


def test_what_is_there_is_replaced_on_request_alone(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """A database that is not empty is left alone, with a sentence; with `replace` it is as the dump was."""
    finished_sweep(engine, 4)
    dump(engine, tmp_path / "dump")
    create_grid(another_engine, 8, 16, 32)
    before = rows(another_engine)
    with pytest.raises(StartError, match=r"not empty \(.*sweeps, trials\).*--replace"):
        restore(another_engine, tmp_path / "dump")
    assert rows(another_engine) == before
    restore(another_engine, tmp_path / "dump", replace=True)
    assert rows(another_engine) == rows(engine)


def test_a_database_in_use_is_not_restored(engine: Engine, tmp_path: Path, another_engine: Engine) -> None:
    """A server would go on with what it remembers: it has to be stopped first, and is named."""
    dump(engine, tmp_path / "dump")
    server = connect(another_engine.url.render_as_string(hide_password=False), "server")
    with server.connect(), pytest.raises(StartError, match=r"in use \(perceptune server \d+\)"):
        restore(another_engine, tmp_path / "dump")
    server.dispose()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.99])
def test_a_damaged_dump_is_refused(engine: Engine, another_engine: Engine, tmp_path: Path, place: float) -> None:
    """A changed byte anywhere, and the end cut off: nothing is restored."""
    finished_sweep(engine, 4, 8)
    path = tmp_path / "dump"
    dump(engine, path)
    whole, before = path.read_bytes(), rows(another_engine)
    at = int(len(whole) * place)
    for damaged in (whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :], whole[:at]):
        path.write_bytes(damaged)
        with pytest.raises(StartError, match="damaged"):
            restore(another_engine, path)
    assert rows(another_engine) == before


HEADERS: dict[str, tuple[str, Any]] = {
    "a list": ("tables", []),
    "columns that are none": ("tables", {"sweeps": {"columns": 7, "rows": 1}}),
    "other tables": ("tables", {"sweeps": {"columns": ["id"], "rows": 1}}),
    "numbers that are none": ("next_numbers", {"sweeps": {"id": "x"}}),
    "numbers of other tables": ("next_numbers", {"x": {"id": 7}}),
    "numbers beyond all": ("next_numbers", {"sweeps": {"id": 10**30}}),
    "the newest tables": ("revision", "head"),
    "a step": ("revision", "+1"),
    "no tables": ("revision", None),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_dump_that_somebody_made_up_is_refused(
    engine: Engine, another_engine: Engine, tmp_path: Path, case: str
) -> None:
    """Whatever its header says under the right digest; nothing is restored of it."""
    finished_sweep(engine, 4, 8)
    dump(engine, tmp_path / "dump")
    before = rows(another_engine)
    name, value = HEADERS[case]
    remade(tmp_path / "dump", lambda header: header | {name: value})
    with pytest.raises(StartError):
        restore(another_engine, tmp_path / "dump")
    assert rows(another_engine) == before


def test_a_dump_without_the_rows_of_a_table_is_refused(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """Or with others: those before it are taken back."""
    finished_sweep(engine, 4, 8)
    dump(engine, tmp_path / "whole")
    before = rows(another_engine)
    for content in (None, b"\\N\n", b"\0"):
        shutil.copy(tmp_path / "whole", tmp_path / "dump")
        remade(tmp_path / "dump", lambda header: header, {"tables/trials": content})
        with pytest.raises(StartError):
            restore(another_engine, tmp_path / "dump")
        assert rows(another_engine) == before


def test_a_bug_is_not_called_a_damaged_dump(
    engine: Engine, another_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another part of the restore raises is no fault of the file's; nothing is changed."""
    dump(engine, tmp_path / "dump")
    before = rows(another_engine)

    def upgrade(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(command, "upgrade", upgrade)
    with pytest.raises(KeyError, match="a bug"):
        restore(another_engine, tmp_path / "dump")
    assert rows(another_engine) == before


def remade(
    path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], contents: Mapping[str, bytes | None] | None = None
) -> None:
    """Writes the dump again with another header and other contents, None for none, under the right digest."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()} | dict(contents or {})
    members["header.json"] = json.dumps(change(json.loads(members["header.json"] or b""))).encode()
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content)
        new.comment = b"0" * 64
    archive.seal(path)


def test_what_is_no_dump_is_refused(tmp_path: Path) -> None:
    """Nothing, an empty file, and a zip of something else."""
    with pytest.raises(StartError, match="can't be read: No such file"):
        archive.check(tmp_path / "nothing")
    (tmp_path / "empty").touch()
    with zipfile.ZipFile(tmp_path / "other", "w") as other:
        other.writestr("hello", "world")
        other.comment = b"0" * 64
    archive.seal(tmp_path / "other")
    for name in ("empty", "other"):
        with pytest.raises(StartError, match="is no dump, or damaged"):
            archive.check(tmp_path / name)


def test_a_dump_does_not_overwrite(engine: Engine, tmp_path: Path) -> None:
    """Neither a file, nor with half a dump: what could not be written leaves nothing."""
    path = tmp_path / "dump"
    path.write_text("mine")
    with pytest.raises(StartError, match="is there already"):
        dump(engine, path)
    with pytest.raises(StartError, match="can't be written"):
        dump(engine, tmp_path / "no folder" / "dump")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StartError, match="nothing to dump"):
        dump(engine, tmp_path / "other")
    assert [entry.name for entry in tmp_path.iterdir()] == ["dump"]


def test_the_commands_dump_and_restore(engine: Engine, another_engine: Engine, tmp_path: Path) -> None:
    """`perceptune db dump` and `restore` say what they did."""
    finished_sweep(engine, 4)
    file = str(tmp_path / "dump")
    written = say_forked("db", "dump", file, DATABASE_URL=engine.url.render_as_string(hide_password=False))
    assert (written.returncode, written.stdout.startswith(f"{file} has ")) == (0, True), written.stderr
    read = say_forked("db", "restore", file, DATABASE_URL=another_engine.url.render_as_string(hide_password=False))
    assert (read.returncode, "rows are restored" in read.stdout) == (0, True), read.stderr
    assert rows(another_engine) == rows(engine)
