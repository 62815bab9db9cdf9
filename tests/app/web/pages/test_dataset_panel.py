"""Data sets as pages show them."""

from dataclasses import replace

import pytest

from app.domain.datasets import DATASETS
from app.web.pages.datasets.panel import DatasetPanel


@pytest.mark.parametrize("column", [":", "a:b", "kind: of it"])
def test_a_column_with_a_colon_is_described_whole(column: str) -> None:
    """A title is taken apart at its first colon alone."""
    panel = DatasetPanel(replace(DATASETS["digits"], title=f"mine: {column} of 60 rows"))
    assert (panel.name, panel.description.lower()) == ("mine", f"{column} of 60 rows")
