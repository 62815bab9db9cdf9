"""How much was trained a second time: a trigger keeps what a claim deletes, as it came after the checkpoint."""

from dataclasses import dataclass
from statistics import median
from typing import Self

from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.queue import MAX_ATTEMPTS
from tests.chaos.world import World

_KEEP = """
    CREATE TABLE deleted_epochs (attempt int, worker text, started_at timestamptz, seconds float8);
    CREATE FUNCTION keep_deleted_epochs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO deleted_epochs
        SELECT t.attempt, t.history->-1->>'worker', (t.history->-1->>'started_at')::timestamptz, sum(d.seconds)
        FROM deleted d JOIN trials t ON t.id = d.trial_id
        WHERE t.state = 'running' AND t.history <> '[]' GROUP BY t.id;
        RETURN NULL;
    END $$;
    CREATE TRIGGER keep_deleted_epochs AFTER DELETE ON epochs REFERENCING OLD TABLE AS deleted
        FOR EACH STATEMENT EXECUTE FUNCTION keep_deleted_epochs();
"""
# Trials that a worker claimed together were lost together. The last attempt begins anew on purpose.
_BY_LOST_CLAIM = """
    SELECT sum(seconds) AS seconds FROM deleted_epochs WHERE attempt < :last_attempt
    GROUP BY worker, date_trunc('second', started_at)
"""


@dataclass
class Retraining:
    """Seconds of recorded training that were done again after a lost lease, one number for each lost claim."""

    seconds: list[float]

    @classmethod
    def measured_in(cls, world: World) -> Self:
        return cls([row.seconds for row in world.query(_BY_LOST_CLAIM, last_attempt=MAX_ATTEMPTS)])

    def __str__(self) -> str:
        if not self.seconds:
            return "No epoch that was recorded was trained again."
        return (
            f"After {len(self.seconds)} lost claims recorded epochs were trained again: "
            f"{median(self.seconds):.2f} s of them in the median, {max(self.seconds):.2f} s at most."
        )


def keep_deleted_epochs(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text(_KEEP))
