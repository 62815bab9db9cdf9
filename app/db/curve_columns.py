"""The columns of what is recorded of epochs, as statements need them: their names, as arrays, and to copy rows."""

from sqlalchemy.dialects import postgresql

from app.db.tables import Diagnostics, Epoch


def names(table: type[Epoch | Diagnostics], prefix: str = "") -> str:
    """All columns, of which the first is `trial_id`: `trial_id, seed, epoch, …`, each behind the prefix."""
    return ", ".join(f"{prefix}{column.name}" for column in table.__table__.columns)


def arrays(table: type[Epoch]) -> str:
    """A parameter for each column, which is a list of one value a row: `CAST(:trial_id AS BIGINT[]), …`."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = {column.name: column.type.compile(dialect) for column in table.__table__.columns}
    return ", ".join(f"CAST(:{name} AS {type_name}[])" for name, type_name in types.items())


def copy_rows(table: type[Epoch | Diagnostics], copies: str) -> str:
    """The statement that copies rows of trials; `copies` has rows named `copy`, with the ids `source` and `id`."""
    copied = names(table, "recorded.").replace("recorded.trial_id", "copy.id")
    return f"""
        INSERT INTO {table.__tablename__} ({names(table)})
        SELECT {copied} FROM {copies} JOIN {table.__tablename__} AS recorded ON recorded.trial_id = copy.source
    """
