"""The command line as a user meets it: it serves, it stops, and what goes wrong is one sentence."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.config import Settings
from app.service.up import Service
from tests.support.forking import shared_parent
from tests.support.machine.other_users import AS_ROOT, python_for
from tests.support.up_process import COMMAND, Up, environment, say, say_forked, up, up_by_itself
from tests.support.waiting import wait_until


def assert_one_sentence(result: "subprocess.CompletedProcess[str]", *parts: str) -> None:
    """Exit code 1, nothing on standard output, and on standard error the sentence alone."""
    assert (result.returncode, result.stdout) == (1, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("perceptune: ")
    assert line.endswith((".", ")"))
    for part in parts:
        assert part in line


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize(("started", "number"), [(up_by_itself, signal.SIGTERM), (up, signal.SIGINT)])
def test_up_serves_and_ends_with_exit_code_0(
    database_url: str, tmp_path: Path, started: Callable[..., AbstractContextManager[Up]], number: signal.Signals
) -> None:
    """It says where it serves, answers there, and a signal ends it at once, also while somebody follows its events."""
    with started(tmp_path, "--workers", "0", PERCEPTUNE_HOME=tmp_path, DATABASE_URL=database_url) as server:
        assert httpx2.get(f"{server.url}/readyz").json()["status"] == "ready"
        with httpx2.stream("GET", f"{server.url}/api/v1/events") as stream:
            assert next(stream.iter_lines()).startswith(":")
            assert server.end(number, 20) == 0
    log = server.log.read_text()
    assert f"Perceptune serves on {server.url} until Ctrl-C; the API is documented at {server.url}/api/docs" in log
    assert "Traceback" not in log


def test_up_help_names_flags_and_variables() -> None:
    """Every flag with its variable, and the variables that have no flag."""
    help_text = say_forked("up", "--help").stdout
    for field in Settings.model_fields.keys() - {"pulse_file", "server", "key"}:  # of one worker
        variable = "DATABASE_URL" if field == "database_url" else f"PERCEPTUNE_{field.upper()}"
        assert variable in help_text
    for flag in ("--home", "--host", "--port", "--workers", "--device", "--database-url"):
        assert flag in help_text


def test_a_port_in_use_is_a_sentence(tmp_path: Path, taken_port: int) -> None:
    """Before anything else is started: nothing is left in the data folder."""
    result = say_forked("up", PERCEPTUNE_PORT=taken_port, PERCEPTUNE_HOME=tmp_path / "home")
    assert_one_sentence(result, f"Port {taken_port} on 127.0.0.1 is in use: end the program that has it, or choose")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--host", "192.0.2.1", "--workers", "0"], "Serving on 192.0.2.1 would let other machines in without a key"),
        (["--port", "http"], "PERCEPTUNE_PORT='http' can't be used: it should be a valid integer."),
        (["--database-url", "nonsense"], "DATABASE_URL is no database URL: write postgresql://"),
        (["--database-url", "postgresql://127.0.0.1:1/name"], "The database can't be reached: "),
        (["--home", "/proc/nowhere"], "can't be kept in /proc/nowhere/postgres ("),
    ],
)
def test_what_can_not_be_used_is_a_sentence(tmp_path: Path, arguments: list[str], part: str) -> None:
    """Exit code 1 and what to do, without a traceback."""
    assert_one_sentence(say_forked("up", *arguments, PERCEPTUNE_HOME=tmp_path, PERCEPTUNE_PORT=0), part)


def test_an_address_that_is_not_ours_is_a_sentence(tmp_path: Path) -> None:
    """With a key it is allowed, and then the system has the word."""
    arguments = ("up", "--host", "192.0.2.1", "--port", "0")
    result = say_forked(*arguments, PERCEPTUNE_API_KEY="long enough", PERCEPTUNE_HOME=tmp_path)
    assert_one_sentence(result, "Can't serve on 192.0.2.1 (Cannot assign requested address): choose another address")


@pytest.mark.skipif(not AS_ROOT, reason="only root can become an ordinary user")
def test_a_home_without_write_permission_is_a_sentence() -> None:
    """An ordinary user and a folder of root's."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*python_for(nobody), *COMMAND[1:]]
    result = say("up", "--port", "0", command=command, PERCEPTUNE_HOME="/etc/perceptune")
    assert_one_sentence(result, "can't be kept in /etc/perceptune/postgres (Permission denied): choose another folder")


