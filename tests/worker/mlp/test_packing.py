"""The packed layout, in which similar widths are one product: what fills them up never shows."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from random import Random

import pytest
import torch
from torch import Tensor

from app.domain.configuration import OPTIMIZERS, MLPConfig
from app.domain.memory import packed_width
from app.domain.runs import Run
from tests.support.training.learning_curves import curves, losses, numbers
from tests.support.training.mlp_examples import (
    BATCH,
    CLASSES,
    FEATURES,
    batches,
    distance,
    fused_after,
    mixed_runs,
    plain_after,
    recipes,
)
from worker.mlp.fused import network
from worker.mlp.fused.layout import Layout, fusion_order
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.initializers import initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.scores import RunningSums


def pack(configs: Sequence[MLPConfig], features: int, classes: int, _device: torch.device) -> Layout:
    return Layout(configs, features, classes, packed=True)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything on this CPU is packed, as it is on a GPU where it saves kernels."""
    monkeypatch.setattr(network, "layout_for", pack)


@pytest.mark.usefixtures("packed")
def test_equals_torch() -> None:
    """After 20 steps no parameter of any recipe or shape is further than 1e-9 from the same run's, trained alone."""
    runs = [*recipes(96), *mixed_runs(64)]
    fused = fused_after(runs, torch.float64, 20)
    gaps = {
        run.key: distance(parameters, plain_after(MLPConcise, run, torch.float64, 20))
        for run, parameters in zip(runs, fused, strict=True)
    }
    assert {key: gap for key, gap in gaps.items() if not gap <= 1e-9} == {}


def test_curves_are_those_of_the_other_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over whole epochs, validated, and with runs that leave: as each product by itself."""
    runs = [replace(run, config=replace(run.config, epochs=2 + i % 3)) for i, run in enumerate(recipes(48))]
    exact = curves(runs)
    monkeypatch.setattr(network, "layout_for", pack)
    packed_curves = curves(runs)
    for run in runs:
        assert losses(packed_curves[run.key]) == pytest.approx(losses(exact[run.key]), rel=0, abs=1e-9)


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_diverging_run_leaves_its_neighbours_alone(optimizer: str) -> None:
    """Beside a run of NaN, in the same products, the others' numbers are bit for bit those beside a sane one."""
    config = MLPConfig((7, 5), 0.001, 1, 32, optimizer=optimizer, momentum=0.9, weight_decay=0.01, batch_norm=True)
    neighbours = [Run(i, replace(config, hidden_layers=shape), 0) for i, shape in enumerate([(), (7,), (9, 5), (3, 3)])]
    sane = Run("x", config, 0)
    wild = replace(sane, config=replace(config, learning_rate=nan))
    beside_sane, beside_wild = curves([*neighbours, sane]), curves([*neighbours, wild])
    for run in neighbours:
        assert numbers(beside_wild[run.key]) == numbers(beside_sane[run.key])


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_fills_up_stays_zero(optimizer: str) -> None:
    """Behind the runs' own numbers, no weight nor anything that a rule remembers has become other than 0."""
    shapes = [(1,), (7, 5), (16, 1, 16), (17, 30), ()]
    config = MLPConfig(learning_rate=0.01, optimizer=optimizer, momentum=0.9, weight_decay=0.1, dropout=0.2)
    configs = sorted((replace(config, hidden_layers=shape) for shape in shapes if shape), key=fusion_order)
    members = [Member(c, initial_parameters(Run(0, c, 0), FEATURES, CLASSES)) for c in configs]
    model = FusedMLP(members, like=torch.empty(0))
    space = model.workspace(BATCH)
    model.load_steps(torch.full((5, len(configs)), 0.01), 0, 1)
    for x, y in batches(torch.float32, 5):
        space.x.copy_(x)
        space.y.copy_(y)
        model.step(space, RunningSums.zeros(len(configs), x))
    memories = _flat_memories(model)
    assert all(memory.count_nonzero() > 100 for memory in memories)
    for position in range(len(configs)):
        member = model.member(position)
        assert member.state is not None
        for layers in (member.parameters, *member.state.optimizer):
            for layer in layers:
                layer.weight.zero_()
                layer.bias.zero_()
    assert [memory.count_nonzero().item() for memory in memories] == [0] * len(memories)


def _flat_memories(model: FusedMLP) -> list[Tensor]:
    """All that is held in the shape of the parameters."""
    member = model.member(0)
    assert member.state is not None
    layers = (member.parameters[0], *(state[0] for state in member.state.optimizer))
    return [torch.empty(0).set_(layer.weight.untyped_storage()) for layer in layers]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_states_travel_between_layouts(optimizer: str) -> None:
    """A run that was packed goes on as if it had not been, with all that its rule remembers."""
    config = MLPConfig((7, 5), optimizer=optimizer, momentum=0.9, weight_decay=0.1, dropout=0.2, batch_norm=True)
    start = [Member(config, initial_parameters(Run(0, config, 0), FEATURES, CLASSES, torch.float64))]
    ends = []
    for layouts in ((network.layout_for, network.layout_for), (pack, network.layout_for), (network.layout_for, pack)):
        members = start
        for layout_for in layouts:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(network, "layout_for", layout_for)
                model = FusedMLP(members, like=torch.empty(0, dtype=torch.float64))
            space = model.workspace(BATCH)
            model.load_steps(torch.full((4, 1), 0.01), 0, 1)
            for x, y in batches(torch.float64, 4):
                space.x.copy_(x)
                space.y.copy_(y)
                model.step(space, RunningSums.zeros(1, x))
            members = [model.member(0)]
        ends.append(members[0].parameters)
    assert [distance(end, ends[0]) <= 1e-9 for end in ends] == [True] * 3


def test_classes_are_few_and_not_much_wider() -> None:
    """Every width has a class at least as wide; up to 512 there are nine, above 64 a third wider or half at most."""
    widths = range(1, 513)
    assert all(packed_width(width) >= width for width in widths)
    assert sorted({packed_width(width) for width in widths}) == [16, 32, 64, 96, 128, 192, 256, 384, 512]
    assert max(packed_width(width) / width for width in widths if width > 64) < 1.5


def test_a_gpu_packs_where_it_saves_kernels() -> None:
    """Equal widths are one product anyway; random ones are few only when they are packed; a CPU never packs."""
    random = Random(0)
    equal = [MLPConfig((32,))] * 8
    mixed = sorted((MLPConfig((random.randint(8, 512),)) for _ in range(64)), key=fusion_order)
    devices = torch.device("meta"), torch.device("cpu")
    packs = [[network.layout_for(configs, 784, 10, device).packed for device in devices] for configs in (equal, mixed)]
    assert packs == [[False, False], [True, False]]
