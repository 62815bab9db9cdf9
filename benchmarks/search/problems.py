"""The problems of `python -m benchmarks.search`: what is searched, for how long, and which errors are to be reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Arm = Literal["random", "hyperband", "asha", "one_epoch", "plain"]
ARMS: dict[Arm, str] = {
    "random": "random, every trial to its end",
    "hyperband": "TPE + hyperband",
    "asha": "TPE + successive_halving",
    "one_epoch": "random + one_epoch",
    "plain": "a plain script, Optuna's TPE + HyperbandPruner",
}
MANY_TRIALS = 2_000  # more than any arm comes to


@dataclass(frozen=True)
class Problem:
    """A space that is searched for a low validation error."""

    title: str
    dataset: str
    space: Mapping[str, Any]
    epochs: int  # at most
    targets: Sequence[float]  # validation errors
    minutes: float  # an arm and seed
    random_trials: int  # of the arm that trains all of them, and of one_epoch
    one_epoch_keeps: int
    reduction_factor: int = 3  # of the arms that halve, the plain script's too

    @property
    def whole_space(self) -> dict[str, Any]:
        """The space with the epochs, as it is posted."""
        return {**self.space, "epochs": self.epochs}

    def sweep(self, arm: Arm, seed: int) -> dict[str, Any]:
        """The body of `POST /api/v1/sweeps` for one of the service's arms."""
        searched: dict[Arm, dict[str, Any]] = {
            "random": {"sampler": "random", "n_trials": self.random_trials},
            "hyperband": self._halved({"name": "hyperband"}),
            "asha": self._halved({"name": "successive_halving", "min_resource": 1}),
            "one_epoch": {
                "sampler": "random",
                "n_trials": self.random_trials,
                "pruner": {"name": "one_epoch", "keep": self.one_epoch_keeps},
            },
        }
        body = {"name": f"{self.title}: {arm}", "dataset": self.dataset, "space": self.whole_space, "seed": seed}
        return body | searched[arm]

    def _halved(self, pruner: Mapping[str, Any]) -> dict[str, Any]:
        options = {**pruner, "reduction_factor": self.reduction_factor}
        return {"sampler": "tpe", "n_trials": MANY_TRIALS, "pruner": options}


PROBLEMS = {
    "a": Problem(
        "Syne Tune's tutorial: two layers, Fashion-MNIST, up to 81 epochs",
        "fashion_mnist",
        {
            "depth": 2,
            "hidden_units_1": {"low": 4, "high": 1024, "log": True},
            "hidden_units_2": {"low": 4, "high": 1024, "log": True},
            "batch_size": {"low": 16, "high": 128, "log": True},
            "dropout": {"low": 0, "high": 0.99},
            "optimizer": "adam",
            "learning_rate": {"low": 1e-6, "high": 1, "log": True},
            "weight_decay": {"low": 1e-8, "high": 1, "log": True},
        },
        epochs=81,
        targets=(0.12, 0.11, 0.1035, 0.0944),
        minutes=30,
        random_trials=64,
        one_epoch_keeps=8,
    ),
    "b": Problem(
        "widths and rates, Fashion-MNIST, up to 20 epochs",
        "fashion_mnist",
        {
            "hidden_units": {"low": 8, "high": 512, "log": True},
            "learning_rate": {"low": 1e-3, "high": 1, "log": True},
        },
        epochs=20,
        targets=(0.13, 0.12, 0.11, 0.105),
        minutes=5,
        random_trials=64,
        one_epoch_keeps=8,
    ),
    "c": Problem(
        "widths, rates and batches, digits, up to 27 epochs",
        "digits",
        {
            "hidden_units": {"low": 4, "high": 256, "log": True},
            "learning_rate": {"low": 1e-3, "high": 1, "log": True},
            "batch_size": {"low": 16, "high": 128, "log": True},
        },
        epochs=27,
        targets=(0.05, 0.03, 0.02, 0.015),
        minutes=1,
        random_trials=256,
        one_epoch_keeps=16,
    ),
}
