"""Runs the migrations on the connection that the caller hands over; `alembic` alone uses DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import Connection

from app.db.engine import connect
from app.db.tables import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with connect(os.environ["DATABASE_URL"]).begin() as own:
        run(own)
