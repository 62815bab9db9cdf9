"""`perceptune doctor`: what it looks at, and what it says where something is wrong."""

import json
import shutil
import socket
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from app.config import Settings
from app.db.engine import transaction
from app.service.doctor import machine, postgres
from app.service.doctor.finding import Finding, Level
from app.service.up import Service
from tests.support.up_process import say, say_forked

SUBJECTS = {
    "data folder",
    "disk",
    "memory",
    "port",
    "postgres",
    "connections",
    "tables",
    "clock",
    "torch",
    "devices",
    "data sets",
}


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def by_subject(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in postgres.findings(settings)}


def test_the_command_looks_at_everything(database_url: str, tmp_path: Path) -> None:
    """A line each; as JSON too, with exit code 0 where nothing fails."""
    result = say("doctor", "--json", "--port", "0", PERCEPTUNE_HOME=tmp_path, DATABASE_URL=database_url)
    report = json.loads(result.stdout)
    assert {finding["subject"] for finding in report["findings"]} == SUBJECTS
    assert report["ok"] == (result.returncode == 0)


def test_what_fails_is_told_and_is_exit_code_1(tmp_path: Path) -> None:
    """A database that is not there: the line says what to do."""
    url = "postgresql://127.0.0.1:1/nothing"
    result = say_forked("doctor", "--port", "0", PERCEPTUNE_HOME=tmp_path, DATABASE_URL=url)
    assert result.returncode == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("fail ")]
    assert "refused" in line
    assert line.endswith("see that it runs, and that DATABASE_URL is right.")


@pytest.mark.parametrize(
    ("free", "level"), [(100 * 2**30, Level.ok), (2 * 2**30, Level.warn), (100 * 2**20, Level.fail)]
)
def test_disk_and_memory_have_thresholds(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, free: int, level: Level
) -> None:
    """Enough, little, and nearly none."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 0, free))
    monkeypatch.setattr(machine, "free_host_memory", lambda: free // 2)
    assert (machine.disk(settings).level, machine.memory().level) == (level, level)


def test_a_folder_that_is_not_there_yet_is_well(tmp_path: Path) -> None:
    """`up` makes it, also several at once."""
    finding = machine.data_folder(Settings(home=tmp_path / "a" / "b"))
    assert (finding.level, finding.text) == (Level.ok, f"{tmp_path / 'a' / 'b'} will be made by `perceptune up`.")


def test_a_port_is_free_taken_or_ours(service: Service) -> None:
    """A stranger's is a failure with what to do, our own server is well."""
    own_port = int(service.url.rpartition(":")[2])
    assert machine.port(Settings(port=own_port)).text == f"Perceptune serves on 127.0.0.1:{own_port}."
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        finding = machine.port(Settings(port=stranger.getsockname()[1]))
    assert (finding.level, "choose another with --port" in finding.text) == (Level.fail, True)


def test_tables_of_other_versions_are_told(engine: Engine, settings: Settings) -> None:
    """None, older ones and newer ones each have their sentence."""
    assert by_subject(settings)["tables"].level == Level.ok
    for revision, level, part in (
        ("0003", Level.warn, "earlier version"),
        ("9999", Level.fail, "newer Perceptune"),
    ):
        with transaction(engine) as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        finding = by_subject(settings)["tables"]
        assert (finding.level, part in finding.text) == (level, True)
    with transaction(engine) as session:
        session.execute(text("DELETE FROM alembic_version"))
    assert by_subject(settings)["tables"].text == "There are none yet: `perceptune up` makes them."


def test_a_clock_that_differs_is_a_warning(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The database's decides; people read both."""
    real_time = time.time
    monkeypatch.setattr(time, "time", lambda: real_time() - 3600)
    assert by_subject(settings)["clock"].level == Level.warn
