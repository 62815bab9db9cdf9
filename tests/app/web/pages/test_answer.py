"""The answer of an exercise as a part of pages."""

import pytest

from app.exercises.answers.finding import Answer
from app.web.templating import templates

PART = templates.env.from_string('{% import "_parts.html" as part %}{% include "exercises/_answer.html" %}')


@pytest.mark.parametrize(("count", "is_folded"), [(11, False), (16, False), (17, True)])
def test_a_long_table_is_folded_away(count: int, is_folded: bool) -> None:
    """It would keep the charts out of sight; a short one stands beside the words."""
    rows = [(str(width), "0.8") for width in range(count)]
    text = PART.render(answer=Answer("Wide is best.", header=("width", "accuracy"), rows=rows))
    assert text.count("<tr") == count + 1
    assert ("<details" in text) is is_folded
    assert (f"<summary>The numbers, {count} rows</summary>" in text) is is_folded
