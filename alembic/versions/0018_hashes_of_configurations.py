"""Every trial with parameters has the hash of its configuration, by a rule that later hyperparameters do not change"""

import json

import sqlalchemy as sa
from alembic import op

from app.db.trial_rows import configuration

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Trials of the first version have none, and those of later ones have hashes over the hyperparameters of their time.
TRIALS = """
    SELECT t.id, s.task, CAST(t.params AS text) AS params FROM trials t JOIN sweeps s ON s.id = t.sweep_id
    WHERE t.params IS NOT NULL AND t.id > :last ORDER BY t.id LIMIT 10000
"""
FILL = """
    UPDATE trials SET configuration = hashes.hash
    FROM unnest(CAST(:ids AS bigint[]), CAST(:hashes AS text[])) AS hashes(id, hash)
    WHERE trials.id = hashes.id AND trials.configuration IS DISTINCT FROM hashes.hash
"""


def upgrade() -> None:
    """Reads the trials in batches, as there may be a million."""
    connection, last = op.get_bind(), 0
    while rows := connection.execute(sa.text(TRIALS), {"last": last}).all():
        last = rows[-1].id
        hashes = {row.id: configuration(json.loads(row.params), row.task) for row in rows}
        connection.execute(sa.text(FILL), {"ids": [*hashes], "hashes": [*hashes.values()]})


def downgrade() -> None:
    """An earlier version finds no configuration of its own again, and trains it once more where it is asked for."""
