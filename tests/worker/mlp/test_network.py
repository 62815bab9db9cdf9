"""The fused network against the book's two implementations."""

import pytest
import torch

from app.domain.configuration import ACTIVATIONS, MLPConfig
from app.domain.runs import Run
from tests.support.training.mlp_examples import (
    BATCH,
    CLASSES,
    FEATURES,
    Reference,
    batches,
    distance,
    every_run,
    fused_after,
    mixed_runs,
    plain_after,
)
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.initializers import initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.reference.scratch import MLPScratch
from worker.mlp.scores import RunningSums

REFERENCES = [MLPScratch, MLPConcise]


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_the_references_for_every_initialization_and_shape(activation: str, reference: Reference) -> None:
    """After 20 steps in one cohort no parameter differs by more than 1e-9 from the same run's, trained alone."""
    runs = every_run(activation)
    fused = fused_after(runs, torch.float64, 20)
    far = {
        run.key: gap
        for run, parameters in zip(runs, fused, strict=True)
        if not (gap := distance(parameters, plain_after(reference, run, torch.float64, 20))) <= 1e-9
    }
    assert far == {}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("count", [1, 7, 64])
def test_equals_the_references_in_mixed_cohorts(count: int, reference: Reference) -> None:
    """Depths, widths, activations, rates and initializations may be mixed at will."""
    runs = mixed_runs(count)
    fused = fused_after(runs, torch.float64, 20)
    gaps = [distance(f, plain_after(reference, run, torch.float64, 20)) for run, f in zip(runs, fused, strict=True)]
    assert [gap for gap in gaps if not gap <= 1e-9] == []


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_the_references_alone(activation: str) -> None:
    """A cohort of one is the plain network too."""
    runs = every_run(activation)[:: len(ACTIVATIONS) + 3]
    gaps = [
        distance(fused_after([run], torch.float64, 20)[0], plain_after(reference, run, torch.float64, 20))
        for run in runs
        for reference in REFERENCES
    ]
    assert [gap for gap in gaps if not gap <= 1e-9] == []


def test_equals_the_references_in_float32() -> None:
    """One step in single precision agrees to 1e-5."""
    runs = mixed_runs(64)
    fused = fused_after(runs, torch.float32, 1)
    for run, parameters in zip(runs, fused, strict=True):
        for reference in REFERENCES:
            plain = plain_after(reference, run, torch.float32, 1)
            torch.testing.assert_close(parameters, plain, rtol=1e-5, atol=1e-5)


def test_many_runs_of_one_shape_take_as_few_operations_as_one() -> None:
    """A hundred networks of two hidden layers are three products, as one network is."""
    config = MLPConfig((8, 8))
    parameters = initial_parameters(Run(0, config, 0), FEATURES, CLASSES)
    model = FusedMLP([Member(config, parameters)] * 100, like=torch.empty(0))
    space = model.workspace(BATCH)
    assert [len(products) for products in space.products] == [1, 1]
    assert [len(level.sections) for level in space.levels] == [1, 1]


def test_equal_scores_count_as_the_first_class() -> None:
    """With all logits equal the answer is class 0, as argmax has it; chance, not certainty."""
    run = Run(0, MLPConfig((), initialization="zeros"), 0)
    model = FusedMLP([Member(run.config, initial_parameters(run, FEATURES, CLASSES))], like=torch.empty(0))
    (x, y), *_ = batches(torch.float32, 1)
    sums = RunningSums.zeros(1, x)
    model.evaluate([(model.workspace(BATCH, training=False), x, y)], sums)
    assert sums.answers.tolist() == [(y == 0).sum().item()]


def test_refuses_networks_out_of_order() -> None:
    """Members that are not in fusion order would mix up their columns."""
    runs = [Run(0, MLPConfig(()), 0), Run(1, MLPConfig((4,)), 0)]
    members = [Member(run.config, initial_parameters(run, FEATURES, CLASSES)) for run in runs]
    with pytest.raises(ValueError, match="fusion_order"):
        FusedMLP(members, like=torch.empty(0))
