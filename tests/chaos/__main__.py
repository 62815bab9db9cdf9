"""`make chaos`: the long form, with a table of what was done and what was found."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.storm import WORKERS, Outcome, storm
from tests.chaos.world import World


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1200, help="after which no further fault is injected")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--remote", action="store_true", help="workers over HTTP, without the database")
    parser.add_argument("--ray", action="store_true", help="workers on a Ray cluster, with perceptune[ray]")
    parser.add_argument("--quiet", action="store_true", help="do not name each fault as it comes")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    home.chmod(0o755)
    begin = time.monotonic()

    def say(line: str) -> None:
        if not arguments.quiet:
            print(f"{time.monotonic() - begin:7.1f} s {line}", flush=True)

    limits = {name: getattr(arguments, name) for name in ("faults", "seed", "seconds", "workers")}
    outcome = storm(World(home, over_http=arguments.remote, on_ray=arguments.ray), **limits, say=say)
    print(report(outcome))
    if outcome.checks.wrong:
        sys.exit(f"everything is kept in {home}")
    shutil.rmtree(home)


def report(outcome: Outcome) -> str:
    """Two tables, in Markdown."""
    lines = ["", "| fault | times |", "|---|---:|"]
    lines += [f"| {kind} | {times} |" for kind, times in sorted(outcome.faults.items())]
    lines += [f"| **all, in {outcome.seconds:.0f} s** | **{outcome.faults.total()}** |", ""]
    lines += [
        f"{outcome.sweeps} sweeps, {outcome.trials} trials; {outcome.retried} trials lost three workers, failed, and "
        "were asked for again.",
        str(outcome.retraining),
        "",
        "| afterwards | looked at | wrong |",
        "|---|---:|---:|",
    ]
    lines += [f"| {what} | {times} | 0 |" for what, times in outcome.checks.passed.items()]
    return "\n".join([*lines, *(f"WRONG: {finding}" for finding in outcome.checks.wrong)])


if __name__ == "__main__":
    main()
