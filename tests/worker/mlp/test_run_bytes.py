"""What the domain tells of a run's memory is true of the networks that train."""

from collections.abc import Callable
from itertools import chain, product
from math import inf
from typing import Any

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from app.domain.configuration import OPTIMIZERS, MLPConfig
from app.domain.memory import EVALUATION_BATCH, STATE_PER_PARAMETER, run_bytes
from app.domain.runs import Run
from worker.mlp.fused import network, pieces
from worker.mlp.fused.layout import Layout
from worker.mlp.fused.member import Member
from worker.mlp.fused.network import FusedMLP
from worker.mlp.fused.optimizers import RULES
from worker.mlp.initializers import initial_parameters

RECIPES: list[dict[str, Any]] = [
    {},
    {"activation": "gelu"},
    {"optimizer": "adam"},
    {"dropout": 0.5},
    {"activation": "gelu", "batch_norm": True, "dropout": 0.5, "optimizer": "rmsprop", "momentum": 0.9},
]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("shapes", [[()] * 9, [(256,)] * 4, [(64,), (64, 32)]])
def test_training_takes_no_more_memory_than_was_told(shapes: list[tuple[int, ...]], recipe: dict[str, Any]) -> None:
    """What a network and its buffers hold fits the bound, and the bound is not three times too large."""
    configs = [MLPConfig(shape, batch_size=100, **recipe) for shape in shapes]
    runs = [Run(key, config, 0) for key, config in enumerate(configs)]
    members = [Member(run.config, initial_parameters(run, 784, 10)) for run in runs]
    model, former = (FusedMLP(members, like=torch.empty(0)) for _ in range(2))
    spaces = [model.workspace(100), model.workspace(99), model.workspace(EVALUATION_BATCH, training=False)]
    final_parameters = [model.parameters(position) for position in range(len(runs))]
    copied_bytes = 4 * sum(tensor.numel() for layers in final_parameters for tensor in chain(*layers))
    batch_bytes = sum(space.x.nbytes for space in spaces)  # of the seed, not of its runs
    former_members = [former.member(position) for position in range(len(runs))]
    total_bytes = held_bytes(model, *spaces) - batch_bytes + held_bytes(former_members) + copied_bytes
    assert total_bytes <= sum(run_bytes(config, 784, 10) for config in configs) < 3 * total_bytes


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("shapes", [[(256,)] * 4, [(40,), (70, 33)]])
def test_packed_networks_take_no_more_memory_than_was_told(
    shapes: list[tuple[int, ...]], recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that is not a CPU, whose memory is counted here on one, without the copies of a kept network."""
    monkeypatch.setattr(
        network, "layout_for", lambda configs, features, classes, _: Layout(configs, features, classes, True)
    )
    monkeypatch.setattr(pieces, "PIECE_NUMBERS", inf)
    configs = [MLPConfig(shape, batch_size=100, **recipe) for shape in shapes]
    members = [Member(config, initial_parameters(Run(0, config, 0), 784, 10)) for config in configs]
    model, former = (FusedMLP(members, like=torch.empty(0)) for _ in range(2))
    spaces = [model.workspace(100), model.workspace(99), model.workspace(EVALUATION_BATCH, training=False)]
    batch_bytes = sum(space.x.nbytes for space in spaces)  # of the seed, not of its runs
    former_members = [former.member(position) for position in range(len(configs))]
    total_bytes = held_bytes(model, *spaces) - batch_bytes + held_bytes(former_members)
    assert total_bytes <= sum(run_bytes(config, 784, 10, packed=True) for config in configs)


class Scratch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The most memory that was made within it and not yet given back, which a graph has a pool for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._memories: list[tuple[StorageWeakRef, int]] = []

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        new_storages = [storage for storage in _storages(out) if storage._cdata not in given]
        self._memories += [(StorageWeakRef(storage), storage.nbytes()) for storage in new_storages]  # type: ignore[no-untyped-call]
        self._memories = [(m, size) for m, size in self._memories if not m.expired()]  # type: ignore[no-untyped-call]
        self.most = max(self.most, sum(size for _, size in self._memories))
        return out


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]


@pytest.mark.parametrize("recipe", [*RECIPES, {"label_smoothing": 0.1, "batch_norm": True}])
@pytest.mark.parametrize("shapes", [[()] * 9, [(1,)] * 9, [(256,)] * 4, [(40,), (70, 33)]])
@pytest.mark.parametrize(("features", "classes"), [(784, 10), (4, 3)])
def test_what_graphs_have_a_pool_for_is_told_too(
    shapes: list[tuple[int, ...]],
    recipe: dict[str, Any],
    features: int,
    classes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside what a network holds, what a step or an evaluation makes for itself, however small it is."""
    monkeypatch.setattr(network, "layout_for", lambda c, x, y, _: Layout(c, x, y, packed=True))
    monkeypatch.setattr(pieces, "PIECE_NUMBERS", inf)
    configs = [MLPConfig(shape, batch_size=100, **recipe) for shape in shapes]
    model, former = (FusedMLP(_members(configs, features, classes), like=torch.empty(0)) for _ in range(2))
    spaces = [model.workspace(100), model.workspace(99)]
    x, y = torch.zeros(EVALUATION_BATCH, features), torch.zeros(EVALUATION_BATCH, dtype=torch.int64)
    evaluated, sums = model.workspace(EVALUATION_BATCH, training=False), model.sums()
    model.load_steps(torch.full((2, len(shapes)), 0.01), 0, 1)
    with Scratch() as scratch:
        for space in spaces:
            space.x.zero_()
            space.y.zero_()
            model.step(space, sums)
        model.evaluate([(evaluated, x, y)], sums)
    held = held_bytes(model, *spaces, evaluated) - sum(space.x.nbytes for space in spaces)
    held += held_bytes([former.member(position) for position in range(len(shapes))])
    told = sum(run_bytes(config, features, classes, packed=True) for config in configs)
    assert scratch.most > 0
    assert held + scratch.most <= told


def _members(configs: list[MLPConfig], features: int, classes: int) -> list[Member]:
    return [Member(config, initial_parameters(Run(0, config, 0), features, classes)) for config in configs]


def held_bytes(*things: object) -> int:
    """The memory behind all tensors that can be reached from here, each storage once."""
    storages: dict[int, int] = {}
    visited_ids: set[int] = set()
    queue = list(things)
    while queue:
        thing = queue.pop()
        if id(thing) in visited_ids:
            continue
        visited_ids.add(id(thing))
        if isinstance(thing, torch.Tensor):
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, dict):
            queue.extend(thing.values())
        elif isinstance(thing, list | tuple):
            queue.extend(thing)
        elif type(thing).__module__.startswith("worker."):
            queue.extend(vars(thing).values())
    return sum(storages.values())


def test_each_rule_keeps_as_many_numbers_as_was_told() -> None:
    """The table, which needs no torch, names the rules that there are, with the numbers that they keep."""
    assert {"sgd", *RULES} == set(STATE_PER_PARAMETER)
    for optimizer, momentum in product(OPTIMIZERS, (0, 0.9)):
        config = MLPConfig((3,), optimizer=optimizer, momentum=momentum)
        model = FusedMLP([Member(config, initial_parameters(Run(0, config, 0), 5, 2))], like=torch.empty(0))
        state = model.member(0).state
        assert state is not None
        assert len(state.optimizer) == STATE_PER_PARAMETER[config.update_rule]
