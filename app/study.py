"""Trial rows as an in-memory Optuna study: the only bridge to Optuna."""

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from app.charts.rows import TrialRow
from app.hyperparameters import completed
from app.samplers import MOST_REMEMBERED, Known, Turn, generation, population, sampler
from app.space import Choice, Constraints, Range, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # a diverged or poisonous configuration tells the sampler to stay away; Optuna ranks a pruned trial behind all
    # complete ones, while it ignores a failed one and would propose it again
    "failed": TrialState.PRUNED,
}
# Samplers that look at complete trials alone: what was pruned, failed or infeasible is shown to them as complete.
_COMPLETE_ALONE = {"gp", "cmaes", "nsgaii"}


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the hyperparameters that vary, each behind those that its condition names."""
    free = space.free()
    return {name: _distribution(free[name]) for name in space.order if name in free}


def known(space: Space) -> Known:
    """What samplers need to know of a space."""
    return Known(distributions(space), frozenset(space.conditions))


def study_from_rows(space: Space, rows: Sequence[TrialRow], *, maximize: bool) -> optuna.Study:
    """A study that holds these trials; those that wait, are infeasible or were cancelled are left out."""
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    about = known(space)
    study.add_trials([_frozen(about, row) for row in rows if row.state in _STATES and row.params])
    return study


class Search:
    """A sweep's sampler with all that it knows: asked for one configuration after another, it spreads them."""

    def __init__(
        self,
        space: Space,
        options: Mapping[str, Any],
        rows: Sequence[TrialRow] = (),
        *,
        maximize: bool = True,
        constraints: Constraints | None = None,
    ) -> None:
        self.space, self.options, self.constraints = space, options, constraints or Constraints()
        self._known = known(space)
        self._study = optuna.create_study(direction="maximize" if maximize else "minimize")
        self._worst, self._middle = _stand_ins([row.value for row in rows if row.state == "complete"], maximize)
        self._finished = 0
        self._sampler: optuna.samplers.BaseSampler | None = None
        most = MOST_REMEMBERED.get(options["name"])
        for row in remembered([row for row in rows if row.params], most, maximize):
            self._learn(row)

    def ask(self, turn: Turn) -> dict[str, Any]:
        """One new configuration, the constants included; from here on it counts as running."""
        if self._sampler is None or self.options["name"] != "gp":  # that one keeps what it fitted for the next
            self._sampler = sampler(self.options, turn, self._known)
        self._study.sampler = self._sampler
        trial = self._study.ask()
        params: dict[str, Any] = {}
        for name in self.space.order:
            if self.space.is_active(name, params):
                domain = self.space.domains[name]
                params[name] = _suggested(trial, name, domain) if isinstance(domain, Choice | Range) else domain.value
        return self.space.as_posted(params)

    def refuse(self, params: Mapping[str, Any]) -> None:
        """Learns that the configuration that was asked for last is infeasible."""
        self._study.tell(len(self._study.get_trials(deepcopy=False)) - 1, state=TrialState.FAIL)
        self._learn(TrialRow(-1, "infeasible", params, None, None))

    def _learn(self, row: TrialRow) -> None:
        state = TrialState.PRUNED if row.state == "infeasible" else _STATES.get(row.state)
        violations = self.constraints.violations(row.params) if self.constraints.items else None
        if state is None or (row.state == "infeasible" and not any(gap > 0 for gap in (violations or {}).values())):
            return
        value = row.value if state == TrialState.COMPLETE else None
        if self.options["name"] in _COMPLETE_ALONE and state != TrialState.RUNNING:
            stand_in = self._middle if row.state == "infeasible" and self.options["name"] != "cmaes" else self._worst
            value = row.value if row.value is not None else stand_in
            state = TrialState.COMPLETE if value is not None else state
        more: dict[str, Any] = {"constraints": violations} if violations else {}
        if state == TrialState.COMPLETE and (size := population(self.options)):
            more["system_attrs"] = generation(self._finished, size)
            self._finished += 1
        self._study.add_trial(_frozen(self._known, row, state=state, value=value, **more))


def remembered(rows: Sequence[TrialRow], most: int | None, maximize: bool) -> list[TrialRow]:
    """The rows that a sampler is shown, in their order: what runs, and at most so many that have ended.

    Those are the best quarter of them, and the newest of the others.
    """
    ended = [row for row in rows if row.state not in {"running", "waiting"}]
    if most is None or len(ended) <= most:
        return list(rows)
    complete = sorted((row for row in ended if row.value is not None), key=lambda row: row.value or 0, reverse=maximize)
    kept = {row.number for row in complete[: most // 4]}
    newest = [row.number for row in ended if row.number not in kept][-(most - len(kept)) :]
    kept |= {*newest, *(row.number for row in rows if row.state == "running")}
    return [row for row in rows if row.number in kept]


def _stand_ins(values: Sequence[float | None], maximize: bool) -> tuple[float | None, float | None]:
    """The worst and the mean value so far, for trials that have none."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    return min(known) if maximize else max(known), statistics.fmean(known)


def _distribution(domain: Choice | Range) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution([_encoded(value) for value in domain.values])
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.last), step=int(domain.step or 1), log=domain.log)
    return FloatDistribution(domain.low, domain.last, step=domain.step, log=domain.log)


def _suggested(trial: optuna.Trial, name: str, domain: Choice | Range) -> Any:
    if isinstance(domain, Choice):
        chosen = trial.suggest_categorical(name, [_encoded(value) for value in domain.values])
        is_list = any(isinstance(value, list) for value in domain.values)
        return json.loads(str(chosen)) if is_list else chosen
    if domain.whole:
        step = int(domain.step or 1)
        return trial.suggest_int(name, int(domain.low), int(domain.last), step=step, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.last, step=domain.step, log=domain.log)


def _frozen(about: Known, row: TrialRow, **more: Any) -> FrozenTrial:
    """The row as a trial of a study; a hyperparameter that the space got later has the book's value in it."""
    if not more:
        state = _STATES[row.state]
        more = {"state": state, "value": row.value if state == TrialState.COMPLETE else None}
    book: Mapping[str, Any] = completed(dict(row.params))
    given = [name for name in about.free if name in row.params or name not in about.conditional]
    return create_trial(
        params={name: _encoded(row.params.get(name, book[name])) for name in given},
        distributions={name: about.free[name] for name in given},
        **more,
    )


def _encoded(value: Any) -> Any:
    """Optuna's choices are scalars, so a list of widths travels as its JSON."""
    return json.dumps(value) if isinstance(value, list) else value
