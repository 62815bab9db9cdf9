"""The starts of networks that are compared, by depth and initialization."""

from collections.abc import Mapping
from typing import NamedTuple

from app.charts.rows import TrialRow
from app.domain.configuration import DEFAULTS
from app.domain.formatting import setting
from app.exercises.answers.comparison import Comparison, compare
from app.exercises.answers.levels import Level, levels_at
from app.exercises.exercise import SweepData

NAMED, SCALES = "named", "scales"
UNITS = {"quick": 64, "full": 128}
DEPTHS = (1, 4)
STDS = (0.001, 0.01, 0.1, 1.0)
EPOCHS = {"quick": 3, "full": 10}
SEEDS = {"quick": 3, "full": 5}
DEFAULT, ZEROS = "default", "zeros"
# the last two are of the first pass: how large outputs are from the first hidden layer to the last, and the gradient
HEADER = (
    "layers",
    "initialization",
    "after 1 epoch",
    "at the end",
    "std",
    "runs",
    "outputs before training",
    "gradient before training",
)


class Start(NamedTuple):
    """A network and how it begins."""

    depth: int
    name: str  # an initialization, or of `normal` its standard deviation


Starts = Mapping[Start, Level[Start]]


def named_start(trial: TrialRow) -> Start | None:
    layers = trial.params.get("hidden_layers")
    return Start(len(layers), str(trial.params.get("initialization"))) if isinstance(layers, list) else None


def scaled_start(trial: TrialRow) -> Start | None:
    start = named_start(trial)
    return start and Start(start.depth, f"normal {setting(trial.params.get('init_std'))}")


def start_of(data: SweepData, trial: TrialRow) -> Start | None:
    return scaled_start(trial) if "init_std" in data.sweep.axes else named_start(trial)


def only_name(start: Start) -> Start:
    """With the one name of what has two: `normal` is the normal one of the usual standard deviation."""
    return start._replace(name=f"normal {setting(DEFAULTS['init_std'])}") if start.name == "normal" else start


def starts_at(data: SweepData, epoch: int | None) -> Starts:
    """The accuracies after an epoch, or after each run's last one."""
    numbers = {trial.number: start for trial in data.trials if (start := start_of(data, trial)) is not None}
    return levels_at(data.epochs, numbers, "val_accuracy", epoch)


def depths_of(starts: Starts) -> list[int]:
    return sorted({start.depth for start in starts})


def comparisons_with_default(starts: Starts, depth: int) -> dict[str, Comparison]:
    """Each initialization beside the default at equal seeds, but zeros, with which hidden units stay equal."""
    default = starts.get(Start(depth, DEFAULT))
    if default is None:
        return {}
    compared = {
        start.name: compare(level, default)
        for start, level in starts.items()
        if start.depth == depth and start.name not in (DEFAULT, ZEROS)
    }
    return {name: comparison for name, comparison in compared.items() if comparison is not None}
