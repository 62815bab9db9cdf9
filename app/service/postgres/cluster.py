"""The cluster: the folder in which Postgres keeps its databases, and its first making by `initdb`."""

import os
import shutil
import subprocess
from pathlib import Path

from app.errors import StartError
from app.service.postgres.account import PostgresAccount, client_name
from app.service.postgres.messages import first_error, unusable_folder
from app.service.postgres.programs import major_version
from app.service.postgres.settings import ROLE


def make_cluster(data: Path, programs: Path, account: PostgresAccount, lock: int) -> None:
    """Makes the cluster beside its place and renames it, so that half a cluster is never taken for one.

    lock: the descriptor of a lock file that `initdb` inherits. Raises StartError.
    """
    folder, new = data.parent, data.with_name("data.new")
    if new.exists():
        shutil.rmtree(new)
    account.make_private(new)
    command = [str(programs / "initdb"), f"--pgdata={new}", f"--username={ROLE}", "--auth=peer", "--encoding=UTF8"]
    command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    initdb = account.run(command, pass_fds=[lock], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if initdb.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise StartError(unusable_folder(folder, first_error(initdb.stdout)))
    (new / "pg_hba.conf").write_text(f"local all {ROLE} peer map=clients\n")
    (new / "pg_ident.conf").write_text(f'clients "{client_name()}" {ROLE}\n')
    new.rename(data)
    for changed_folder in (data, folder):
        _sync(changed_folder)


def check_version(data: Path) -> None:
    """Raises StartError where the cluster was made by another major version of Postgres."""
    cluster_version = (data / "PG_VERSION").read_text().strip()
    our_version = major_version()
    if cluster_version != our_version:
        raise StartError(
            f"The database in {data} was made by Postgres {cluster_version}, and this is Postgres {our_version}: "
            "use the earlier Perceptune, move that folder away to begin anew, or set DATABASE_URL."
        )


def _sync(folder: Path) -> None:
    """Makes the names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
