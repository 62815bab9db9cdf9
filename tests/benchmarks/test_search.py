"""The benchmark of searches runs, and says when an error was reached."""

import json
import math
import subprocess
import sys

from benchmarks.search.problems import ARMS, PROBLEMS
from benchmarks.search.report import markdown
from benchmarks.search.trace import Trace
from tests.support.paths import ROOT
from tests.support.up_process import environment


def test_every_arm_searches() -> None:
    """The quick benchmark searches digits in every arm, each of which has trained some configurations."""
    command = [sys.executable, "-m", "benchmarks.search", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    traces = json.loads(done.stdout)["traces"]
    assert {trace["arm"] for trace in traces} == set(ARMS)
    for trace in traces:
        assert trace["epochs"] >= trace["configurations"] > 0
        assert 0 < trace["bests"][-1][1] < 1


def test_an_error_counts_from_when_it_was_first_reached() -> None:
    """A later error that is no lower changes nothing, and one that was never reached has no time."""
    trace = Trace("c", "plain", 0)
    for seconds, error in [(1.0, 0.1), (2.0, 0.04), (3.0, 0.06), (4.0, 0.03)]:
        trace.note(seconds, error)
    assert [trace.seconds_to(target) for target in (0.05, 0.04, 0.035, 0.02)] == [2, 2, 4, math.inf]
    assert trace.best == 0.03


def test_the_table_compares_medians_with_the_plain_script() -> None:
    """Ten seconds against thirty are three times as soon; what two of three searches miss is never reached."""
    seconds = {"asha": [[5.0], [10.0], [20.0]], "plain": [[30.0], [30.0], [30.0]]}
    traces = [
        Trace("c", arm, seed, [(first, 0.05)], configurations=3, epochs=7, seconds=60)
        for arm, of_arm in seconds.items()
        for seed, (first,) in enumerate(of_arm)
    ]
    traces[0].note(25, 0.03)
    lines = markdown({}, {"c": PROBLEMS["c"]}, traces).splitlines()
    never = "never, 0 of 3"
    assert f"| {ARMS['asha']} | 10 (3.0) | never, 1 of 3 | {never} | {never} | 3 | 7 | 0.0500 | 60 |" in lines
    assert f"| {ARMS['plain']} | 30 | {never} | {never} | {never} | 3 | 7 | 0.0500 | 60 |" in lines
