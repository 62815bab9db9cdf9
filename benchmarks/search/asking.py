"""What share of a sweep's time its sampler takes: `python -m benchmarks.search.asking [--device cuda] [--trials 120]`.

A real worker trains Fashion-MNIST on a Postgres of its own. Of its log are read: the seconds in which it asked before a
cohort, and those in which it asked for the next one while a cohort trained; of the database the seconds of training.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import Engine, func, select

from app.db.engine import connect, transaction
from app.db.migrations import migrate
from app.db.tables import Run, Sweep, Trial
from app.domain.states import ENDED_SWEEPS
from app.schemas import SweepCreate
from app.service.postgres.server import running
from app.sweeps import creation

SPACE = {
    "hidden_units": {"low": 16, "high": 256, "log": True},
    "learning_rate": {"low": 0.01, "high": 1.0, "log": True},
    "momentum": {"low": 0.0, "high": 0.9},
    "activation": ["relu", "tanh"],
    "epochs": 5,
}
LOG_LINE = re.compile(r"asked (ahead )?for (\d+) trials in ([\d.]+) s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--samplers", default="tpe,gp")
    arguments = parser.parse_args()
    print(
        "| sampler | trials | training, s | asking before, s | asking beside, s | before / training | all / training |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="perceptune-asking-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)  # where this runs as root, Postgres runs as another user
        with running(home / "database") as url:
            engine = connect(url)
            migrate(engine)
            for name in arguments.samplers.split(","):
                print(row(engine, url, home, name, arguments.trials, arguments.device), flush=True)
            engine.dispose()


def row(engine: Engine, url: str, home: Path, name: str, trials: int, device: str) -> str:
    """One line of the table: a sweep with this sampler, trained by one worker."""
    body = {"name": name, "space": SPACE, "sampler": name, "n_trials": trials, "seeds": 2}
    with transaction(engine) as session:
        sweep = creation.create(session, SweepCreate.model_validate(body)).id
    log = home / f"{name}.log"
    ours = {"DATABASE_URL": url, "PERCEPTUNE_HOME": str(home), "PERCEPTUNE_DEVICE": device}
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "worker"], env=os.environ | ours | {"OMP_NUM_THREADS": "1"}, stderr=output
        )
        try:
            while not ended(engine, sweep):
                time.sleep(0.5)
        finally:
            worker.terminate()
            worker.wait()
    seconds = {"": 0.0, "ahead ": 0.0}
    for ahead, _, spent in LOG_LINE.findall(log.read_text()):
        seconds[ahead] += float(spent)
    with transaction(engine) as session:
        training = session.scalars(select(func.sum(Run.seconds)).join(Trial).where(Trial.sweep_id == sweep)).one()
    before, beside = seconds[""], seconds["ahead "]
    shares = f"{before / training:.1%} | {(before + beside) / training:.1%}"
    return f"| {name} | {trials} | {training:.1f} | {before:.2f} | {beside:.2f} | {shares} |"


def ended(engine: Engine, sweep: int) -> bool:
    with transaction(engine) as session:
        return session.get_one(Sweep, sweep).state in ENDED_SWEEPS


if __name__ == "__main__":
    main()
