"""Workers as processes of their own."""

from collections.abc import Iterator

import pytest

from tests.support.worker_processes import Nursery


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Starts workers quickly: they have imported torch already."""
    with Nursery() as nursery:
        yield nursery
