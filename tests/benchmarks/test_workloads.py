"""The sweeps of the benchmarks are what they are said to be, and dealt out whole."""

import pytest

from benchmarks.workloads import WORKLOADS, Workload, claimed, dealt, eager_cost


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_every_run_is_in_one_hand(workload: Workload) -> None:
    """A plain loop and the workers train the same runs, each once."""
    keys = {run.key for run in workload.runs()}
    for hands in (dealt(workload.runs(), 2), claimed(workload, 2)):
        shared = [run.key for hand in hands for run in hand]
        assert len(shared) == len(keys)
        assert set(shared) == keys


def test_the_plain_loops_get_even_hands() -> None:
    """No hand of the plain loop has more than a twentieth more to do than another, however unlike the runs are."""
    for workload in WORKLOADS:
        few, many = sorted(sum(map(eager_cost, hand)) for hand in dealt(workload.runs(), 2))
        assert many <= 1.06 * few


def test_the_widest_networks_of_exercise_1_are_one_worker_s_share() -> None:
    """As a worker claims trials: the width 1024 costs as much as all the others."""
    first, second = claimed(WORKLOADS[0], 2)
    assert {run.config.hidden_layers for run in first} == {(1024,)}
    assert {run.config.hidden_layers for run in second} == {(2**k,) for k in range(10)}


def test_the_random_sweep_has_all_that_it_promises() -> None:
    """Four activations, four initialisations, both optimizers, depths 1 to 4 and widths within 8 and 512."""
    configs = [run.config for run in WORKLOADS[3].runs()]
    assert len(configs) == 64
    assert {len(config.hidden_layers) for config in configs} == {1, 2, 3, 4}
    assert all(8 <= width <= 512 for config in configs for width in config.hidden_layers)
    assert len({config.activation for config in configs}) == 4
    assert len({config.initialization for config in configs}) == 4
    assert {config.optimizer for config in configs} == {"sgd", "adam"}
