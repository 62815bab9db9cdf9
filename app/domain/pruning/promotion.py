"""Promotion: which of the trials that wait at rungs go on, and why the others end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.objectives import Objective
from app.domain.pruning.rungs import HalvingPruner, ladder
from app.domain.pruning.verdicts import RungVerdict


@dataclass(frozen=True)
class RungRecord:
    """A trial that has reached a rung, with its mean over the runs at each rung so far."""

    trial_id: int
    number: int
    bracket: int | None  # of hyperband; None for successive halving
    means: tuple[float, ...]  # by rung, at least one
    rung: int | None  # at which it waits; None once it has gone on or ended
    lives: bool = True  # it waits, trains or is complete; one that failed or was pruned holds its place all the same


@dataclass(frozen=True)
class RungStandings:
    """One rung of one bracket, with all trials that have reached it, the best first."""

    index: int
    bracket: int | None
    records: Sequence[RungRecord]

    @property
    def waiting(self) -> list[RungRecord]:
        """Those that wait here."""
        return [record for record in self.records if record.rung == self.index]


def promoted_ids(
    pruner: HalvingPruner, objective: Objective, records: Sequence[RungRecord], *, is_final: bool
) -> list[int]:
    """The ids of the waiting trials that go on: of those that have reached their rung the best 1 / reduction_factor.

    With `is_final` no other trial will come to a rung any more; then at least one goes on from each, unless one that
    lives has gone on before.
    """
    ids: list[int] = []
    for rung in _rungs(objective, records):
        promoted = [record for record in rung.records[: _places(pruner, rung)] if record.rung == rung.index]
        has_gone_on = any(record.lives and record.rung != rung.index for record in rung.records)
        if is_final and not promoted and not has_gone_on:
            promoted = rung.waiting[:1]
        ids += [record.trial_id for record in promoted]
    return ids


def verdicts(
    pruner: HalvingPruner, objective: Objective, seeds: int, max_epochs: int, records: Sequence[RungRecord]
) -> dict[int, RungVerdict]:
    """Why each waiting trial ends, by trial id, once no more of them go on.

    `seeds` are the runs of a trial, and `max_epochs` those of the longest training that the search space holds.
    """
    return {
        record.trial_id: _verdict(pruner, rung, record, seeds, max_epochs)
        for rung in _rungs(objective, records)
        for record in rung.waiting
    }


def _rungs(objective: Objective, records: Sequence[RungRecord]) -> Iterator[RungStandings]:
    """The rungs at which trials wait."""
    for bracket, index in sorted({(r.bracket or 0, r.rung) for r in records if r.rung is not None}):
        reached = [r for r in records if (r.bracket or 0) == bracket and len(r.means) > index]
        ranked = sorted(reached, key=lambda record: objective.rank(record.means[index], record.number))
        yield RungStandings(index, ranked[0].bracket, ranked)


def _places(pruner: HalvingPruner, rung: RungStandings) -> int:
    """How many of a rung's trials go on."""
    return len(rung.records) // pruner.reduction_factor if len(rung.records) > pruner.bootstrap_count else 0


def _verdict(
    pruner: HalvingPruner, rung: RungStandings, record: RungRecord, seeds: int, max_epochs: int
) -> RungVerdict:
    places = max(_places(pruner, rung), 1)
    return RungVerdict(
        epoch=ladder(pruner, rung.bracket, max_epochs).epoch_at(rung.index),
        seeds=seeds,
        mean=record.means[rung.index],
        rung=rung.index,
        bracket=rung.bracket,
        compared_trials=len(rung.records),
        promoted_trials=places,
        border=rung.records[places - 1].means[rung.index],
        bootstrap_count=pruner.bootstrap_count,
    )
