"""The tables say what was measured against what was aimed at."""

from pathlib import Path

import pytest

from benchmarks.compare import Comparison
from benchmarks.report import Report, marks, write_into


def report() -> Report:
    """Of W2, measured in round figures: d is 40 times as fast as a, and half of it is products."""
    seconds = {
        "loader": [80.0],
        "lean loader": [40.0],
        "eager": [8.0],
        "eager two threads": [9.0],
        "fused": [2.0],
        "sgemm": [1.0],
    }
    found = Comparison({arm: given * 3 for arm, given in seconds.items()}, int(5e10), 1e-6, 1.0, [10.0], [10.5])
    return Report("python -m benchmarks", 10_240, {"W2": found}, {"worker": int(1.2e9)})


def test_a_figure_that_falls_short_is_said_to_fall_short() -> None:
    """Each figure stands with its target, its measure and whether it is met."""
    lines = report().markdown().splitlines()
    assert "| W2 | d / a, times as fast, at least | 50 | 40 | **no** |" in lines
    assert "| W2 | d / b, times as fast, at least | 4 | 4 | yes |" in lines
    assert "| W2 | d, share of sgemm, at least | 0.7 | 0.5 | **no** |" in lines
    assert "| W2 | e / d, time, at most | 1.1 | 1.05 | yes |" in lines
    assert "| worker | 1.5 GB | 1.2 GB | yes |" in lines


def test_the_measured_part_of_a_page_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """What stands before and after the marks stays."""
    page = tmp_path / "page.md"
    (begin, end), (search_begin, search_end) = marks("measured part"), marks("search part")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n{search_begin}{search_end}\n")
    write_into(page, "new")
    write_into(page, "tables", "search part")
    searched = f"{search_begin}\n\ntables\n\n{search_end}"
    assert page.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter\n{searched}\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    """It is refused by name."""
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match=r"page\.md"):
        write_into(page, "new")
    assert page.read_text() == "nothing"
