"""The random streams of a run."""

from worker.mlp.seeds import epoch_order


def test_epoch_order_is_a_permutation_of_its_own() -> None:
    """Every example once, another order in each epoch and for each seed, the same one again."""
    order = epoch_order(3, 1, 100)
    assert order.sort().values.tolist() == list(range(100))
    assert order.tolist() == epoch_order(3, 1, 100).tolist()
    assert order.tolist() != epoch_order(3, 2, 100).tolist() != epoch_order(2, 3, 100).tolist()


def test_epoch_order_is_the_same_on_every_machine() -> None:
    """The first examples of seed 0 are written down here: a change would change every result."""
    assert epoch_order(0, 1, 50_000)[:4].tolist() == [40520, 41810, 7026, 15833]
