"""The operating system's user that Postgres runs as: ourselves, or `perceptune` where we are root.

Postgres refuses root. Its own user must reach the data folder, but nobody else's folder is opened for it.
"""

import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import StartError

USER_NAME = "perceptune"


@dataclass(frozen=True)
class PostgresAccount:
    """A user of the operating system, with its ids."""

    name: str
    uid: int
    gid: int
    is_foreign: bool  # not the user of this process

    @classmethod
    def of_this_process(cls) -> "PostgresAccount":
        """Ourselves, or as root the user `perceptune`, made on demand. Raises StartError where it can't be made."""
        if os.geteuid() != 0:
            return cls(_name_of(os.geteuid()), os.geteuid(), os.getegid(), is_foreign=False)
        entry = _entry() or _make_user()
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, is_foreign=True)

    def run(self, command: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        """Runs a program as this user, in a session of its own: a Ctrl-C in the terminal is not for Postgres."""
        if self.is_foreign:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        environment["LC_ALL"] = "C"
        options |= {"env": environment, "stdin": subprocess.DEVNULL, "start_new_session": True}
        process: subprocess.CompletedProcess[bytes] = subprocess.run(command, check=False, **options)
        return process

    def can_run(self, program: Path) -> bool:
        """Whether this user can start the program."""
        with suppress(PermissionError):
            return self.run([str(program), "--version"], stdout=subprocess.DEVNULL).returncode == 0
        return False

    def may_enter(self, folder: Path) -> bool:
        """Whether this user may; asked of the system as that user, which is right for access lists and mounts too."""
        return not self.is_foreign or self.run(["test", "-x", str(folder)]).returncode == 0

    def let_in(self, home: Path) -> None:
        """Lets this user pass through our folder `home`. Raises StartError that names a closed folder above it."""
        if self.may_enter(home):
            return
        closed = next((folder for folder in reversed(home.parents) if not self.may_enter(folder)), None)
        if closed:
            raise StartError(
                f"{closed} is closed to {self.name}, the user that Postgres runs as: set PERCEPTUNE_HOME to a folder "
                "outside of it, for example /var/lib/perceptune, or set DATABASE_URL."
            )
        home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXOTH)

    def make_private(self, folder: Path) -> None:
        """Makes a folder for this user alone. Raises StartError where there is one that is not exactly that."""
        with suppress(FileExistsError):
            folder.mkdir(0o700)
        status = folder.lstat()
        is_ours = status.st_uid in {self.uid, os.geteuid()}
        if not stat.S_ISDIR(status.st_mode) or not is_ours or status.st_mode & 0o077:
            raise StartError(f"{folder} is not a private folder of {self.name}: remove it and start again.")
        self.own([folder])

    def own(self, paths: list[Path]) -> None:
        """Gives files that we made to this user."""
        if self.is_foreign:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def refuse_foreign(folder: Path) -> None:
    """Raises StartError where somebody else owns the folder, who could exchange it under our hands."""
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        name = _name_of(owner)
        raise StartError(
            f"{folder} belongs to {name}: run Perceptune as {name}, choose another folder with PERCEPTUNE_HOME, "
            "or set DATABASE_URL."
        )


def client_name() -> str:
    """The name under which Postgres knows this process (its "peer" authentication)."""
    return _name_of(os.geteuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _entry() -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(USER_NAME)
    return None


def _make_user() -> pwd.struct_passwd:
    message = "there is no useradd"
    # `su` keeps a path without the administrator's programs
    if tool := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        command = [tool, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER_NAME]
        message = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
    if entry := _entry():  # perhaps another process was faster
        return entry
    raise StartError(
        f"Postgres does not run as root, and the user {USER_NAME} can't be made for it ({message}): "
        "make that user, run Perceptune as an ordinary one, or set DATABASE_URL."
    )
