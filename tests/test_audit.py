"""What `scripts/audit-packages` makes of a report: a vulnerability fails, being offline is said and does not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

SOUND: dict[str, Any] = {"name": "click", "version": "8.5.1", "vulns": []}
BROKEN: dict[str, Any] = SOUND | {"vulns": [{"id": "PYSEC-2030-1", "fix_versions": ["8.5.2"], "aliases": []}]}
UNKNOWN = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.5.1)"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([SOUND, UNKNOWN], 0, "audited 1 of 2 packages: 0 known vulnerabilities"),
        ([BROKEN, SOUND], 1, "VULNERABLE: click 8.5.1: PYSEC-2030-1, mended by 8.5.2"),
        ([UNKNOWN, UNKNOWN], 0, "NOTE: packages were not audited"),
    ],
)
def test_a_report_is_judged(packages: list[dict[str, Any]], code: int, words: str, tmp_path: Path) -> None:
    """By its vulnerabilities, and by whether anything was audited at all."""
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    command = [ROOT / "scripts/audit-packages", report]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, words in ended.stdout) == (code, True), ended.stdout + ended.stderr
