"""Small data and networks of every shape, shared by the tests of the numeric core."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from random import Random

import torch
from torch import Tensor

from app.domain.configuration import ACTIVATIONS, INITIALIZATIONS, LR_SCHEDULES, OPTIMIZERS, MLPConfig
from app.domain.runs import Run
from worker.mlp.fused.layout import fusion_order
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.step_kind import StepKind
from worker.mlp.initializers import Parameters, initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.reference.plain_training import batch_noise, step
from worker.mlp.reference.scratch import MLPScratch
from worker.mlp.schedules import learning_rates
from worker.mlp.scores import RunningSums
from worker.mlp.split import Split

Reference = Callable[[MLPConfig, Parameters], MLPScratch | MLPConcise]
FEATURES, CLASSES, BATCH = 20, 10, 32
EPOCH_STEPS = 5  # of the comparisons: 20 steps are four epochs
SHAPES: tuple[tuple[int, ...], ...] = ((), (7,), (1,), (7, 5), (16, 1, 16), (5, 5, 5), (7, 5, 3, 2))


def small_split(dtype: torch.dtype = torch.float64) -> Split:
    """300 examples to train on and 90 to validate; some are all zeros, where ReLU has its kink."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(CLASSES, FEATURES, generator=generator, dtype=torch.float64)
    y = torch.randint(0, CLASSES, (390,), generator=generator)
    x = centres[y] + torch.randn(390, FEATURES, generator=generator, dtype=torch.float64)
    x[::9] = 0
    x = x.to(dtype)
    return Split(x[:300], y[:300], x[300:], y[300:], CLASSES)


def every_run(activation: str) -> list[Run]:
    """Every initialization with every shape, at rates from 0.01 to 0.16 and two seeds."""
    return [
        Run(
            (activation, initialization, shape),
            MLPConfig(shape, 0.01 * 4 ** (i % 3), 3, BATCH, activation, initialization, init_std=0.3, init_range=0.4),
            seed=i % 2,
        )
        for i, (initialization, shape) in enumerate(product(INITIALIZATIONS, SHAPES))
    ]


def mixed_runs(count: int) -> list[Run]:
    """A cohort of runs that differ in everything."""
    everything = [run for activation in ACTIVATIONS for run in every_run(activation)]
    return Random(count).sample(everything, count)


RATES = {"adam": 0.003, "adamw": 0.01, "rmsprop": 0.001}  # the others learn at 0.02


def recipes(count: int) -> list[Run]:
    """Runs with every optimizer under every activation, and all else in every mixture; 48 hold each such pair once."""
    random = Random(5673)  # with 96, dropout and normalization stand beside every choice, too
    return [_recipe(i, random) for i in range(count)]


def _recipe(i: int, random: Random) -> Run:
    optimizer = OPTIMIZERS[i // len(ACTIVATIONS) % len(OPTIMIZERS)]
    initialization = INITIALIZATIONS[i % len(INITIALIZATIONS)]
    # Normalized zeros have a gradient of 0, and so has a shift that the next normalization takes away: of what rounding
    # leaves of it the adaptive rules would make a step.
    activation = ACTIVATIONS[i % len(ACTIVATIONS)]
    vanishes = initialization == "zeros" or activation == "identity"
    normalizes = random.random() < 0.5 and not (vanishes and optimizer in RATES)
    config = MLPConfig(
        SHAPES[i % len(SHAPES)],
        RATES.get(optimizer, 0.02) * random.choice([0.5, 1, 2]),
        epochs=4,
        batch_size=BATCH,
        activation=activation,
        initialization=initialization,
        init_std=0.3,
        init_gain=random.choice([0.5, 1]),
        optimizer=optimizer,
        momentum=random.choice([0, 0.5, 0.9]),
        weight_decay=random.choice([0, 0.01, 0.1]),
        dropout=random.choice([0, 0.2, 0.5]),
        batch_norm=normalizes,
        lr_schedule=LR_SCHEDULES[i % len(LR_SCHEDULES)],
        warmup_epochs=random.choice([0, 1, 1.5]),
        lr_step_epochs=random.choice([1, 2]),
        lr_gamma=random.choice([0.1, 0.5]),
        label_smoothing=random.choice([0, 0, 0.1, 0.3]),
    )
    return Run(i, config, seed=i % 2)


def batches(dtype: torch.dtype, steps: int) -> list[tuple[Tensor, Tensor]]:
    """The mini-batches of the comparisons between implementations."""
    split = small_split(dtype)
    starts = [step * BATCH % (300 - BATCH) for step in range(steps)]
    return [(split.train_x[start : start + BATCH], split.train_y[start : start + BATCH]) for start in starts]


def fused_after(runs: list[Run], dtype: torch.dtype, steps: int) -> list[Parameters]:
    """The parameters of runs that took their steps together."""
    runs_by_kind: dict[Hashable, list[Run]] = {}
    for run in sorted(runs, key=lambda run: fusion_order(run.config)):
        runs_by_kind.setdefault(StepKind.of(run.config), []).append(run)
    fused_parameters = {
        run.key: parameters for members in runs_by_kind.values() for run, parameters in _fused(members, dtype, steps)
    }
    return [fused_parameters[run.key] for run in runs]


def _fused(runs: list[Run], dtype: torch.dtype, steps: int) -> Iterator[tuple[Run, Parameters]]:
    members = [Member(run.config, initial_parameters(run, FEATURES, CLASSES, dtype)) for run in runs]
    model = FusedMLP(members, like=torch.empty(0, dtype=dtype))
    space = model.workspace(BATCH)
    model.load_steps(_rates([run.config for run in runs], steps), 0, 1)
    for x, y in batches(dtype, steps):
        space.x.copy_(x)
        space.y.copy_(y)
        model.step(space, RunningSums.zeros(len(runs), x))
    return ((run, model.parameters(position)) for position, run in enumerate(runs))


def _rates(configs: list[MLPConfig], steps: int) -> Tensor:
    """The learning rates [steps, runs] of the comparisons."""
    epochs = range(1, steps // EPOCH_STEPS + 2)
    return torch.cat([learning_rates(configs, epoch, EPOCH_STEPS) for epoch in epochs])[:steps]


@cache
def plain_after(kind: Reference, run: Run, dtype: torch.dtype, steps: int) -> Parameters:
    """The parameters of a run that took its steps alone."""
    model = kind(run.config, initial_parameters(run, FEATURES, CLASSES, dtype))
    rates = _rates([run.config], steps)[:, 0].tolist()
    for k, (rate, (x, y)) in enumerate(zip(rates, batches(dtype, steps), strict=True)):
        step(model, x, y, rate, batch_noise(replace(run, seed=0), 1, k, y))
    return model.parameters()


def distance(first: Parameters, second: Parameters) -> float:
    """The largest difference between two networks' parameters; NaN when one of them holds a NaN."""
    pairs = [(a, b) for layers in zip(first, second, strict=True) for a, b in zip(*layers, strict=True)]
    return torch.stack([(a - b).abs().max() for a, b in pairs]).max().item()
