"""The lock files: the pins of constraints.txt, each once, with hashes."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
APART = {"audit", "sbom"}  # programs with environments of their own
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
        assert locked.keys().isdisjoint(packages)
        locked |= packages
    assert {name: locked.get(name) for name in constraints} == constraints


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_hashes_and_no_address(path: Path) -> None:
    """Files come from whatever index pip uses, and are what they were."""
    (_, *blocks) = re.split(r"^(?=\w)", path.read_text(), flags=re.MULTILINE)
    assert blocks
    assert [block for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []
    assert "://" not in path.read_text()
