"""Room in memory for the messages of workers: who finds none waits for a turn, and is told to come again."""

import asyncio

import pytest

from app.access.callers import Caller
from app.domain.people.roles import Role
from app.errors import BusyError
from app.web.security import room
from app.web.security.room import Room, SharedRoom
from tests.support.own_loop import finished


def test_who_finds_no_room_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; what was taken by others is theirs as before, and free once they are done."""
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.01)

    async def crowded() -> None:
        small_room = Room(10, "full")
        async with small_room.share(6):
            with pytest.raises(BusyError) as refusal:
                async with small_room.share(5):
                    pass
            assert refusal.value.retry_after_seconds
            async with small_room.share(4):
                pass
        async with small_room.share(10):
            pass

    finished(crowded())


def test_what_is_larger_than_all_has_all_of_it() -> None:
    """Alone; it is not refused for ever."""

    async def large() -> None:
        small_room = Room(10, "full")
        async with small_room.share(1_000):
            waiting = asyncio.create_task(small_room.share(1).__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
        await asyncio.wait_for(waiting, 60)

    finished(large())


def test_who_needs_much_is_not_passed_by_those_who_need_little() -> None:
    """Else it would wait as long as they come."""

    async def in_turn() -> None:
        small_room, order = Room(10, "full"), list[int]()

        async def share(size: int) -> None:
            async with small_room.share(size):
                order.append(size)

        async with small_room.share(3):
            tasks = [asyncio.create_task(share(size)) for size in (8, 1, 2)]
            await asyncio.sleep(0)
            assert order == []
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        assert order == [8, 1, 2]

    finished(in_turn())


def test_no_caller_has_all_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter is for others, however much one wants."""
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.01)
    ada, bob = ({"state": {"caller": Caller(name, Role.worker)}} for name in ("Ada", "Bob"))

    async def crowded() -> None:
        shared_room = SharedRoom(100, "full")
        async with shared_room.share(ada, 50):
            with pytest.raises(BusyError):
                async with shared_room.share(ada, 50):
                    pass
            async with shared_room.share(ada, 25), shared_room.share(bob, 25):
                with pytest.raises(BusyError):
                    async with shared_room.share(bob, 1):
                        pass
        async with shared_room.share(ada, 75), shared_room.share(bob, 25):
            pass

    finished(crowded())
