"""Rows as each version of the tables had them: written as that version would have, through its own columns alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, Table, insert, null, select, update

from app.db.migrations import alembic_config
from app.db.trial_rows import configuration

NOW = datetime.now(UTC)
ENDED_SWEEPS = {"completed", "cancelled", "failed"}
# the trials of a sweep by its state
TRIALS = {
    "queued": ["waiting", "waiting"],
    "running": ["complete", "running", "waiting"],
    "paused": ["complete", "waiting"],
    "stopping": ["complete", "running"],
    "completed": ["complete", "complete", "failed"],
    "cancelled": ["complete", "cancelled"],
    "failed": ["failed", "failed"],
}
WIDTHS = [8, 16, 32]
SEEDS, EPOCHS = 2, 2
SPACE = {
    "hidden_units": WIDTHS,
    "momentum": {"low": 0, "high": 1},
    "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "epochs": EPOCHS,
}
SWEEP: dict[str, Any] = {
    "task": "train_mlp",
    "dataset": "digits",
    "split": "holdout",
    "space": SPACE,
    "sampler": {"name": "random"},
    "seeds": SEEDS,
    "seed": 1,
    "metric": "val_accuracy",
    "direction": "maximize",
}
TIMING = SWEEP | {
    "task": "time_matmul",
    "space": {"size": WIDTHS},
    "sampler": {"name": "grid"},
    "metric": "gflops",
}
CURVE = {"train_loss": 0.5, "train_accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, "seconds": 0.1}
DIAGNOSTICS = {
    "dead_share": [0.0],
    "activation_rms": [1.0, 1.0],
    "gradient_rms": [0.1, None],
    "predicted_classes": 10,
    "top_class_share": 0.2,
    "distinct_outputs": 90,
}
OWN_DATA: dict[str, Any] = {
    "title": "Prices",
    "features": 3,
    "train": 90,
    "test": 10,
    "held_out": 20,
    "source": "prices.csv",
    "class_counts": {"train": [50, 40], "held_out": [10, 10], "test": [5, 5]},
}
CLASSES = {"classes": 2, "labels": ["cheap", "dear"]}
NUMBERS = {"classes": 0, "target": "number", "quantity": "price", "unit": "EUR", "ranges": [0.0, 1.0, 2.0]}
CURVE_OF_NUMBERS = {
    "train_loss": 0.5,
    "train_r2": 0.5,
    "train_mae": 0.1,
    "val_loss": 1.0,
    "val_r2": 0.5,
    "val_mae": 0.2,
}
CIRCUMSTANCES = {
    "host": "there",
    "alone": True,
    "load_before": [0.1, 0.1, 0.1],
    "load_after": None,
    "device": "cpu",
    "processor": "a processor",
    "threads": 1,
    "cache_bytes": None,
    "memory_bus_bits": None,
    "memory_modules": None,
}
# what is written into the columns that each version added; others have what the table says
SINCE: dict[str, dict[str, dict[str, Any]]] = {
    "0001": {"sweeps": SWEEP},
    "0002": {
        "sweeps": {
            "constraints": ["parameters <= 500000"],
            "pruner": {"name": "successive_halving", "min_resource": 1, "reduction_factor": 2},
            "notes": "A *note*",
            "tags": ["earlier"],
            "priority": 1,
            "environment": {"torch": "2.0"},
            "stop_rules": {"failures": 50},
        },
        "trials": {"configuration": "a hash of that time", "enqueued": True},
    },
    "0003": {
        "sweeps": {
            "pruner": {"name": "successive_halving", "min_resource": 1, "reduction_factor": 2, "mode": "promotion"},
            "claimed_at": NOW,
        },
        "trials": {"rung_means": [0.25]},
    },
    "0004": {
        "sweeps": {"test_scores": [{"at": NOW.isoformat(), "number": 0, "runs": 2, "test_accuracy": 0.75}]},
    },
    "0005": {"sweeps": {"space": SPACE | {"momentum": {"low": 0, "high": 1, "step": 1}}}},
    "0008": {"sweeps": {"diagnostics": True}},
    "0014": {"workers": {"draining": False}},
    "0016": {"workers": {"training_rate": 1000.0}},
    "0017": {"trials": {"note": "looked at"}},
}


def upgrade_with_rows(engine: Engine) -> dict[str, list[int]]:
    """Brings an empty database to this version, with rows written at each earlier one: the numbers of its sweeps."""
    sweeps: dict[str, list[int]] = {}
    config = alembic_config()
    *revisions, head = reversed([script.revision for script in ScriptDirectory.from_config(config).walk_revisions()])
    for revision in revisions:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            sweeps[revision] = Version(connection, revision).write()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, head)
    return sweeps


class Version:
    """The tables as they are at one version."""

    def __init__(self, connection: Connection, revision: str) -> None:
        self._connection = connection
        self._revision = revision
        metadata = MetaData()
        metadata.reflect(connection)
        self._tables: dict[str, Table] = dict(metadata.tables)

    def write(self) -> list[int]:
        """Writes sweeps in all states with their trials, and whatever else this version has tables for."""
        self._worker = uuid4()
        worker = {"id": self._worker, "host": self._revision, "pid": 1, "device": "cpu", "threads": 1, "memory": 1}
        self._insert("workers", **worker, state="stopped", trials_done=3)
        sweeps = [self._sweep(state) for state in TRIALS]
        self._exercise_run()
        if self._revision >= "0007":
            sweeps.append(self._timing())
        if self._revision >= "0019":
            sweeps.append(self._own_data())
        self._tables_of_later_versions(sweeps)
        return sweeps

    def _insert(self, table: str, **columns: Any) -> Any:
        """The primary key of a new row, which has what `SINCE` says of this version's columns too."""
        later = (tables.get(table, {}) for revision, tables in SINCE.items() if revision <= self._revision)
        values = {name: value for columns_since in later for name, value in columns_since.items()} | columns
        return self._connection.execute(insert(self._tables[table]).values(values)).inserted_primary_key

    def _sweep(self, state: str, **columns: Any) -> int:
        finished_at = NOW if state in ENDED_SWEEPS else None
        name = columns.pop("name", f"{self._revision} {state}")
        (sweep,) = self._insert("sweeps", **columns, name=name, state=state, finished_at=finished_at)
        for number, trial_state in enumerate(TRIALS[state]):
            self._trial(sweep, number, trial_state)
        return int(sweep)

    def _trial(self, sweep: int, number: int, state: str) -> None:
        columns: dict[str, Any] = {}
        if state != "waiting":
            params = {"hidden_units": WIDTHS[number], "momentum": number % 2, "learning_rate": 0.1, "epochs": EPOCHS}
            columns = {"params": params, "cost": 1e5, "epochs_total": SEEDS * EPOCHS}
            columns |= self._hash(params, "train_mlp")
        match state:
            case "complete":
                columns |= {"value": value_of(number), "std": 0.01, "finished_at": NOW, "epochs_done": SEEDS * EPOCHS}
            case "running":
                columns |= {"lease_token": uuid4(), "lease_until": NOW + timedelta(hours=1), "epochs_done": 1}
            case "failed":
                columns |= {"error": "diverged at epoch 1", "finished_at": NOW}
            case "cancelled":
                columns |= {"finished_at": NOW}
            case "waiting" if self._revision >= "0003":
                columns |= {"configuration": None, "rung_means": []}
            case "waiting" if self._revision >= "0002":
                columns |= {"configuration": None}
        attempt = int(state != "waiting")
        (trial,) = self._insert(
            "trials", sweep_id=sweep, number=number, state=state, attempt=attempt, worker_id=self._worker, **columns
        )
        if state in ("complete", "failed"):
            self._runs(trial, number, state)

    def _hash(self, params: dict[str, Any], task: str) -> dict[str, Any]:
        """The hash of a configuration, since the version whose rule is today's."""
        return {"configuration": configuration(params, task)} if self._revision >= "0018" else {}

    def _runs(self, trial: int, number: int, state: str) -> None:
        ended = {"state": "complete", "value": value_of(number), "test_accuracy": 0.5 if number == 0 else None}
        if state == "failed":
            ended = {"state": "diverged", "error": "diverged at epoch 1"}
        self._insert_each("runs", [{"trial_id": trial, "seed": seed, "seconds": 0.5, **ended} for seed in range(SEEDS)])
        points = [
            {"trial_id": trial, "seed": seed, "epoch": epoch} for seed in range(SEEDS) for epoch in range(1, EPOCHS + 1)
        ]
        self._insert_each("epochs", [point | CURVE for point in points])
        if self._revision >= "0008":
            self._insert_each("diagnostics", [point | DIAGNOSTICS for point in points])

    def _insert_each(self, table: str, rows: list[dict[str, Any]]) -> None:
        """New rows with the same columns, in one statement."""
        self._connection.execute(insert(self._tables[table]), rows)

    def _exercise_run(self) -> None:
        (run,) = self._insert("exercise_runs", exercise=1, preset="quick")
        which = {"exercise_sweep": "width"} if self._revision >= "0006" else {}
        self._sweep("completed", name=f"Exercise 1 {self._revision}", exercise_run_id=run, **which)

    def _own_data(self) -> int:
        """A sweep on a stored data set; it foretells numbers since the version that has columns for them."""
        name, has_numbers = f"own-{self._revision}", self._revision >= "0020"
        facts = OWN_DATA | (NUMBERS if has_numbers else CLASSES)
        row = {"name": name, "content_hash": self._revision, "size": 1, "facts": facts, "description": {}}
        (dataset,) = self._insert("datasets", **row)
        self._insert("dataset_pieces", dataset_id=dataset, number=0, content=b"x")
        columns = {"dataset": name, "dataset_id": dataset, "metric": "val_r2" if has_numbers else "val_accuracy"}
        sweep = self._sweep("completed", name=f"{self._revision} own", **columns)
        if has_numbers:
            epochs = self._tables["epochs"]
            of_sweep = epochs.c.trial_id.in_(select(self._tables["trials"].c.id).filter_by(sweep_id=sweep))
            of_classes = {"train_accuracy": None, "val_accuracy": None}
            self._connection.execute(update(epochs).where(of_sweep).values(CURVE_OF_NUMBERS | of_classes))
        return sweep

    def _timing(self) -> int:
        columns = TIMING | {"pruner": null(), "constraints": [], "diagnostics": False}
        columns = {name: value for name, value in columns.items() if name in self._tables["sweeps"].columns}
        (sweep,) = self._insert(
            "sweeps", **columns, name=f"{self._revision} timing", state="completed", finished_at=NOW, scored=True
        )
        for number, size in enumerate(WIDTHS):
            ended = {"state": "complete", "value": value_of(number), "finished_at": NOW, "attempt": 1}
            facts = {"circumstances": CIRCUMSTANCES, "rung_means": []}
            trial = {"number": number, "params": {"size": size}, "cost": 1.0, "epochs_total": SEEDS, **ended, **facts}
            trial |= self._hash({"size": size}, "time_matmul")
            (trial_id,) = self._insert("trials", sweep_id=sweep, worker_id=self._worker, **trial)
            run = {"trial_id": trial_id, "state": "complete", "value": value_of(number), "seconds": 0.5}
            self._insert_each("runs", [run | {"seed": seed} for seed in range(SEEDS)])
        return int(sweep)

    def _tables_of_later_versions(self, sweeps: list[int]) -> None:
        for since, table, columns in self._single_rows(sweeps):
            if since <= self._revision:
                self._insert(table, **columns)

    def _single_rows(self, sweeps: list[int]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """A row of each table that came later: since when, the table, its columns."""
        delivery = {"sweep_id": sweeps[4], "state": "completed", "delivered_at": NOW, "next_attempt_at": None}
        yield "0002", "webhook_deliveries", delivery | {"attempts": 1, "status": 200}
        digest = self._revision.encode()
        key = {"name": self._revision, "role": "read", "prefix": "pk_", "digest": digest}
        yield "0012", "keys", key
        yield "0013", "sweep_log", {"sweep_id": sweeps[4], "by": "Ada", "event": "created", "text": "Made it"}
        expiry = NOW + timedelta(days=1)
        yield "0015", "shares", {"digest": digest, "sweep_id": sweeps[4], "created_by": "Ada", "expires_at": expiry}
        yield "0016", "counters", {"name": self._revision, "value": 7}


def value_of(number: int) -> float:
    """The value of every trial of this number."""
    return 0.5 + number / 8
