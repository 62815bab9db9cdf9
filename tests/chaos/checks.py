"""What must be true when the dust has settled, read from the API and from the tables."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from tests.chaos.sweeps import EPOCHS
from tests.chaos.world import World
from tests.support.sweeps.stored_totals import BOTH, wrong_of

TOLERANCE = 1e-6


@dataclass
class Checks:
    """How often each thing was looked at; `wrong` says in words what was not as it must be."""

    passed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def equal(self, what: str, where: str, expected: object, actual: object) -> None:
        if expected == actual:
            self.passed[what] += 1
        else:
            self.wrong.append(f"{what}, {where}: {actual} where {expected} must be")


def check_all(world: World, kinds: dict[int, str], references: dict[str, list[float]]) -> Checks:
    """Every sweep by its kind; `references` are the values of an undisturbed sweep of a kind, by number."""
    checks = Checks()
    rows = {row.id: row for row in world.query("SELECT id, state::text, idempotency_key FROM sweeps")}
    checks.equal("a sweep posted is a sweep stored, once", "all", sorted(kinds), sorted(rows))
    for sweep, kind in sorted(kinds.items()):
        check_sweep(checks, world, sweep, kind)
        if kind in references and rows[sweep].state == "completed":
            check_values(checks, world, sweep, references[kind])
    undisturbed_grid = curves_of(world, min(sweep for sweep, kind in kinds.items() if kind == "grid"))
    for sweep in (sweep for sweep, kind in kinds.items() if kind == "halving" and rows[sweep].state == "completed"):
        check_curves(checks, world, sweep, undisturbed_grid)
    finished = world.query("SELECT count(*) AS n FROM trials WHERE state = 'complete'")[0].n
    counted = world.query("SELECT sum(trials_done) AS n FROM workers")[0].n
    checks.equal("a result was accepted once", "trials that workers were thanked for", finished, counted)
    checks.equal("stored totals are those of the rows", "all sweeps", [], wrong_of(world.query(BOTH)))
    return checks


def check_sweep(checks: Checks, world: World, sweep: int, kind: str) -> None:
    summary = world.sweep(sweep)
    trials = world.query("SELECT * FROM trials WHERE sweep_id = :id ORDER BY number", id=sweep)
    where = f"sweep {sweep} ({kind})"
    ended = {"cancelled": "cancelled", "poisonous": "failed"}.get(kind, "completed")
    checks.equal("every sweep ended", where, ended, summary["state"])
    checks.equal("no trial lost", where, list(range(summary["n_trials"])), [trial.number for trial in trials])
    counts = Counter(trial.state for trial in trials)
    checks.equal(
        "counts of the API equal the rows", where, dict(counts), {k: n for k, n in summary["counts"].items() if n}
    )
    if ended == "completed":
        states = {"complete", "pruned"} if kind == "halving" else {"complete"}
        checks.equal("every trial has its result", where, states, set(counts))
    if kind == "poisonous":
        checks.equal("a sweep that can't be searched failed alone", where, {"failed"}, set(counts))
    for trial in trials:
        check_trial(checks, world, trial, summary["seeds"], f"trial {trial.number} of {where}")


def check_trial(checks: Checks, world: World, trial: Any, seeds: int, where: str) -> None:
    runs = world.query("SELECT seed, value FROM runs WHERE trial_id = :id ORDER BY seed", id=trial.id)
    if trial.state not in {"complete", "pruned"}:
        checks.equal("no run of a trial without a result", where, [], runs)
        return
    checks.equal("a result is exactly its seeds' runs", where, list(range(seeds)), [run.seed for run in runs])
    checks.equal(
        "a value is the mean of its runs", where, True, abs(fmean(run.value for run in runs) - trial.value) < 1e-12
    )
    points = world.query("SELECT seed, epoch FROM epochs WHERE trial_id = :id ORDER BY seed, epoch", id=trial.id)
    epochs = EPOCHS if trial.state == "complete" else 10 * 2 ** (len(trial.rung_means) - 1)
    whole = [(seed, epoch) for seed in range(seeds) for epoch in range(1, epochs + 1)]
    checks.equal("a run's epochs are 1 to n, once each", where, whole, [tuple(point) for point in points])
    checks.equal("epochs are counted once", where, len(whole), trial.epochs_done)


def check_values(checks: Checks, world: World, sweep: int, reference: list[float]) -> None:
    values = values_of(world, sweep)
    far = [(n, a, b) for n, (a, b) in enumerate(zip(values, reference, strict=False)) if abs(a - b) > TOLERANCE]
    checks.equal("values are those of an undisturbed sweep", f"sweep {sweep}", ([], len(reference)), (far, len(values)))


def check_curves(
    checks: Checks, world: World, sweep: int, reference: dict[tuple[int, int, int], tuple[float, ...]]
) -> None:
    """Trials that went on from checkpoints have the curves of trials that were never interrupted."""
    far = [
        point
        for point, losses in curves_of(world, sweep).items()
        if any(abs(a - b) > TOLERANCE for a, b in zip(losses, reference[point], strict=True))
    ]
    checks.equal("curves in legs are those of an undisturbed sweep", f"sweep {sweep}", [], far)


def curves_of(world: World, sweep: int) -> dict[tuple[int, int, int], tuple[float, ...]]:
    """The losses by trial number, seed and epoch."""
    rows = world.query(
        "SELECT t.number, e.seed, e.epoch, e.train_loss, e.val_loss FROM epochs e JOIN trials t ON t.id = e.trial_id"
        " WHERE t.sweep_id = :id",
        id=sweep,
    )
    return {(row.number, row.seed, row.epoch): (row.train_loss, row.val_loss) for row in rows}


def values_of(world: World, sweep: int) -> list[float]:
    """By number."""
    rows = world.query("SELECT value FROM trials WHERE sweep_id = :id ORDER BY number", id=sweep)
    return [row.value for row in rows]
