"""What a soak calls growth."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.trend import draw, growths, warm_and_end
from tests.support.machine.process_size import Size


def sizes(*worker: Size) -> list[tuple[float, str, Size]]:
    """Those of a worker, ten seconds apart, beside a server that stays as it is."""
    taken = [(10.0 * index, "worker", size) for index, size in enumerate(worker)]
    return sorted(taken + [(seconds, "server", Size(200.0, 20, 5)) for seconds, _, _ in taken])


STEADY = [Size(100.0 + index % 3, 12 + index % 4, 3) for index in range(50)]


def test_what_comes_and_goes_is_no_growth(tmp_path: Path) -> None:
    """Nor is what a process loads in the first fifth of the time; and it can be drawn."""
    loading = [Size(20.0 + 8 * index, 4, 1) for index in range(10)]
    held = sizes(*loading, *STEADY[10:])
    assert growths(held) == []
    assert warm_and_end(held, "worker", "megabytes")[0] > 99
    draw(held, tmp_path / "soak.svg")
    assert "<svg" in (tmp_path / "soak.svg").read_text()


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (lambda index: Size(100.0 + 4 * index, 12, 3), "the worker's memory, MB grew from"),
        (lambda index: Size(100.0, 12 + index, 3), "the worker's open files grew from"),
        (lambda index: Size(100.0, 12, 3 + index // 4), "the worker's connections to Postgres grew from"),
    ],
)
def test_a_leak_is_seen(leak: Callable[[int], Size], words: str) -> None:
    """Of memory, of files and of connections."""
    (sentence,) = growths(sizes(*map(leak, range(50))))
    assert sentence.startswith(words)
