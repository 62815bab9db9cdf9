"""Workers for small runs of exercises."""

from collections.abc import Iterator

import pytest

from tests.support.worker_processes import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts workers quickly: they have imported torch already."""
    with Nursery() as nursery:
        yield nursery
