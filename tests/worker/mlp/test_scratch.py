"""The book's two implementations against each other."""

import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from tests.support.training.mlp_examples import distance, mixed_runs, plain_after
from worker.mlp.initializers import initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.reference.scratch import MLPScratch


def test_scratch_equals_concise() -> None:
    """After 20 steps their parameters agree to 1e-9."""
    gaps = [
        distance(plain_after(MLPScratch, run, torch.float64, 20), plain_after(MLPConcise, run, torch.float64, 20))
        for run in mixed_runs(7)
    ]
    assert [gap for gap in gaps if not gap <= 1e-9] == []


def test_networks_copy_their_parameters() -> None:
    """Training one network leaves the given tensors, and so the next network's start, as they were."""
    run = Run(0, MLPConfig((4,)), 0)
    initial = initial_parameters(run, 20, 10)
    for kind in (MLPScratch, MLPConcise):
        model = kind(run.config, initial)
        model.descend(model.logits(torch.ones(3, 20)).square().sum(), 0.1)
        assert distance(model.parameters(), initial) > 0
        assert distance(initial, initial_parameters(run, 20, 10)) == 0
