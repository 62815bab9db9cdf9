"""The task `time_training`: the seconds of a training epoch, by how the network is implemented."""

from app.domain.configuration import MLPConfig
from app.domain.datasets import DatasetInfo
from app.domain.hyperparameters import HYPERPARAMETERS, Category, Hyperparameter, Number
from app.domain.tasks.task import Metric, Params, Task, completed_by

IMPLEMENTATIONS = ("scratch", "concise", "compiled", "fused")
MAX_NETWORKS = 256
_BOOK = "Dive into Deep Learning 5.2.4, exercise 6"
_CORE_FLOPS = 6e10  # floating-point operations that a core does in a second of training, roughly
_STEP_SECONDS = 5e-4  # that a step takes however small the network is, roughly
_COMPILE_SECONDS = 5.0  # that compiling adds to a run, roughly

PARAMETERS: dict[str, Hyperparameter] = {
    "implementation": Hyperparameter(
        Category(IMPLEMENTATIONS),
        "how the network is written: scratch by tensors and autograd, concise by torch.nn and torch.optim, compiled "
        "the same by torch.compile, fused by Perceptune's own engine",
        "one epoch: choose each mini-batch, forward, mean cross-entropy, backward, update",
        _BOOK,
        "concise",
    ),
    "networks": Hyperparameter(
        Number(1, MAX_NETWORKS, whole=True),
        "networks that fused trains together; the others always train one at a time",
        "seconds_per_epoch is the time of the epoch divided by them",
        _BOOK,
        16,
    ),
    "examples": Hyperparameter(
        Number(0, 10_000_000, whole=True),
        "examples of an epoch, at most those of the data set; 0 takes all of them",
        "",
        "",
        0,
    ),
    **{name: HYPERPARAMETERS[name] for name in ("hidden_units", "depth", "batch_size", "activation", "learning_rate")},
}

_complete = completed_by(PARAMETERS)


def config_of(params: Params) -> MLPConfig:
    """The network that is trained, for as many epochs as are asked of it."""
    complete = _complete(params)
    names = ("hidden_units", "depth", "batch_size", "activation", "learning_rate")
    return MLPConfig.from_params({name: complete[name] for name in names} | {"epochs": 10_000})


def epoch_examples(params: Params, dataset: DatasetInfo) -> int:
    """How many examples an epoch has."""
    available = dataset.train_examples("holdout")
    return min(_complete(params)["examples"] or available, available)


def networks_of(params: Params) -> int:
    """How many networks train together."""
    complete = _complete(params)
    return int(complete["networks"]) if complete["implementation"] == "fused" else 1


def _of_seconds(params: Params, dataset: DatasetInfo, seconds: float) -> dict[str, float]:
    """`seconds`: of an epoch of all networks together."""
    of_one = seconds / networks_of(params)
    return {"seconds_per_epoch": of_one, "examples_per_second": epoch_examples(params, dataset) / of_one}


def _cost(params: Params, dataset: DatasetInfo) -> float:
    """A run is an epoch, and a share of the warm-up before the first one."""
    config, examples = config_of(params), epoch_examples(params, dataset)
    forward = sum(inputs * outputs for inputs, outputs in config.layer_sizes(*dataset.shape))
    steps = examples / config.batch_size
    compiling = _COMPILE_SECONDS if _complete(params)["implementation"] == "compiled" else 0.0
    return compiling + 1.5 * networks_of(params) * (6 * forward * examples / _CORE_FLOPS + steps * _STEP_SECONDS)


TIME_TRAINING = Task(
    name="time_training",
    meaning="times an epoch of training, by implementation",
    hyperparameters=PARAMETERS,
    metrics={
        "seconds_per_epoch": Metric("Time of an epoch", maximize=False, unit="s"),
        "examples_per_second": Metric("Training speed", maximize=True, unit="examples/s"),
    },
    complete=_complete,
    cost=_cost,
    of_seconds=_of_seconds,
)
