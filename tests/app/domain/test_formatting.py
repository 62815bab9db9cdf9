"""Times, durations and values as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain import formatting
from app.domain.datasets import DATASETS
from app.domain.space import parse_space

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "just now"),
        (4, "just now"),
        (42, "42 seconds ago"),
        (60, "1 minute ago"),
        (3 * 3600 + 5, "3 hours ago"),
        (50 * 3600, "2 days ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_ago(seconds: float, said: str) -> None:
    """A time is said in the largest unit of which there is at least one."""
    assert formatting.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.042, "42 ms"),
        (0.42, "0.4 s"),
        (41.4, "41 s"),
        (59.7, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (7210, "2 h"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    """A duration has at most two units."""
    assert formatting.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(4, "a few seconds"), (21, "20 s"), (58, "1 min"), (1829, "30 min"), (7830, "2 h 10 min")]
)
def test_an_estimate_is_said_roughly(seconds: float, said: str) -> None:
    """Nobody knows it to the second."""
    assert formatting.approximate(seconds) == said


def test_percent_is_100_only_when_all_is_done() -> None:
    """What is nearly done is not called done."""
    assert [formatting.percent(share) for share in (0, 0.429, 0.9999, 1)] == ["0 %", "42 %", "99 %", "100 %"]


def test_score_has_its_spread_where_there_is_one() -> None:
    """A single seed has no spread, and an unfinished trial no value."""
    assert [formatting.score(0.88931, 0.00214), formatting.score(0.5), formatting.score(None)] == [
        "0.8893 ± 0.0021",
        "0.5000",
        "–",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.083561, "0.08356"),
        (1.0, "1"),
        (65_536.0, "65536"),
        (1e-6, "1e-06"),
        (1e12, "1e+12"),
        (256, "256"),
        ([256, 64], "256-64"),
        ([], "no hidden layer"),
        (True, "true"),
        ("relu", "relu"),
        (None, "none"),
    ],
)
def test_settings_have_four_digits_but_whole_numbers_all_of_theirs(value: object, text: str) -> None:
    """A setting reads the same on pages and charts."""
    assert formatting.setting(value) == text


def test_domains_are_words() -> None:
    """Ranges, choices and constants are told apart."""
    space = parse_space(
        {
            "learning_rate": {"low": 0.001, "high": 1.0, "log": True},
            "depth": {"low": 1, "high": 7, "step": 2},
            "hidden_units": [8, 64],
            "epochs": 10,
        }
    )
    assert [formatting.domain(values) for values in space.domains.values()] == [
        "0.001 to 1, on a log scale",
        "1 to 7 in steps of 2",
        "8, 64",
        "10",
    ]


def test_the_book_split_says_that_test_images_were_used() -> None:
    """Nobody takes the book split's best value for an estimate on new images."""
    assert "the 10,000 test images were used to validate" in formatting.split("book", DATASETS["fashion_mnist"])
    assert "Trained on 50,000 images" in formatting.split("holdout", DATASETS["fashion_mnist"])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (50, 75, "50 up to 75"),
        (1000, 1002.5, "1,000 up to 1,002.5"),
        (20000.1, 20000.2, "20,000.1 up to 20,000.2"),
        (-0.3, 0.30000000000000004, "-0.3 up to 0.3"),
        (1.7e9, 1.7025e9, "1,700,000,000 up to 1,702,500,000"),
    ],
)
def test_a_range_has_the_decimals_of_both_its_edges(low: float, high: float, said: str) -> None:
    """With separators of thousands in each."""
    assert formatting.number_range(low, high) == said


def test_a_guess_says_once_that_it_is_one() -> None:
    """`about a few seconds` would say it twice."""
    assert formatting.about(4) == "a few seconds"
    assert formatting.about(21) == "about 20 s"
    assert formatting.about(12 * 60) == "about 12 min"
