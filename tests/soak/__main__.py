"""`python -m tests.soak`: so many minutes of use, faults and looks, with tables and a picture."""

import argparse
import csv
import shutil
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import Record, soak
from tests.soak.trend import COLOURS, MEASURES, draw, growths, warm_and_end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds after each round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, default=Path("soak.svg"))
    parser.add_argument("--csv", type=Path, help="a file for every size that was taken")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    home.chmod(0o755)
    record = soak(
        home,
        seconds=60 * arguments.minutes,
        pause=arguments.pause,
        seed=arguments.seed,
        say=lambda line: print(line, flush=True),
    )
    draw(record.sizes, arguments.picture)
    if arguments.csv is not None:
        write(record, arguments.csv)
    print(report(record))
    if growths(record.sizes):
        sys.exit(f"everything is kept in {home}")
    shutil.rmtree(home)


def write(record: Record, path: Path) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds", "process", *MEASURES])
        for seconds, process, size in record.sizes:
            rows.writerow([f"{seconds:.0f}", process, f"{size.megabytes:.1f}", size.files, size.connections])


def report(record: Record) -> str:
    """Two tables, in Markdown, and what has grown."""
    lines = ["", "| what | times |", "|---|---:|"]
    lines += [f"| {kind} | {times:,} |" for kind, times in sorted(record.done.items())]
    lines += ["", f"In {record.seconds / 60:.0f} minutes:", "", "| | when warm | at the end |", "|---|---:|---:|"]
    for process in COLOURS:
        for measure, title in MEASURES.items():
            warm, end = warm_and_end(record.sizes, process, measure)
            lines.append(f"| {process}: {title} | {warm:.0f} | {end:.0f} |")
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in growths(record.sizes))])


if __name__ == "__main__":
    main()
