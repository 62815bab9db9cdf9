"""`python -m benchmarks.training.kernels`: the kernels of a step and of a validation, counted on torch's meta device.

Every operation of torch that computes something is counted as one kernel, as it is on a GPU but for those that are
made of several there; views and allocations are none. It needs no GPU, and says nothing of one's speed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from benchmarks.report import table
from benchmarks.workloads import CLASSES, FEATURES, WORKLOADS
from worker.mlp.evaluation import Evaluation
from worker.mlp.fused.epoch_steps import TrainingStep
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_table import StepTable
from worker.mlp.groups.run_group import group_runs
from worker.mlp.initializers import Layer, Parameters

RUNS = 512
VALIDATED = 10_000  # examples
VIEWS = {  # what gives other shapes to the same numbers, or memory without numbers: no kernel
    *(
        "view",
        "_unsafe_view",
        "expand",
        "slice",
        "select",
        "unsqueeze",
        "squeeze",
        "t",
        "transpose",
        "permute",
        "detach",
    ),
    *(
        "split",
        "split_with_sizes",
        "unbind",
        "alias",
        "as_strided",
        "empty",
        "empty_like",
        "new_empty",
        "_reshape_alias",
    ),
}


class KernelCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the kernels of what is done within."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels: int = 0

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.__name__.partition(".")[0]
        self.kernels += name not in VIEWS
        return function(*args, **(kwargs or {}))


def cohorts() -> dict[str, list[Run]]:
    """The cohorts that are counted, by what they are."""
    random = Random(0)
    (w4,) = [workload for workload in WORKLOADS if workload.name == "W4"]
    w4_runs = replace(w4, n_trials=RUNS).runs()
    extras = [replace(run.config, optimizer="adam", dropout=0.3, batch_norm=True) for run in w4_runs]
    return {
        "equal widths, SGD": _runs([MLPConfig((32,))] * RUNS),
        "random widths, SGD": _runs([MLPConfig((round(8 * 64 ** random.random()),)) for _ in range(RUNS)]),
        "W4": w4_runs,
        "W4 with Adam, dropout and batch norm": _runs(extras),
    }


def kernels(runs: Sequence[Run]) -> tuple[int, int]:
    """Kernels of a step of all runs, and of a validation, those of all groups added up."""
    steps, validations = zip(*(_kernels_of_group(group) for group in group_runs(runs)), strict=True)
    return sum(steps), sum(validations)


def _runs(configs: Sequence[MLPConfig]) -> list[Run]:
    return [Run(number, config, 0) for number, config in enumerate(configs)]


def _kernels_of_group(runs: Sequence[Run]) -> tuple[int, int]:
    x = torch.empty(VALIDATED, FEATURES, device="meta")
    y = torch.empty(VALIDATED, device="meta", dtype=torch.int64)
    model = FusedMLP([Member(run.config, _parameters(run.config)) for run in runs], x)
    batch = runs[0].config.batch_size
    step = TrainingStep(model, x, y, model.sums(), StepTable(batch, y), model.workspace(batch))
    model.load_steps(torch.ones(1, len(runs)), 0, 1)
    validation = Evaluation(model, x, y).take
    counts = []
    for take in (step, validation):
        with KernelCount() as count:
            take()
        counts.append(count.kernels)
    return counts[0], counts[1]


def _parameters(config: MLPConfig) -> Parameters:
    sizes = config.layer_sizes(FEATURES, CLASSES)
    return [Layer(torch.empty(o, i, device="meta"), torch.empty(o, device="meta")) for i, o in sizes]


def main() -> None:
    rows = [[name, *(f"{count:,}" for count in kernels(runs))] for name, runs in cohorts().items()]
    print(table([f"{RUNS} networks", "kernels a step", f"a validation of {VALIDATED:,} examples"], rows))


if __name__ == "__main__":
    main()
