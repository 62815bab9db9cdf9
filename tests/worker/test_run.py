"""Configurations, random streams and the device."""

import pytest
import torch

from worker.device import choose_device, device_name, free_memory
from worker.fused_mlp import FusedMLP, Member
from worker.fused_workspace import Workspace
from worker.initializers import initial_parameters
from worker.run import Run, RunConfig
from worker.seeds import epoch_order
from worker.training import EVALUATION_BATCH, run_bytes


def test_layers_of_a_configuration() -> None:
    """784-256-10 has 203,530 parameters; without hidden layers it is softmax regression."""
    assert RunConfig((256,)).parameter_count(784, 10) == 203_530
    assert RunConfig(()).layer_sizes(784, 10) == [(784, 10)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_layers": (4, 0)},
        {"epochs": 0},
        {"batch_size": 0},
        {"activation": "softsign"},
        {"initialization": "lecun"},
    ],
)
def test_refuses_what_can_not_be_built(wrong: dict[str, object]) -> None:
    """The message begins with the field that is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RunConfig(**wrong)  # type: ignore[arg-type]


def test_epoch_order_is_a_permutation_of_its_own() -> None:
    """Every example once, another order in each epoch and for each seed, the same one again."""
    order = epoch_order(3, 1, 100)
    assert order.sort().values.tolist() == list(range(100))
    assert order.tolist() == epoch_order(3, 1, 100).tolist()
    assert order.tolist() != epoch_order(3, 2, 100).tolist() != epoch_order(2, 3, 100).tolist()


def test_epoch_order_is_the_same_on_every_machine() -> None:
    """The first examples of seed 0 are written down here: a change would change every result."""
    assert epoch_order(0, 1, 50_000)[:4].tolist() == [40520, 41810, 7026, 15833]


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("shapes", [[()] * 9, [(256,)] * 4, [(), (64, 32), (64,)]])
def test_training_takes_no_more_memory_than_was_told(shapes: list[tuple[int, ...]], activation: str) -> None:
    """What a network and its buffers hold fits the bound, and the bound is not three times too large."""
    configs = [RunConfig(shape, batch_size=100, activation=activation) for shape in sorted(shapes)]
    runs = [Run(key, config, 0) for key, config in enumerate(configs)]
    model = FusedMLP([Member(run.config, initial_parameters(run, 784, 10)) for run in runs], like=torch.empty(0))
    spaces = [model.workspace(100), model.workspace(99), model.workspace(EVALUATION_BATCH, training=False)]
    held = held_bytes(*spaces) + 3 * 4 * sum(config.parameter_count(784, 10) for config in configs)
    assert held <= sum(run_bytes(config, 784, 10) for config in configs) < 3 * held


def held_bytes(*spaces: Workspace) -> int:
    """The memory behind the networks' own buffers, each storage once."""
    tensors = []
    for space in spaces:
        tensors += [space.first, space.first_gradient, space.logits, space.logits_gradient]
        tensors += [t for section in space.sections for t in section[1:]]
        tensors += [t for stage in space.stages for t in stage[1:5]]
        tensors += [stage.hidden.after for stage in space.stages if stage.hidden]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
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
