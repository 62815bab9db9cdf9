"""What `scripts/run-tests` makes of tests that fail: a handful is run again, alone, and what passes then is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FAILS = "import pytest\n@pytest.mark.parametrize('n', range({}))\ndef test_wrong(n): assert 0\n"
PASSES_ALONE = "import os\ndef test_beside_others(): assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
NOTE = "NOTE: passed only when run again alone, which is a fault to be found: test_0.py::test_beside_others"


@pytest.mark.parametrize(
    ("failing", "status", "last_lines"),
    [(0, 0, ["1 passed", NOTE]), (1, 1, ["1 failed, 1 passed", NOTE]), (5, 1, ["6 failed"])],
    ids=["one passes alone", "one fails for good", "too many fail"],
)
def test_what_fails_is_run_again(tmp_path: Path, failing: int, status: int, last_lines: list[str]) -> None:
    """Its exit status is that of the second time, where there is one."""
    (tmp_path / "test_0.py").write_text(PASSES_ALONE)
    if failing:
        (tmp_path / "test_1.py").write_text(FAILS.format(failing))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, str(ROOT / "scripts/run-tests"), "-p", "xdist", "-n", "1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # that are of this run
    variables = kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(
        [*map(str, command)], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()[-len(last_lines) :]
    assert all(part in line for part, line in zip(last_lines, lines, strict=True)), ended.stdout
