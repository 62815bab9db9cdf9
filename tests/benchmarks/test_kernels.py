"""How many kernels a training step is on a GPU, counted without one."""

from dataclasses import replace

import torch

from app.domain.configuration import MLPConfig
from app.domain.memory import EVALUATION_BATCH
from app.domain.runs import Run
from benchmarks.training.kernels import VALIDATED, KernelCount, cohorts, kernels

MOST = {
    "equal widths, SGD": 30,
    "random widths, SGD": 70,
    "W4": 400,
    "W4 with Adam, dropout and batch norm": 300,
}


def test_a_step_of_512_networks_is_few_kernels() -> None:
    """However the networks differ: the goals were 400 for the mixed workload and 1,000 for its worst form."""
    counts = {name: kernels(runs)[0] for name, runs in cohorts().items()}
    assert {name: count for name, count in counts.items() if not 10 < count <= MOST[name]} == {}


def test_a_validation_folds_normalization_once() -> None:
    """Of ten batches as of two: five kernels, and one for each level of a batch."""
    config = MLPConfig((9, 7))
    plain, normalized = (
        kernels([Run(0, replace(config, batch_norm=batch_norm), 0)])[1] for batch_norm in (False, True)
    )
    batches = VALIDATED // EVALUATION_BATCH
    assert normalized - plain == 5 + len(config.hidden_layers) * batches


def test_counts_what_computes_and_no_views() -> None:
    """A product with its bias, an activation and a copy are three; shapes and empty memory are none."""
    x = torch.empty(4, 3, device="meta")
    with KernelCount() as count:
        h = torch.addmm(torch.empty(4, 1, device="meta"), x, x.T)
        torch.empty_like(h).copy_(h.relu().view(2, 8).view(4, 4)[1:3].expand(2, 2, 4)[0, 0])
    assert count.kernels == 3
