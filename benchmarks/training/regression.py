"""Networks beside least squares and ridge regression on diabetes: `python -m benchmarks.training.regression`."""

import tempfile
from collections.abc import Hashable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from worker.data.datasets import Dataset, load
from worker.mlp.evaluation import score
from worker.mlp.initializers import Parameters
from worker.mlp.training import train
from worker.mlp.weights import in_own_units

SEEDS = 10
SPLITS = 200
PENALTIES = np.logspace(-2, 4, 61)
SHAPES: tuple[tuple[int, ...], ...] = ((), (4,), (16,), (64,), (16, 16))
RATES = (0.01, 0.03, 0.06)
DECAYS = (0.003, 0.03, 0.1, 0.3)


def main() -> None:
    """Prints R² of validation, by which networks are chosen, and R² and mean absolute error of the test."""
    with tempfile.TemporaryDirectory() as home:
        data = load("diabetes", "holdout", home=Path(home), device=torch.device("cpu"))
    print("| | validation R² | test R² | test mean absolute error |")
    print("|---|---|---|---|")
    for name, model in {"least squares": LinearRegression(), "ridge": RidgeCV(PENALTIES)}.items():
        fitted = model.fit(data.train_x.numpy(), data.train_y.numpy())
        numbers = _own_units(data, fitted.predict(_standardized(data)))
        val_r2 = r2_score(data.val_y, fitted.predict(data.val_x.numpy()))
        _print_row(name, [val_r2], [r2_score(data.test_y, numbers)], [mean_absolute_error(data.test_y, numbers)])
    _print_networks(data)
    scores = [_score_of_a_split(seed) for seed in range(SPLITS)]
    ends = f"{min(scores):.2f} to {max(scores):.2f}"
    print(f"\nTest R² of ridge over {SPLITS} splits without regard to the target: {ends}")


def _score_of_a_split(seed: int) -> float:
    """Ridge regression on other examples, of which a fifth that is drawn anew is the test."""
    x, y = load_diabetes(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.2, random_state=seed)
    return float(r2_score(test_y, RidgeCV(PENALTIES).fit(train_x, train_y).predict(test_x)))


def _standardized(data: Dataset) -> NDArray[np.float32]:
    assert data.scaling is not None
    return np.asarray(
        (data.test_x - torch.tensor(data.scaling.feature_means)) / torch.tensor(data.scaling.feature_stds)
    )


def _own_units(data: Dataset, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    assert data.scaling is not None
    return np.asarray(numbers * data.scaling.target_std + data.scaling.target_mean)


def _print_networks(data: Dataset) -> None:
    """The best networks without and with hidden layers, by the mean over their seeds."""
    runs = [
        Run((shape, rate, decay, seed), MLPConfig(shape, rate, 60, 32, weight_decay=decay), seed)
        for shape, rate, decay, seed in product(SHAPES, RATES, DECAYS, range(SEEDS))
    ]
    layers: dict[Hashable, Parameters] = {}
    *_, last_results = train(runs, data.training_split(), final_parameters=layers)
    val_r2 = {result.key: result.val_r2 or 0.0 for result in last_results}
    for name, shapes in {"networks without a hidden layer": SHAPES[:1], "networks": SHAPES[1:]}.items():
        cells = list(product(shapes, RATES, DECAYS))
        best = max(cells, key=lambda cell: fmean(val_r2[*cell, seed] for seed in range(SEEDS)))
        chosen_runs = [run for run in runs if run.key in {(*best, seed) for seed in range(SEEDS)}]
        _print_network(f"{name}, the best of {len(cells)}: {best}", data, chosen_runs, val_r2, layers)


def _print_network(
    name: str,
    data: Dataset,
    runs: Sequence[Run],
    val_r2: Mapping[Hashable, float],
    layers: Mapping[Hashable, Parameters],
) -> None:
    scores = [score(run.config, in_own_units(layers[run.key], data.scaling), data.test_x, data.test_y) for run in runs]
    values = [val_r2[run.key] for run in runs]
    _print_row(name, values, [item.r2 or 0.0 for item in scores], [item.mae or 0.0 for item in scores])


def _print_row(name: str, *figures: Sequence[float]) -> None:
    cells = [f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "") for values in figures]
    print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
