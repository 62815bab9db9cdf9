"""The bell that wakes workers over HTTP, also where another server of the same address answered them before."""

import asyncio

import pytest

from app.web.remote import bell
from app.web.remote.bell import Bell
from tests.support.own_loop import finished


def test_who_comes_late_need_not_wait() -> None:
    """It has rung since the moment that is told."""

    async def late() -> None:
        one_bell = Bell()
        moment = one_bell.moment
        one_bell.ring()
        await asyncio.wait_for(one_bell.wait(moment, 600), 60)

    finished(late())


def test_another_server_s_moment_waits_for_the_next_ring() -> None:
    """Idle workers behind a proxy of two servers do not come back at once, again and again."""

    async def between_servers() -> None:
        first, second = Bell(), Bell()
        waiting = asyncio.create_task(second.wait(first.moment, 600))
        await asyncio.sleep(0)
        assert not waiting.done()
        second.ring()
        await asyncio.wait_for(waiting, 60)

    finished(between_servers())


def test_another_server_s_moment_waits_for_a_short_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What that server rang for, this one may have rung for before."""
    monkeypatch.setattr(bell, "ANOTHER_BELL_SECONDS", 0.01)
    finished(asyncio.wait_for(Bell().wait(Bell().moment, 600), 60))
