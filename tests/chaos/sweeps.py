"""The sweeps that are trained meanwhile: small, on real data, with several seeds a trial."""

from typing import Any

GRID: dict[str, Any] = {
    "name": "grid",
    "dataset": "digits",
    "space": {"hidden_units": [8, 16, 32], "learning_rate": [0.05, 0.1, 0.2, 0.4], "epochs": 60},
    "sampler": "grid",
    "seeds": 2,
    "seed": 1,
}
RANDOM: dict[str, Any] = {
    "name": "random",
    "dataset": "digits",
    "space": {
        "hidden_units": {"low": 8, "high": 48},
        "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
        "epochs": 60,
    },
    "sampler": "random",
    "n_trials": 12,
    "seeds": 3,
    "seed": 2,
}
TPE = RANDOM | {
    "name": "tpe",
    "sampler": {"name": "tpe", "n_startup_trials": 4, "n_ei_candidates": 4},
    "n_trials": 10,
    "seeds": 2,
}
# the trials of the grid, which come to rungs and are interrupted there, too
HALVING = GRID | {
    "name": "halving",
    "pruner": {"name": "successive_halving", "min_resource": 10, "reduction_factor": 2},
}
EXTENDED = RANDOM | {"name": "extended", "n_trials": 5}
SMALL = RANDOM | {"name": "poisonous", "n_trials": 4}
POISONOUS_SPACE = RANDOM["space"] | {"learning_rate": {"low": 0.1, "high": 0.5, "step": 1e-30}}  # which the API refuses
LONG = RANDOM | {"name": "cancelled", "n_trials": 40}
CYCLE = {"grid": GRID, "halving": HALVING, "random": RANDOM, "tpe": TPE}
EPOCHS = 60