def test_no_data_set_and_no_network_is_a_sentence(tmp_path: Path) -> None:
    """On a machine without Debian's package and without a network it names all three ways to get the images."""
    hidden = (
        "import sys; from pathlib import Path; from worker import __main__; from worker.data import fashion_mnist\n"
        f"fashion_mnist.SYSTEM_FOLDER = Path({str(tmp_path / 'none')!r})\n"
        "__main__.main()"
    )
    nowhere = "http://127.0.0.1:1"
    variables = {"PERCEPTUNE_HOME": tmp_path, "http_proxy": nowhere, "https_proxy": nowhere}
    result = say("--fetch-data", command=[sys.executable, "-c", hidden], **variables)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert line.startswith("perceptune: ")
    for way in ("dataset-fashion-mnist", str(tmp_path / "datasets/fashion-mnist"), "perceptune data"):
        assert way in line


def test_db_upgrade_says_what_it_did(database_url: str, tmp_path: Path) -> None:
    """One line, exit code 0."""
    result = say_forked("db", "upgrade", DATABASE_URL=database_url, PERCEPTUNE_HOME=tmp_path)
    assert (result.returncode, result.stdout) == (0, "The tables are those of this version.\n"), result.stderr


def test_keys_are_made_listed_and_revoked(settings: Settings) -> None:
    """A running server heeds each at once or within seconds; what can't be done is one sentence."""
    place: dict[str, Any] = {"DATABASE_URL": settings.database_url, "PERCEPTUNE_HOME": settings.home}
    made = say_forked("keys", "create", "Ada Lovelace", "--role", "admin", "--days", "30", **place)
    assert (made.returncode, made.stdout.startswith("key_"), made.stdout.count("\n")) == (0, True, 1), made.stderr
    key = made.stdout.strip()
    with Service(settings.model_copy(update={"host": "0.0.0.0"})) as service:  # keys are there, so it may serve
        calls = f"{service.url}/api/v1/sweeps", {"Authorization": f"Bearer {key}"}
        assert httpx2.get(calls[0]).status_code == 401
        assert httpx2.get(calls[0], headers=calls[1]).status_code == 200
        assert_one_sentence(
            say_forked("keys", "create", "Ada Lovelace", **place), "There is a key 'Ada Lovelace' already"
        )
        line = say_forked("keys", "list", **place).stdout.splitlines()[1]
        assert line.split()[:6] == ["1", key[:10], "Ada", "Lovelace", "admin", "valid"]
        assert say_forked("keys", "revoke", "Ada Lovelace", **place).stdout == "Key 1 of 'Ada Lovelace' is revoked.\n"
        wait_until(lambda: httpx2.get(calls[0], headers=calls[1]).status_code == 401, 10)
    assert_one_sentence(say_forked("keys", "revoke", "Ada Lovelace", **place), "There is no key 'Ada Lovelace'")
    wrong = say_forked("keys", "create", "x", "--days", "0", **place)
    assert (wrong.returncode, "days must be greater than or equal to 1" in wrong.stderr) == (1, True)


def test_a_worker_of_a_database_that_is_gone_says_so_and_can_be_stopped(tmp_path: Path) -> None:
    """It waits for the database, which may only be restarting, one line a try, and Ctrl-C ends it with exit code 0."""
    log = tmp_path / "log"
    log.touch()
    arguments = ["worker", "--database-url", "postgresql://127.0.0.1:1/name", "--device", "cpu"]
    process = shared_parent().fork("perceptune", arguments, environment(PERCEPTUNE_HOME=tmp_path), log)
    try:
        wait_until(lambda: "trying again" in log.read_text())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert "Traceback" not in log.read_text()
