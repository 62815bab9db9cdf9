"""Networks beside results that others have published, on three data sets: `python -m benchmarks.training.published`.

Of the small tables ten splits are stored, each with rows to test on of its own, so that not one lucky split decides.
"""

import math
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from app.config import Settings
from app.service.up import Service
from perceptune import Client, Sweep

SPLITS = 10  # of a table without a part to test on of its own
NOISE = 2.0  # standard errors of a difference, below which it is none
SMALL: dict[str, Any] = {
    "hidden_units": [8, 32],
    "learning_rate": [0.003, 0.01],
    "weight_decay": [0.0, 0.01],
    "optimizer": "adamw",
    "batch_size": 16,
    "epochs": 30,
}
LARGE: dict[str, Any] = {"hidden_units": 100, "learning_rate": [0.05, 0.1], "batch_size": 100, "epochs": 20}


class Published(NamedTuple):
    """A result of others."""

    data: str
    """A data set, or where `perceptune data add` gets it."""
    accuracy: float
    rows: int
    """On which it was measured."""
    method: str
    space: dict[str, Any]


RESULTS = [
    Published("sklearn:wine", 0.989, 178, "linear discriminants (Aeberhard, Coomans and de Vel, 1992)", SMALL),
    Published("sklearn:breast_cancer", 0.975, 569, "separating planes (Wolberg, Street and Mangasarian, 1995)", SMALL),
    Published("fashion_mnist", 0.871, 10_000, "100 hidden units, relu (Xiao, Rasul and Vollgraf, 2017)", LARGE),
]


def main() -> None:
    """Prints a line for each."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), port=0, device="cpu")
        with Service(settings) as service, Client(service.url) as client:
            for result in RESULTS:
                compare(client, result)


def compare(client: Client, result: Published) -> None:
    """Trains on each split, and prints the mean beside what was published."""
    names = [result.data]
    if ":" in result.data:
        stem = result.data.partition(":")[2]
        names = [client.add_dataset(result.data, f"{stem}_{seed}", seed=seed).name for seed in range(SPLITS)]
    fields: dict[str, Any] = {"space": result.space, "sampler": "grid", "seeds": 3}
    sweeps = [client.sweep(f"published {name}", dataset=name, **fields) for name in names]
    ours = sum(tested(sweep) for sweep in sweeps) / len(sweeps)
    rows = sum(client.dataset(name).test for name in names) if ":" in result.data else result.rows
    # rows of several splits overlap: no more of them count than the table has
    error = math.sqrt(result.accuracy * (1 - result.accuracy) * (1 / min(rows, result.rows) + 1 / result.rows))
    deviation = (ours - result.accuracy) / error
    verdict = "within the noise" if abs(deviation) <= NOISE else ("better" if deviation > 0 else "WORSE")
    print(f"{result.data}, {len(names)} x {rows // len(names):,} test rows: {ours:.1%}; {result.method}:", end=" ")
    print(f"{result.accuracy:.1%}; {deviation:+.1f} standard errors, {verdict}", flush=True)


def tested(sweep: Sweep) -> float:
    """The share of the test rows that its best network tells right, which is measured once it has ended."""
    sweep.wait()
    while sweep.best.test_accuracy is None:
        time.sleep(0.5)
        sweep.refresh()
    return sweep.best.test_accuracy


if __name__ == "__main__":
    main()
