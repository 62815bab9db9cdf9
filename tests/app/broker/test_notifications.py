"""A worker that has nothing to do: what wakes it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from sqlalchemy import Engine

from app.broker.notifications import Listener
from app.db import notifications
from app.db.engine import transaction

FOR_EVER = 3600.0


def test_what_was_told_before_it_listened_is_not_missed(engine: Engine) -> None:
    """It has looked for work, and listens only from now on: so it looks once more before it waits to be told."""
    stopping = Event()
    with Listener(engine) as listener, ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(listener.wait, FOR_EVER, stopping).result(30)
            with transaction(engine) as session:
                notifications.notify(session, 1)
            pool.submit(listener.wait, FOR_EVER, stopping).result(30)
        finally:
            stopping.set()
