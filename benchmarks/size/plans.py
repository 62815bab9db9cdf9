"""The plan of the slowest statement of each call, as Postgres carries it out."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Engine, event


class Sent(NamedTuple):
    """A statement that was sent to the database."""

    milliseconds: float
    statement: str
    parameters: Any


@contextmanager
def slowest(engine: type[Engine] = Engine) -> Iterator[list[Sent]]:
    """The slowest statement of the block, alone in the list."""
    kept: list[Sent] = []
    begins: dict[int, float] = {}  # by the statement's context: several threads send some

    def before(_: object, __: object, ___: str, ____: Any, context: object, _____: bool) -> None:
        begins[id(context)] = time.perf_counter()

    def after(_: object, __: object, statement: str, parameters: Any, context: object, ___: bool) -> None:
        sent = Sent((time.perf_counter() - begins.pop(id(context), math.inf)) * 1e3, statement, parameters)
        kept[:] = [sent] if not kept or sent.milliseconds > kept[0].milliseconds else kept

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    yield kept
    event.remove(engine, "before_cursor_execute", before)
    event.remove(engine, "after_cursor_execute", after)


def explained(engine: Engine, sent: Sent) -> str:
    """How it is carried out; what it changes is rolled back."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, WAL) {sent.statement}", sent.parameters)
        plan = "\n".join(f"    {row[0]}" for row in rows)
        connection.rollback()
    return f"{sent.milliseconds:.1f} ms: {' '.join(sent.statement.split())[:300]}\n{plan}"
