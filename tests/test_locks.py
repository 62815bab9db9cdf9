"""The lock files: the pins of constraints.txt, each once, with hashes."""

import re
import runpy
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
APART = {"audit", "sbom", "mlflow-server"}  # programs with environments of their own
ADDED_LATER = {"ray", "mlflow", "wandb"}  # to a worker that may have none of the tools, and to these
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Versions by name, as indexes compare names."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PIN.findall(text)}


def test_what_the_tests_run_with_is_locked() -> None:
    """All but torch, whose builds differ by index; `scripts/lock-packages` brings the files up to date."""
    constraints = pins((ROOT / "constraints.txt").read_text())
    del constraints["torch"]
    locked: dict[str, str] = {}
    for path in (path for path in LOCKS if path.stem not in APART):
        packages = pins(path.read_text())
        assert path.stem in ADDED_LATER or locked.keys().isdisjoint(packages)
        locked |= {} if path.stem in ADDED_LATER else packages
    for name in ADDED_LATER:
        locked |= pins((ROOT / "requirements" / f"{name}.txt").read_text())
    assert {name: locked.get(name) for name in constraints} == constraints


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_hashes_and_no_address(path: Path) -> None:
    """Files come from whatever index pip uses, and are what they were."""
    (_, *blocks) = re.split(r"^(?=\w)", path.read_text(), flags=re.MULTILINE)
    assert blocks
    assert [block for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert "://" not in path.read_text()


def test_a_package_with_versions_by_python_has_all_of_them() -> None:
    """One for each marker, so that no Python goes without."""
    program = runpy.run_path(str(ROOT / "scripts" / "lock-packages"), run_name="program")
    newer = "numpy==2.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:ab\n"
    older = "numpy==2.4 ; python_full_version < '3.12' \\\n    --hash=sha256:cd\n"
    torch = "torch==2.13 \\\n    --hash=sha256:ef\n"
    assert program["blocks_of"](older + newer + torch) == {"numpy": older + newer}
    for path in LOCKS:
        markers = re.findall(r"^numpy==\S+ *(;.*>= '3\.12')?", path.read_text(), re.MULTILINE)
        assert not markers or "" in markers or len(markers) > 1, path.name
