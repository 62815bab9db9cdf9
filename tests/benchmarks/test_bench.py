"""The benchmark runs, and its arms do the same."""

import json
import subprocess
import sys

from benchmarks.compare import COMPARED
from tests.support.paths import ROOT
from tests.support.up_process import environment


def test_every_arm_trains_the_same_and_so_does_the_service() -> None:
    """The quick benchmark trains one small sweep in every arm, to equal losses, and through the service."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    small = found["comparisons"]["Q"]
    assert {arm: len(seconds) for arm, seconds in small["seconds"].items()} == dict.fromkeys(COMPARED, 1)
    assert small["difference"] < 1e-5
    assert small["service"][0] > 0
    assert 0 < found["peaks"]["worker of the service"] < 1.5e9
