"""`python -m benchmarks.search`: how soon each way to search reaches given validation errors."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from app.config import load_settings
from benchmarks import report
from benchmarks.processes import cores
from benchmarks.search import plain, served
from benchmarks.search.problems import ARMS, PROBLEMS, Arm, Problem
from benchmarks.search.report import as_dict, markdown
from benchmarks.search.trace import Trace
from benchmarks.service import Perceptune, service
from worker.data.fetch import fetch

PART = "search part"  # of the page
QUICK_SECONDS = 1
WARM_UP = {"space": {"hidden_units": [4, 5, 6, 7], "epochs": 1}, "sampler": "grid"}


def main() -> None:
    arguments = _arguments()
    home = load_settings().home
    command = shlex.join(["python", "-m", "benchmarks.search", *sys.argv[1:]])
    problems = _problems(arguments)
    with redirect_stdout(sys.stderr):  # the tables stand alone
        for dataset in sorted({problem.dataset for problem in problems.values()} - {"digits"}):
            fetch(home, dataset)
    seeds = 1 if arguments.quick else arguments.seeds
    workers = len(cores())
    facts = {"command": f"`{command}`"} | report.machine()
    facts["cores"] = f"{workers}, with a worker of the service, or a process of the plain script, for each"
    facts["seeds"] = f"{seeds}, the arms in turn"
    start = perf_counter()
    with service(home, workers, arguments.log) as running:
        traces = list(_searches(problems, arguments.arms, seeds, running, home))
    facts["minutes"] = f"{(perf_counter() - start) / 60:.0f}"
    text = markdown(facts, problems, traces)
    print(json.dumps(as_dict(command, facts, traces), indent=2) if arguments.json else text)
    if arguments.into:
        report.write_into(arguments.into, text, PART)


def _searches(
    problems: Mapping[str, Problem], arms: list[Arm], seeds: int, running: Perceptune, home: Path
) -> Iterator[Trace]:
    """Every arm once a seed, each time another one first."""
    for name, problem in problems.items():
        running.sweep({"name": "warm-up", "dataset": problem.dataset, **WARM_UP})  # the workers have the data after it
        for seed in range(seeds):
            for i in range(len(arms)):
                arm = arms[(i + seed) % len(arms)]
                print(f"{name}: {problem.title}: {ARMS[arm]}, seed {seed}", file=sys.stderr, flush=True)
                seconds = 60 * problem.minutes
                if arm == "plain":
                    yield plain.search(problem, name, seed, seconds, home, len(cores()))
                else:
                    yield served.search(problem, name, arm, seed, seconds, running)


def _problems(arguments: argparse.Namespace) -> dict[str, Problem]:
    names = arguments.only or list(PROBLEMS)
    if arguments.quick:
        return {"c": replace(PROBLEMS["c"], minutes=QUICK_SECONDS / 60)}
    chosen = {name: PROBLEMS[name] for name in names}
    if arguments.minutes is None:
        return chosen
    return {name: replace(problem, minutes=arguments.minutes) for name, problem in chosen.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds of each arm: whether it works")
    parser.add_argument("--only", nargs="+", choices=PROBLEMS, help="these problems alone")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="these arms alone")
    parser.add_argument("--seeds", type=int, default=3, help="searches of each arm")
    parser.add_argument("--minutes", type=float, help="of each search, in place of those of its problem")
    parser.add_argument("--log", type=Path, help="a file for what the workers say")
    parser.add_argument("--json", action="store_true", help="print all that was measured as JSON")
    parser.add_argument("--into", type=Path, help="a page whose part with these tables is to be replaced")
    return parser.parse_args()


if __name__ == "__main__":
    main()
