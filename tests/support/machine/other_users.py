"""Programs that run as another user of this machine, where the tests run as root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tests.support.paths import ROOT

AS_ROOT = os.geteuid() == 0


def python_for(become: list[str]) -> list[str]:
    """A Python of our version that the user can start, with our packages."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = [*become, "env", f"PYTHONPATH={ROOT}:{Path(sqlalchemy.__file__).parents[1]}", python]
        try:
            imports = [*command, "-c", "import app.service.postgres.server"]
            if subprocess.run(imports, cwd="/", capture_output=True).returncode == 0:
                return command
        except PermissionError:
            continue
    pytest.skip("no Python of this version that an ordinary user can start")
