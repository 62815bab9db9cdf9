"""The words of the form: names of its fields, the values that its lists offer, groups of hyperparameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.configuration import LAYER_WIDTHS
from app.domain.hyperparameters import HYPERPARAMETERS
from app.domain.tasks import EVERY_HYPERPARAMETER, METRICS, TASKS
from app.web.pages.labels import PRUNERS, SAMPLERS, SPLITS, Option

LABELS = {
    "name": "Name",
    "task": "What is measured",
    "dataset": "Data set",
    "split": "Validate on",
    "sampler": "Sampler",
    "n_trials": "Trials",
    "seeds": "Seeds",
    "pruner": "Pruner",
    "objective": "Goal",
    "objective_2": "Second goal",
    "objective_3": "Third goal",
    "best_by": "Best by",
    "stop_seconds": "Seconds",
    "stop_target": "Target",
    "stop_no_improvement": "Trials without improvement",
    "stop_failures": "Failures in a row",
    "survivors": "Seeds of the better ones",
    "warm_start": "Earlier sweeps",
    "warm_start_trials": "Trials of them",
    "repeats": "A configuration again",
    "seed": "Seed of the sweep",
    "diagnostics": "Diagnostics",
    "keep_models": "Models to keep",
    "priority": "Priority",
    "worker_device": "Device",
    "tags": "Tags",
    "notes": "Notes",
    "constraints": "Constraints",
    "more": "More fields, as JSON",
}

HINTS = {
    "split": "what is used to choose is a little too good to be true afterwards",
    "sampler": "how configurations are chosen",
    "n_trials": "configurations to try",
    "seeds": "trainings of each configuration",
    "pruner": "stops poor trials early",
    "best_by": "how the best configuration is chosen",
    "stop_seconds": "since the first trial began",
    "stop_target": "a value that is good enough",
    "stop_no_improvement": "since the best one",
    "stop_failures": "whatever the reason",
    "survivors": "trainings of those among the best third; a multiple of the seeds",
    "warm_start": "their numbers, e.g. 3, 7: the best configurations are tried first",
    "warm_start_trials": "at most so many; 5 if left out",
    "repeats": "when the sampler asks for what was tried before",
    "seed": "from which all others derive; 0 if left out",
    "diagnostics": "dead units, sizes of activations and gradients, layer by layer",
    "priority": "trials of a sweep with a higher one come first",
    "worker_device": "of the workers that may train it",
    "tags": "words to find it by, with commas between them",
    "notes": "what it is for",
    "constraints": "one a line; every configuration has to satisfy them",
    "more": "of the API's body, what no field above can say",
}

_OBJECTIVES = tuple(
    Option(
        f"{metric.direction} {name}",
        f"{metric.title}, {'highest' if metric.maximize else 'lowest'}",
        " ".join(task.name for task in TASKS.values() if name in task.metrics),
        metric.target or "",
    )
    for name, metric in METRICS.items()
)
_FURTHER_OBJECTIVES = (
    *_OBJECTIVES,
    Option("minimize parameters", "parameters, fewest", "train_mlp"),
    *(() if "seconds" in TASKS["train_mlp"].metrics else (Option("minimize seconds", "training time", "train_mlp"),)),
)

_DEVICES = {"cuda": "NVIDIA GPUs alone", "cpu": "processors alone", "mps": "Apple GPUs alone"}

LISTS: Mapping[str, Sequence[Option]] = {
    "task": (
        Option("", "a multilayer perceptron's training"),
        *(Option(task.name, f"{task.meaning}") for task in TASKS.values() if task.is_timing),
    ),
    "split": SPLITS,
    "sampler": SAMPLERS,
    "pruner": PRUNERS,
    "objective": (Option("", "as usual: accuracy, R² of a number, or what is timed"), *_OBJECTIVES),
    "objective_2": (Option("", "none"), *_FURTHER_OBJECTIVES),
    "objective_3": (Option("", "none"), *_FURTHER_OBJECTIVES),
    "best_by": (
        Option("", "what more runs are expected to give"),
        Option("mean", "the mean of its runs"),
        Option("lower_bound", "the lower bound of its mean"),
    ),
    "repeats": (
        Option("", "train it with further seeds"),
        Option("reuse", "take over the earlier result"),
        Option("forbid", "ask for another one"),
    ),
    "diagnostics": (Option("", "not measured"), Option("true", "measured after each epoch")),
    "keep_models": (Option("", "of the best trial"), Option("all", "of all complete trials")),
    "worker_device": (Option("", "any"), *(Option(kind, words) for kind, words in _DEVICES.items())),
}


@dataclass(frozen=True)
class Group:
    """Hyperparameters that belong together: some are shown at once, the others on demand."""

    title: str
    usual: Sequence[str]
    rare: Sequence[str]


GROUPS = (
    Group("Model", ("hidden_units", "depth", "activation"), ("hidden_layers", *LAYER_WIDTHS)),
    Group("Optimizer", ("learning_rate", "batch_size", "optimizer"), ("momentum",)),
    Group("Schedule", ("epochs",), ("lr_schedule", "warmup_epochs", "lr_step_epochs", "lr_gamma", "patience")),
    Group("Regularization", (), ("weight_decay", "dropout", "batch_norm", "label_smoothing")),
    Group("Initialization", ("initialization",), ("init_std", "init_range", "init_gain", "init_slope")),
    Group("Timing", tuple(name for name in EVERY_HYPERPARAMETER if name not in HYPERPARAMETERS), ()),
)


def tasks_with(name: str) -> str:
    """The tasks that have this hyperparameter, with spaces between them."""
    return " ".join(task.name for task in TASKS.values() if name in task.hyperparameters)
