"""Networks that are trained with bfloat16 products learn what those with exact ones learn."""

from statistics import fmean

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.devices.products import EXACT, Products
from app.domain.runs import Run
from tests.support.training.digits import digits
from tests.support.training.learning_curves import Curves, losses
from worker.device.products import products, rounds_to_bfloat16
from worker.mlp.training import train

pytestmark = pytest.mark.skipif(not rounds_to_bfloat16(), reason="needs a processor with AMX")
ROUNDING = 2**-8  # of a factor, relative


def trained(runs: list[Run], kind: Products) -> Curves:
    """The learning curves of runs that train together, in single precision as workers do."""
    curves: Curves = {}
    with products(kind):
        for results in train(runs, digits(dtype=torch.float32)):
            for result in results:
                curves.setdefault(result.key, []).append(result)
    return curves


def test_they_learn_the_same_in_two_epochs() -> None:
    """The mean accuracy of twenty networks is the same to half a point; no loss differs by more than rounding makes."""
    shapes = [(64,), (128,), (96, 64), (200,)]
    runs = [
        Run((i, optimizer), MLPConfig(shapes[i % 4], rate, 2, 32, optimizer=optimizer), seed=i % 2)
        for optimizer, rate in (("sgd", 0.1), ("momentum", 0.05), ("adam", 0.003), ("rmsprop", 0.001))
        for i in range(5)
    ]
    exact, rounded = trained(runs, EXACT), trained(runs, "bfloat16")
    means = [fmean(curve[-1].val_accuracy or 0.0 for curve in curves.values()) for curves in (exact, rounded)]
    assert means[0] > 0.7
    assert means[1] == pytest.approx(means[0], abs=0.005)
    for run in runs:
        assert losses(rounded[run.key]) == pytest.approx(losses(exact[run.key]), rel=20 * ROUNDING)
        assert losses(rounded[run.key]) != losses(exact[run.key])


def test_the_same_training_twice_gives_identical_numbers() -> None:
    """In other company too, but for rounding: its products may be summed in another order there."""
    run = Run(0, MLPConfig((64,), 0.1, 2, 32), 0)
    company = [Run(i, MLPConfig((64 + 8 * i,), 0.05, 2, 32), 0) for i in range(1, 6)]
    alone, again, beside = (trained(runs, "bfloat16")[0] for runs in ([run], [run], [run, *company]))
    assert losses(alone) == losses(again)
    assert losses(beside) == pytest.approx(losses(alone), rel=ROUNDING)
