"""Configurations, random streams and the device."""

from itertools import chain
from typing import Any

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from worker.device.devices import choose_device, device_name
from worker.device.memory import free_memory
from worker.mlp.fused.network import FusedMLP, Member
from worker.mlp.initializers import initial_parameters
from worker.mlp.seeds import epoch_order
from worker.mlp.training import EVALUATION_BATCH, run_bytes


def test_layers_of_a_configuration() -> None:
    """784-256-10 has 203,530 parameters; without hidden layers it is softmax regression."""
    assert MLPConfig((256,)).parameter_count(784, 10) == 203_530
    assert MLPConfig(()).layer_sizes(784, 10) == [(784, 10)]
    assert MLPConfig((256,), batch_norm=True).parameter_count(784, 10) == 203_530 + 256


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_layers": (4, 0)},
        {"epochs": 0},
        {"batch_size": 0},
        {"activation": "softsign"},
        {"initialization": "lecun"},
        {"optimizer": "lion"},
        {"lr_schedule": "linear"},
        {"momentum": 1.5},
        {"label_smoothing": -0.1},
        {"dropout": 1.0},
        {"weight_decay": float("nan")},
        {"patience": -1},
        {"lr_step_epochs": 0},
    ],
)
def test_refuses_what_can_not_be_built(wrong: dict[str, object]) -> None:
    """The message begins with the field that is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MLPConfig(**wrong)  # type: ignore[arg-type]


def test_epoch_order_is_a_permutation_of_its_own() -> None:
    """Every example once, another order in each epoch and for each seed, the same one again."""
    order = epoch_order(3, 1, 100)
    assert order.sort().values.tolist() == list(range(100))
    assert order.tolist() == epoch_order(3, 1, 100).tolist()
    assert order.tolist() != epoch_order(3, 2, 100).tolist() != epoch_order(2, 3, 100).tolist()


def test_epoch_order_is_the_same_on_every_machine() -> None:
    """The first examples of seed 0 are written down here: a change would change every result."""
    assert epoch_order(0, 1, 50_000)[:4].tolist() == [40520, 41810, 7026, 15833]


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
    model, again = (FusedMLP(members, like=torch.empty(0)) for _ in range(2))
    spaces = [model.workspace(100), model.workspace(99), model.workspace(EVALUATION_BATCH, training=False)]
    copy = model.evaluated()
    for space in spaces:
        space.data = space.data[:0].clone()  # of the seed, not of its runs
    kept = [model.parameters(position) for position in range(len(runs))]
    held = held_bytes(model, copy, *spaces) + held_bytes(again) + 4 * sum(t.numel() for p in kept for t in chain(*p))
    assert held <= sum(run_bytes(config, 784, 10) for config in configs) < 3 * held


def held_bytes(*things: object) -> int:
    """The memory behind all tensors that can be reached from here, each storage once."""
    storages: dict[int, int] = {}
    seen: set[int] = set()
    left = list(things)
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, dict):
            left.extend(thing.values())
        elif isinstance(thing, list | tuple):
            left.extend(thing)
        elif type(thing).__module__.startswith("worker."):
            left.extend(vars(thing).values())
    return sum(storages.values())


def test_there_is_always_a_cpu() -> None:
    """It has a name and free memory."""
    device = choose_device("cpu")
    assert device == torch.device("cpu")
    assert "cpu" in device_name(device)
    assert free_memory(device) > 2**20


def test_refuses_a_device_that_is_not_there() -> None:
    """The message says what there is."""
    with pytest.raises(ValueError, match=r"cuda:99.*cpu"):
        choose_device("cuda:99")
