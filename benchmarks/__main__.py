"""`python -m benchmarks`, which `make bench` runs: the arms against each other, and the targets."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter

from app.config import load_settings
from benchmarks.compare import Crews, compare, compare_service
from benchmarks.processes import Size
from benchmarks.report import Report, machine, write_into
from benchmarks.service import peak_bytes, service
from benchmarks.workloads import QUICK, WORKLOADS, Workload
from worker.data.fetch import fetch

SIZE = Size(10_240, 2_000)  # 40 steps of 256, a fifth of an epoch and of its validation
QUICK_SIZE = Size(1_024, 1_000)


def main() -> None:
    arguments = _arguments()
    home = load_settings().home
    with redirect_stdout(sys.stderr):  # the tables stand alone
        fetch(home)
    workloads = (
        (QUICK,) if arguments.quick else [w for w in WORKLOADS if not arguments.only or w.name in arguments.only]
    )
    size = QUICK_SIZE if arguments.quick else SIZE
    rounds, whole = (1, 1) if arguments.quick else (arguments.rounds, arguments.service_rounds)
    report = Report(shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]), size.train)
    report.facts = {"command": f"`{report.command}`"} | machine()
    start = perf_counter()
    with Crews(home) as crews:
        report.facts["cores"] = (
            f"{crews.cores}; arms a, b, d and sgemm have one process with one thread pinned to each, arm c one with "
            f"{len(crews.cores)} threads; the service's workers have one thread each and are not pinned"
        )
        report.facts["rounds"] = f"{rounds} of all arms in turn, {whole} of d and e on whole sweeps"
        for workload in workloads:
            _say(f"{workload.name}: {workload.title}")
            report.comparisons[workload.name] = compare(workload, crews, size, rounds)
        _compare_service(workloads, crews, home, whole, report)
    report.facts["minutes"] = f"{(perf_counter() - start) / 60:.1f}"
    _give(report, arguments)


def _compare_service(workloads: Sequence[Workload], crews: Crews, home: Path, rounds: int, report: Report) -> None:
    with service(home, len(crews.cores)) as running:
        running.sweep(QUICK.sweep())  # both workers have the data set after it
        for number in range(rounds):
            for workload in workloads:
                _say(f"{workload.name}: whole sweep, round {number + 1}")
                compare_service(workload, crews, running, report.comparisons[workload.name])
        report.peaks["process of arm d"] = crews.fused.peak_bytes()
        peaks = [peak_bytes(pid) for pid in running.worker_pids()]
        if all(peaks):
            report.peaks["worker of the service"] = max(peak or 0 for peak in peaks)


def _give(report: Report, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print(report.markdown())
    if arguments.into:
        write_into(arguments.into, report.markdown())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small workload, once: whether it works")
    parser.add_argument("--only", nargs="+", choices=[w.name for w in WORKLOADS], help="these workloads alone")
    parser.add_argument("--rounds", type=int, default=5, help="of all arms but the service")
    parser.add_argument("--service-rounds", type=int, default=3, help="of whole sweeps, alone and by the service")
    parser.add_argument("--json", action="store_true", help="print all that was measured as JSON")
    parser.add_argument("--into", type=Path, help="a page whose measured part is to be replaced")
    return parser.parse_args()


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
