"""What the database does meanwhile: what its processes wait for, and which statements take its time."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

LOOK_SECONDS = 0.1

_WAITS = text("""
    SELECT coalesce(wait_event_type || ': ' || wait_event, 'computing'), count(*) FROM pg_stat_activity
    WHERE application_name LIKE 'perceptune worker%' AND state <> 'idle' AND pid <> pg_backend_pid() GROUP BY 1
""")
_STATEMENTS = text("""
    SELECT calls, mean_exec_time, total_exec_time, plans, total_plan_time,
           left(regexp_replace(query, '\\s+', ' ', 'g'), 110)
    FROM pg_stat_statements ORDER BY total_exec_time + total_plan_time DESC LIMIT :count
""")


@contextmanager
def watched(engine: Engine) -> Iterator[Counter[str]]:
    """Counts what the workers' connections wait for, looked at many times; `looks` says how often."""
    seen: Counter[str] = Counter()
    leaving = threading.Event()

    def look() -> None:
        while not leaving.wait(LOOK_SECONDS):
            with engine.connect() as connection:
                for event, count in connection.execute(_WAITS):
                    seen[event] += count
            seen["looks"] += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        leaving.set()
        thread.join()


def waits(seen: Counter[str]) -> str:
    """The most common ones, as connections on average."""
    looks = max(seen["looks"], 1)
    return ", ".join(f"{event} {count / looks:.1f}" for event, count in seen.most_common(7) if event != "looks")


def reset(engine: Engine) -> None:
    """Counts statements from now on."""
    with engine.begin() as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
        connection.execute(text("SELECT pg_stat_statements_reset()"))


def statements(engine: Engine, count: int) -> str:
    """The statements that took most of the database's time, a line each: calls and their times, plans and theirs."""
    with engine.connect() as connection:
        rows = connection.execute(_STATEMENTS, {"count": count}).all()
    return "\n".join(
        f"{calls:>8} x {mean:9.2f} ms = {total / 1e3:8.2f} s, and {plans:>6} plans = {planning / 1e3:6.2f} s  {query}"
        for calls, mean, total, plans, planning, query in rows
    )
