"""`python -m tests.fuzz`: the long form, with a table of what was answered."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.attack import Outcome, attack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    folder.chmod(0o755)
    begin = time.monotonic()
    outcome = attack(folder, calls=arguments.calls, seed=arguments.seed, say=lambda line: print(line, flush=True))
    print(report(outcome, time.monotonic() - begin))
    if outcome.errors:
        sys.exit(f"the server's log is in {folder}")
    shutil.rmtree(folder)


def report(outcome: Outcome, seconds: float) -> str:
    """A table in Markdown, and what the server held."""
    groups = ["2xx", "3xx", "4xx", "5xx", "no answer"]
    lines = [f"| call | {' | '.join(groups)} |", f"|---|{'---:|' * len(groups)}"]
    for kind, statuses in sorted(outcome.answers.items()):
        by_group = Counter[str]()
        for status, times in statuses.items():
            by_group[f"{status[0]}xx" if status[0].isdecimal() else status] += times
        lines.append(f"| {kind} | {' | '.join(str(by_group[group]) for group in groups)} |")
    lines += ["", f"In {seconds:.0f} s. The server when it was warm: {outcome.warm}; at the end: {outcome.end}."]
    return "\n".join([*lines, *(f"WRONG: {error}" for error in outcome.errors)])


if __name__ == "__main__":
    main()
