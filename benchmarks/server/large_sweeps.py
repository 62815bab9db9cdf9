"""Fills a database with sweeps as large as they get, by SQL; on them latency is measured."""

from typing import Any, NamedTuple

from sqlalchemy import Engine, select, text

from app.db.engine import transaction
from app.db.tables import Sweep
from app.schemas import SweepCreate
from app.sweeps import creation

TRIALS = 10_000
SEEDS = 3
SMALL_SWEEPS = 500

_BODY: dict[str, Any] = {
    "name": "large",
    "dataset": "digits",
    "space": {
        "hidden_units": [8, 16, 32, 64, 128],
        "learning_rate": {"low": 0.001, "high": 1.0, "log": True},
        "activation": ["relu", "tanh", "sigmoid"],
    },
    "sampler": "random",
    "n_trials": TRIALS,
    "seeds": SEEDS,
}

# Values that look like a search: a best learning rate, wider is better, noise between seeds.
_PARAMS = text("""
    UPDATE trials SET
        params = json_build_object(
            'hidden_units', (ARRAY[8, 16, 32, 64, 128])[1 + floor(random() * 5)],
            'learning_rate', exp(ln(0.001) + random() * (ln(1.0) - ln(0.001))),
            'activation', (ARRAY['relu', 'tanh', 'sigmoid'])[1 + floor(random() * 3)],
            'epochs', CAST(:epochs AS int)),
        cost = 50000 * :epochs, epochs_total = :epochs * :seeds
    WHERE sweep_id = :sweep
""")
_RUNS = text("""
    INSERT INTO runs (trial_id, seed, state, value, seconds)
    SELECT t.id, seed, 'complete', least(1, 0.93 - 0.03 * abs(ln(CAST(params->>'learning_rate' AS float8) / 0.1))
           + 0.01 * ln(CAST(params->>'hidden_units' AS float8) / 128) + 0.01 * random()), 0.05 * :epochs
    FROM trials t, generate_series(0, :seeds - 1) AS seed WHERE t.sweep_id = :sweep
""")
_EPOCHS = text("""
    INSERT INTO epochs (trial_id, seed, epoch, train_loss, train_accuracy, val_loss, val_accuracy, seconds)
    SELECT r.trial_id, r.seed, epoch, 2.3 * exp(-0.1 * epoch), r.value * (1 - 0.5 * exp(-0.3 * epoch)),
           2.3 * exp(-0.09 * epoch), r.value * (1 - 0.6 * exp(-0.3 * epoch)), 0.05
    FROM runs r JOIN trials t ON t.id = r.trial_id, generate_series(1, CAST(:epochs AS int)) AS epoch
    WHERE t.sweep_id = :sweep
""")
_END = text("""
    UPDATE trials t SET state = 'complete', value = r.mean, std = r.std, attempt = 1, epochs_done = epochs_total,
        started_at = clock_timestamp() - interval '1 hour' + number * interval '0.3 s',
        finished_at = clock_timestamp() - interval '1 hour' + number * interval '0.3 s' + interval '2 s'
    FROM (SELECT trial_id, avg(value) AS mean, stddev_samp(value) AS std FROM runs GROUP BY trial_id) r
    WHERE r.trial_id = t.id AND t.sweep_id = :sweep
""")
_END_SWEEP = text("""
    UPDATE sweeps SET state = 'completed', scored = true, started_at = clock_timestamp() - interval '1 hour',
        finished_at = clock_timestamp() WHERE id = :sweep
""")


class Filled(NamedTuple):
    """Ids of sweeps: 10,000 finished trials; the same with 1,020,000 epoch rows; 10,000 trials that wait."""

    trials: int
    epochs: int
    waiting: int


def fill(engine: Engine) -> Filled:
    """Writes the sweeps and, so that lists have pages, 500 small ones; a database that has them is left as it is."""
    with transaction(engine) as session:
        large = session.scalars(select(Sweep.id).where(Sweep.name == _BODY["name"]).order_by(Sweep.id)).all()
    if large:
        return Filled(*large)
    for index in range(SMALL_SWEEPS):
        _finished(engine, epochs=2, name=f"small {index}", n_trials=4)
    filled = Filled(_finished(engine, epochs=1), _finished(engine, epochs=34), _create(engine, epochs=10))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return filled


def _create(engine: Engine, epochs: int, **changes: Any) -> int:
    body = _BODY | {"space": _BODY["space"] | {"epochs": epochs}} | changes
    with transaction(engine) as session:
        return creation.create(session, SweepCreate.model_validate(body)).id


def _finished(engine: Engine, epochs: int, **changes: Any) -> int:
    sweep = _create(engine, epochs, **changes)
    with transaction(engine) as session:
        for statement in (_PARAMS, _RUNS, _EPOCHS, _END, _END_SWEEP):
            parameters = {"sweep": sweep, "epochs": epochs, "seeds": SEEDS}
            session.execute(statement, {name: parameters[name] for name in statement.compile().params})
    return sweep
