"""Models and migrations agree, and every migration leads up and down."""

from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, bindparam, inspect, make_url, select, text

from app.db.engine import connect, transaction
from app.db.migrations import alembic_config, is_migrated, migrate
from app.db.tables import Base, Epoch
from app.errors import StartError
from app.sweeps import deletion
from tests.support.queue_examples import (
    at_once,
    claim,
    complete,
    create_grid,
    create_sweep,
    create_timing,
    expire,
    let_lapse,
    new_worker,
    record,
    save_checkpoints,
    states,
    sweep_of,
    trials_of,
)

# tables with their columns, indexes and checks, and the types: whatever a migration makes
EVERYTHING = text("""
    SELECT 'column', table_name::text, column_name::text,
           concat_ws(' ', data_type, udt_name, is_nullable, column_default, is_identity)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'enum', typname, enumlabel, '' FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
    ORDER BY 1, 2, 3, 4
""")


def everything(connection: Connection) -> list[tuple[str, ...]]:
    return [tuple(row) for row in connection.execute(EVERYTHING)]


def alembic(connection: Connection) -> Config:
    config = alembic_config()
    config.attributes["connection"] = connection
    return config


def test_models_and_migrations_agree(engine: Engine) -> None:
    """The tables that the migrations make are those of the models: nothing to add, to drop or to change."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_models_and_migrations_have_the_same_constraints(engine: Engine) -> None:
    """Checks, partial indexes and enums too, which the comparison by itself does not look at."""
    with engine.begin() as connection:
        migrated = [row for row in everything(connection) if "alembic_version" not in row]
        command.downgrade(alembic(connection), "base")
        Base.metadata.create_all(connection)
        assert [row for row in everything(connection) if "alembic_version" not in row] == migrated


def test_down_and_up_again_is_where_we_were(engine: Engine) -> None:
    """A downgrade leaves nothing behind, and the upgrade after it makes the same tables."""
    with engine.begin() as connection:
        before = everything(connection)
        command.downgrade(alembic(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert {row[1] for row in everything(connection)} == {"alembic_version"}
        command.upgrade(alembic(connection), "head")
        assert everything(connection) == before


def test_ranges_of_whole_numbers_stay_whole(engine: Engine) -> None:
    """Sweeps of a time when whole bounds meant whole numbers have a step of 1 after it, and the same values."""
    ranges = {
        "momentum": {"low": 0, "high": 1, "step": 1},
        "hidden_units": {"low": 4, "high": 64, "log": True},
        "learning_rate": {"low": 1, "high": 100, "step": 1, "log": True},
        "dropout": {"low": 0.0, "high": 0.5},
        "warmup_epochs": {"low": 0, "high": 4, "step": 2},
    }
    sweep = create_sweep(engine, space=ranges)
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0002")
        before = connection.scalar(text("SELECT space FROM sweeps"))
        assert before["momentum"] == {"low": 0, "high": 1}
        assert before["learning_rate"] == {"low": 1, "high": 100, "log": True}
        assert [before[name] for name in ("hidden_units", "dropout", "warmup_epochs")] == [
            ranges[name] for name in ("hidden_units", "dropout", "warmup_epochs")
        ]
        command.upgrade(alembic(connection), "head")
    after = sweep_of(engine, sweep).space
    assert (after, [*after]) == (ranges, [*ranges])


def test_what_a_deleted_sweep_has_left_goes_with_a_downgrade(engine: Engine) -> None:
    """The earlier version knows no trials without a sweep; those of others stay."""
    deleted, other = create_sweep(engine, n_trials=3), create_sweep(engine, n_trials=2)
    with transaction(engine) as session:
        deletion.delete(session, deleted)
        session.execute(text("TRUNCATE deleted_sweeps"))  # whatever was missed by it
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0021")
        assert connection.scalars(text("SELECT sweep_id FROM trials")).all() == [other, other]
        command.upgrade(alembic(connection), "head")


def test_an_earlier_version_knows_the_workers_of_all_trials_or_none(engine: Engine) -> None:
    """It has a foreign key for them: of a worker that is no longer there a trial has none after a downgrade."""
    sweep, workers = create_grid(engine, 4, 8), [new_worker(engine) for _ in range(2)]
    trials = [claim(engine, worker, 1) for worker in workers]
    assert [len(claimed) for claimed in trials] == [1, 1]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM workers WHERE id = :id"), {"id": workers[0]})
        command.downgrade(alembic(connection), "0028")
        command.upgrade(alembic(connection), "head")
    by_id = {trial.id: trial.worker_id for trial in trials_of(engine, sweep)}
    assert [by_id[claimed[0].lease.trial_id] for claimed in trials] == [None, workers[1]]


def test_epochs_of_workers_that_were_forgotten_are_trained_again(engine: Engine) -> None:
    """What such a trial had beyond its checkpoint goes, as with a claim; what others had stays."""
    sweep, worker = create_grid(engine, 4, 8, 16), new_worker(engine)
    leases = [trial.lease for trial in claim(engine, worker, 3)]
    for epoch in (1, 2):
        record(engine, sweep, leases, epoch)
    save_checkpoints(engine, sweep, leases[:2], 1)
    let_lapse(engine, *leases[1:])
    expire(engine)
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0029")
        connection.execute(text("UPDATE trials SET worker_id = NULL WHERE state = 'waiting'"))  # as 0028 left them
        command.upgrade(alembic(connection), "head")
        numbers = select(Epoch.epoch).where(Epoch.trial_id == bindparam("trial")).order_by(Epoch.epoch)
        stored = [connection.scalars(numbers, {"trial": lease.trial_id}).all() for lease in leases]
    assert stored == [[1, 2], [1], []]


def test_a_server_knows_whether_its_tables_are_there(engine: Engine) -> None:
    """After a downgrade it is not ready; to migrate mends that."""
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "base")
    with transaction(engine) as session:
        assert not is_migrated(session)
    migrate(engine)
    with transaction(engine) as session:
        assert is_migrated(session)


def test_servers_that_start_together_migrate_once(engine: Engine) -> None:
    """Three at the same time on an empty database: one makes the tables, the others find them made."""
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "base")
    at_once([lambda: migrate(engine)] * 3)
    with transaction(engine) as session:
        assert is_migrated(session)


def test_looks_so_far_are_read_off_the_runs(engine: Engine) -> None:
    """An upgrade knows what was scored, though not when."""
    sweep, worker = create_grid(engine, 4, 8, seeds=1), new_worker(engine)
    complete(engine, sweep, worker, claim(engine, worker))
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0002")
        connection.execute(
            text("UPDATE runs SET test_accuracy = 0.5 FROM trials WHERE trials.id = trial_id AND number = 1")
        )
        command.upgrade(alembic(connection), "head")
    assert sweep_of(engine, sweep).test_scores == [{"at": None, "number": 1, "runs": 1, "test_accuracy": 0.5}]


def test_an_earlier_version_trains_no_timing(engine: Engine) -> None:
    """It would take it for a sweep of perceptrons: a downgrade cancels what is not over, and leaves the others."""
    timing, training, worker = create_timing(engine, 2), create_grid(engine, 8), new_worker(engine)
    assert len(claim(engine, worker)) == 1
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "0006")
        command.upgrade(alembic(connection), "head")
    assert (sweep_of(engine, timing).state, states(engine, timing)) == ("cancelled", ["cancelled"] * 2)
    assert (sweep_of(engine, training).state, states(engine, training)) == ("queued", ["waiting"])


def test_tables_of_a_newer_version_are_left_alone(engine: Engine) -> None:
    """A version that this program does not know is a sentence, and nothing is changed."""
    with engine.begin() as connection:
        before = everything(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StartError, match="The tables are those of a newer Perceptune"):
        migrate(engine)
    with engine.begin() as connection:
        assert everything(connection) == before


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "DATABASE_URL is no database URL: write postgresql://USER:PASSWORD@HOST/DATABASE."),
        ("postgresql://host:port/name", "DATABASE_URL is no database URL: write"),
        ("sqlite:///file", "DATABASE_URL names sqlite: only Postgres works, write postgresql://"),
        ("postgresql://127.0.0.1:1/name", "The database can't be reached: .*refused.* \\(DATABASE_URL\\)"),
    ],
)
def test_a_database_that_can_not_be_used_is_a_sentence(url: str, sentence: str) -> None:
    """What is wrong, and which setting it comes from."""
    with pytest.raises(StartError, match=sentence):
        migrate(connect(url))


def test_a_user_who_may_not_make_tables_is_told_so(engine: Engine, database_url: str) -> None:
    """The database's own words, without a traceback."""
    reader = connect(f"{database_url}&options=-c%20role%3Dpg_monitor")
    with engine.begin() as connection:
        command.downgrade(alembic(connection), "base")
        connection.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(StartError, match="The tables can't be brought to this version: permission denied"):
        migrate(reader)
    reader.dispose()


def test_a_database_of_another_encoding_is_told_what_to_do(database_url: str) -> None:
    """A name in Cyrillic letters would not come back out of it, so it is refused before anything is made."""
    admin = connect(database_url).execution_options(isolation_level="AUTOCOMMIT")
    name = f"ascii_{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'"))
        ascii_engine = connect(make_url(database_url).set(database=name).render_as_string(hide_password=False))
        with pytest.raises(StartError, match=r"encoded in SQL_ASCII.*ENCODING 'UTF8'"):
            migrate(ascii_engine)
        ascii_engine.dispose()
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()
