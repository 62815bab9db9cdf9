import pytest

from app.exercises.answers.choosing import held_out
from app.exercises.answers.levels import Level


def test_no_seed_judges_what_it_chose() -> None:
    """Seed 0 prefers a by luck: for it the others choose b, and so it is judged."""
    lucky = Level("a", {0: 0.9, 1: 0.5, 2: 0.5})
    solid = Level("b", {0: 0.6, 1: 0.6, 2: 0.6})
    unseen = held_out({"a": lucky, "b": solid})
    assert unseen is not None
    assert unseen.values == {0: 0.6, 1: 0.5, 2: 0.5}  # seeds 1 and 2 are judged by the a that seed 0 chose
    assert unseen.mean < max(lucky.mean, solid.mean)


def test_what_diverged_or_was_trained_once_is_not_chosen() -> None:
    """Without a second seed nobody else can choose."""
    assert held_out({"a": Level("a", {0: 0.9})}) is None
    assert held_out({}) is None
    unseen = held_out({"a": Level("a", {0: 0.9, 1: 0.9}, diverged=1), "b": Level("b", {0: 0.5, 1: 0.4})})
    assert unseen is not None
    assert unseen.values == pytest.approx({0: 0.5, 1: 0.4})
