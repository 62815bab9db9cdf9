"""How long charts of 10,000 trials take: `python -m benchmarks.server.charts` prints the table of docs/performance.md.

A database of its own is filled with a sweep of 10,000 trials, 30,000 runs and 1,020,000 epochs. Each chart is read,
drawn and written as JSON, as the server does it once for each revision of a sweep. The times are medians; what this
process computes itself is told apart, as it does not depend on how busy the machine is.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from sqlalchemy import Engine

from app.charts.lens import divide, parse_lens
from app.charts.registry import CHARTS, Chart
from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.lifecycle import sweep_row
from app.queries import chart_rows
from app.service.postgres.server import running
from app.service.up import collect_garbage_rarely
from benchmarks.server.large_sweeps import fill

GOAL_MS, GOAL_BYTES = 300.0, 2_000_000
LENSES = (
    {"metric": "best"},
    {"metric": "mean_last=5"},
    {"metric": "at_epoch=17"},
    {"where": "learning_rate<0.1,activation=relu|tanh"},
    {"top": "20"},
)
QUERIES: dict[str, tuple[Mapping[str, str], ...]] = {
    "effect": (
        {"x": "learning_rate", "color": "activation"},
        {"x": "learning_rate", "dependence": "true"},
        {"x": "learning_rate", "robust": "true"},
        *({"x": "learning_rate", **lens} for lens in LENSES),
    ),
    "scatter": (
        {"x": "seconds"},
        {"x": "parameters", "y": "val_loss", "color": "activation"},
        {"x": "learning_rate", "y": "train_loss", "metric": "best"},
    ),
    "heatmap": ({"x": "learning_rate"}, {"x": "learning_rate", "y": "hidden_units"}),
}


class Measured(NamedTuple):
    """Milliseconds of each part of a chart, and its size."""

    read: float
    draw: float
    write: float
    cpu: float  # of all three
    first: float  # the same of the first time, all together
    size: int


def measure(engine: Engine, sweep_id: int, chart: Chart, query: Mapping[str, str], times: int) -> Measured:
    """Medians, after a first time that is told apart: the metrics of runs are read once."""
    first, *others = [_once(engine, sweep_id, chart, query) for _ in range(times + 1)]
    parts = zip(*((other.read, other.draw, other.write, other.cpu) for other in others), strict=True)
    read, draw, write, cpu = map(median, parts)
    return Measured(read, draw, write, cpu, first.first, first.size)


def _once(engine: Engine, sweep_id: int, chart: Chart, query: Mapping[str, str]) -> Measured:
    with transaction(engine) as session:
        start, cpu = time.perf_counter(), time.process_time()
        sweep = sweep_row.get(session, sweep_id)
        lens_query, options = divide(query)
        lens = parse_lens(chart_rows.chart_sweep(sweep), lens_query)
        rows = chart_rows.chart_rows(session, sweep, chart, options, lens=lens)
        read = time.perf_counter()
        figure = chart.figure(*rows, options, robust=lens.robust)
        figure_end = time.perf_counter()
        size = len(str(figure.to_json()))
        end = time.perf_counter()
    own = time.process_time() - cpu
    parts = [1e3 * part for part in (read - start, figure_end - read, end - figure_end, own, end - start)]
    return Measured(parts[0], parts[1], parts[2], parts[3], parts[4], size)


def row(name: str, query: Mapping[str, str], figures: Measured) -> str:
    """A row of the table."""
    total = figures.read + figures.draw + figures.write
    options = " ".join(f"{key}={text}".replace("|", "\\|") for key, text in query.items())
    is_kept = total <= GOAL_MS and figures.size <= GOAL_BYTES
    parts = (figures.read, figures.draw, figures.write, total, figures.cpu, figures.first)
    times = " | ".join(f"{part:.0f}" for part in parts)
    return f"| `{name}` {options} | {times} | {figures.size / 1e3:,.0f} | {'' if is_kept else 'MISSED'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often each chart is drawn")
    parser.add_argument("--keep", type=Path, help="a folder for the database, filled if it is empty")
    parser.add_argument("--only", nargs="+", choices=list(CHARTS), help="these charts alone")
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="perceptune-", dir="/tmp"))
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    collect_garbage_rarely()  # as the server does
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print("| chart, in milliseconds | read | draw | write | together | own CPU | first time | kB | goal |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    with running(home) as url:
        engine = connect(url)
        migrate(engine)
        sweep = fill(engine).epochs
        for name in options.only or [name for name in CHARTS if name not in ("pareto", "diagnostics")]:
            for query in QUERIES.get(name, ({},)):
                print(row(name, query, measure(engine, sweep, CHARTS[name], query, options.times)), flush=True)
        engine.dispose()
    if options.keep is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
