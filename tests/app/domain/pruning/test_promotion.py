"""Which trials go on from their rungs, against the plain definition of successive halving."""

import random
from collections import Counter

import pytest

from app.domain.objectives import Objective
from app.domain.pruning.options import HyperbandPruner, SuccessiveHalvingPruner, stored_pruner
from app.domain.pruning.promotion import RungRecord, promoted_ids, verdicts
from app.domain.pruning.rungs import Ladder, bracket_sizes, ladder, next_bracket, waits_at_rungs
from app.domain.pruning.wording import sentence

HALVING = SuccessiveHalvingPruner(name="successive_halving", min_resource=1, reduction_factor=3)
ACCURACY, LOSS = Objective("val_accuracy"), Objective("val_loss", maximize=False)


def waiting(number: int, *means: float, bracket: int | None = None) -> RungRecord:
    return RungRecord(100 + number, number, bracket, means, len(means) - 1)


def gone_on(number: int, *means: float) -> RungRecord:
    return RungRecord(100 + number, number, None, means, None)


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_one_in_three_goes_on(objective: Objective) -> None:
    """Of nine that wait at a rung the best three are promoted; a tenth trial changes nothing, a twelfth adds one."""
    sign = 1 if objective.maximize else -1
    records = [waiting(number, sign * number) for number in range(12)]
    assert sorted(promoted_ids(HALVING, objective, records[:9], is_final=False)) == [106, 107, 108]
    assert len(promoted_ids(HALVING, objective, records[:10], is_final=False)) == 3
    assert sorted(promoted_ids(HALVING, objective, records, is_final=False)) == [108, 109, 110, 111]


def test_trials_that_went_on_keep_their_places() -> None:
    """They count among those that reached the rung: nobody takes a place twice, and a better one comes after them."""
    records = [gone_on(0, 0.9, 0.95), *(waiting(number, number / 10) for number in range(1, 6))]
    assert promoted_ids(HALVING, ACCURACY, records, is_final=False) == [105]
    assert promoted_ids(HALVING, ACCURACY, [gone_on(0, 0.1, 0.2), *records[1:]], is_final=False) == [105, 104]


def test_the_last_ones_are_promoted_as_in_synchronous_halving() -> None:
    """Where nobody else will come, at least the best of a rung goes on; of equal ones the earlier."""
    records = [waiting(1, 0.5), waiting(2, 0.5)]
    assert promoted_ids(HALVING, ACCURACY, records, is_final=False) == []
    assert promoted_ids(HALVING, ACCURACY, records, is_final=True) == [101]


def test_too_few_wait_for_the_bootstrap() -> None:
    """Up to `bootstrap_count` trials at a rung promote nobody, unless nobody else will come."""
    pruner = HALVING.model_copy(update={"bootstrap_count": 5})
    records = [waiting(number, number / 10) for number in range(6)]
    assert promoted_ids(pruner, ACCURACY, records[:5], is_final=False) == []
    assert len(promoted_ids(pruner, ACCURACY, records, is_final=False)) == 2
    assert len(promoted_ids(pruner, ACCURACY, records[:5], is_final=True)) == 1


def test_brackets_do_not_compete() -> None:
    """A trial of one bracket of hyperband takes no place of another one's."""
    pruner = HyperbandPruner(name="hyperband")
    records = [waiting(number, number / 10, bracket=number % 2) for number in range(6)]
    assert sorted(promoted_ids(pruner, ACCURACY, records, is_final=False)) == [104, 105]


def test_who_is_left_hears_why() -> None:
    """The words name the rung's epoch, how many reached it, and the mean that it took."""
    records = [gone_on(0, 0.9, 0.9), waiting(1, 0.5), waiting(2, 0.7), gone_on(3, 0.8, 0.4)]
    words = {number: sentence(v) for number, v in verdicts(HALVING, ACCURACY, 2, 27, records).items()}
    assert words == {
        101: "epoch 1: mean 0.5 over 2 seeds is below 0.9, which the best of 4 trials reached at rung 0",
        102: "epoch 1: mean 0.7 over 2 seeds is below 0.9, which the best of 4 trials reached at rung 0",
    }


def test_promotion_ends_as_synchronous_halving_does() -> None:
    """Played to the end in any order of arrival, the best trial at the last rung is among the best of every rung."""
    order = random.Random(3)
    for _ in range(50):
        quality = {number: order.random() for number in range(27)}
        records = {number: waiting(number, quality[number]) for number in range(27)}
        reached = Counter({0: 27})
        while ids := promoted_ids(HALVING, ACCURACY, list(records.values()), is_final=True):
            for number in (trial_id - 100 for trial_id in ids):
                means = (*records[number].means, quality[number])
                reached[len(means) - 1] += 1
                records[number] = waiting(number, *means)
            if reached[3]:
                break
        assert reached == {0: 27, 1: 9, 2: 3, 3: 1}
        (best,) = [number for number, record in records.items() if len(record.means) == 4]
        assert quality[best] == max(quality.values())


def test_rungs_are_epochs_by_powers_of_the_factor() -> None:
    """Successive halving takes a hundredth of the longest training for `auto`; hyperband starts later a bracket."""
    auto = SuccessiveHalvingPruner(name="successive_halving")
    assert [ladder(auto, None, 200).epoch_at(rung) for rung in range(3)] == [2, 8, 32]
    assert ladder(HyperbandPruner(name="hyperband"), 2, 81) == Ladder(9, 3)
    assert [Ladder(2, 3).rung_at(epoch) for epoch in (1, 2, 3, 6, 18)] == [None, 0, None, 1, 2]


def test_brackets_fill_up_by_their_shares() -> None:
    """Batches of ten go to whichever bracket lacks most; in the end each has its share but for one batch."""
    sizes = bracket_sizes(HyperbandPruner(name="hyperband"), 81)
    assert sizes == [81, 34, 15, 8, 5]
    counts: Counter[int] = Counter()
    for _ in range(143):
        counts[next_bracket(sizes, counts, 10)] += 10
    assert all(abs(counts[bracket] - 10 * size) <= 10 for bracket, size in enumerate(sizes))


def test_only_halving_by_promotion_waits() -> None:
    """Every other pruner judges at once, and so does halving in the mode `stopping` or inside `patient`."""
    assert waits_at_rungs(stored_pruner({"name": "hyperband"})) is not None
    assert waits_at_rungs(stored_pruner({"name": "successive_halving", "mode": "stopping"})) is None
    assert waits_at_rungs(stored_pruner({"name": "patient", "wrapped": "hyperband"})) is None
    assert waits_at_rungs(stored_pruner({"name": "median"})) is None
    assert waits_at_rungs(None) is None
