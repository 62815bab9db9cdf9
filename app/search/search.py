"""Trial rows as an in-memory Optuna study: the only bridge to Optuna."""

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from app.domain.configuration import with_defaults
from app.domain.sampling import population_size, traits_of
from app.domain.space import Choice, Constraints, Range, Space
from app.search.history import truncate_history
from app.search.samplers import AskSeed, Observation, SamplerSpace, generation, sampler

optuna.logging.set_verbosity(optuna.logging.WARNING)

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # a diverged or poisonous configuration tells the sampler to stay away; Optuna ranks a pruned trial behind all
    # complete ones, while it ignores a failed one and would propose it again
    "failed": TrialState.PRUNED,
}
MOST_COPIES = 10  # a child that equals a parent or a sibling is drawn again so often


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the hyperparameters that vary, each behind those that its condition names."""
    free = space.free()
    return {name: _distribution(free[name]) for name in space.order if name in free}


def known(space: Space) -> SamplerSpace:
    """What samplers need to know of a space."""
    return SamplerSpace(distributions(space), frozenset(space.conditions))


class Search:
    """A sweep's sampler with all that it knows: asked for one configuration after another, it spreads them.

    `maximize` says of each objective whether more is better.
    """

    def __init__(
        self,
        space: Space,
        options: Mapping[str, Any],
        tried: Sequence[Observation] = (),
        *,
        maximize: Sequence[bool] = (True,),
        constraints: Constraints | None = None,
    ) -> None:
        self.space, self.options, self.constraints = space, options, constraints or Constraints()
        self._known = known(space)
        self._study = optuna.create_study(directions=["maximize" if more else "minimize" for more in maximize])
        self._worst, self._middle = _stand_ins([one.values for one in tried if one.state == "complete"], maximize)
        self._finished = 0
        self._sampler: optuna.samplers.BaseSampler | None = None
        self._seen = [dict(one.params) for one in tried] if options["name"] == "nsgaii" else []
        for one in truncate_history(tried, traits_of(options).max_history, maximize[0]):
            self.learn(one)

    def ask(self, turn: AskSeed) -> dict[str, Any]:
        """One new configuration, the constants included; from here on it counts as running."""
        params = self._asked(turn)
        while self.options["name"] == "nsgaii" and params in self._seen and turn.copies < MOST_COPIES:
            self._study.tell(len(self._study.get_trials(deepcopy=False)) - 1, state=TrialState.FAIL)
            turn = turn._replace(copies=turn.copies + 1)
            params = self._asked(turn)
        self._seen.append(params)
        return params

    def _asked(self, turn: AskSeed) -> dict[str, Any]:
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
        """Learns that the configuration that was asked for last is not trained."""
        self._study.tell(len(self._study.get_trials(deepcopy=False)) - 1, state=TrialState.FAIL)
        self.learn(Observation(-1, "infeasible", params))

    def learn(self, one: Observation) -> None:
        """Takes in a trial as it stands; of infeasible ones those that break a constraint."""
        violations = self.constraints.violations(one.params) if self.constraints.items else {}
        infeasible = one.state == "infeasible"
        state = TrialState.PRUNED if infeasible else (_STATES | {"waiting": TrialState.RUNNING}).get(one.state)
        if state is None or (infeasible and not any(gap > 0 for gap in violations.values())):
            return
        values = one.values if state == TrialState.COMPLETE else ()
        if traits_of(self.options).complete_only and state != TrialState.RUNNING:
            known_best = self._middle if infeasible and self.options["name"] != "cmaes" else self._worst
            values = one.values if len(one.values) == len(self._worst) else known_best
            state = TrialState.COMPLETE if values else state
        more: dict[str, Any] = {"constraints": violations} if violations else {}
        if state == TrialState.COMPLETE and (size := population_size(self.options)):
            more["system_attrs"] = generation(self._finished, size)
            self._finished += 1
        self._study.add_trial(_frozen(self._known, one.params, state=state, values=values or None, **more))


def _stand_ins(
    values: Sequence[tuple[float, ...]], maximize: Sequence[bool]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The worst and the mean values so far, for trials that have none; empty where there are none yet."""
    columns = list(zip(*values, strict=True))
    worst = tuple(min(column) if more else max(column) for column, more in zip(columns, maximize, strict=False))
    return worst, tuple(map(statistics.fmean, columns))


def _distribution(domain: Choice | Range) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution([encoded(value) for value in domain.values])
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.last), step=int(domain.step or 1), log=domain.log)
    return FloatDistribution(domain.low, domain.last, step=domain.step, log=domain.log)


def _suggested(trial: optuna.Trial, name: str, domain: Choice | Range) -> Any:
    if isinstance(domain, Choice):
        chosen = trial.suggest_categorical(name, [encoded(value) for value in domain.values])
        is_list = any(isinstance(value, list) for value in domain.values)
        return json.loads(str(chosen)) if is_list else chosen
    if domain.whole:
        step = int(domain.step or 1)
        return trial.suggest_int(name, int(domain.low), int(domain.last), step=step, log=domain.log)
    return trial.suggest_float(name, domain.low, domain.last, step=domain.step, log=domain.log)


def _frozen(about: SamplerSpace, params: Mapping[str, Any], **more: Any) -> FrozenTrial:
    """The trial of a study; a hyperparameter that the space got later has the book's value in it."""
    book: Mapping[str, Any] = with_defaults(params)
    given = [name for name in about.free if name in params or name not in about.conditional]
    return create_trial(
        params={name: encoded(params.get(name, book[name])) for name in given},
        distributions={name: about.free[name] for name in given},
        **more,
    )


def encoded(value: Any) -> Any:
    """Optuna's choices are scalars, so a list of widths travels as its JSON."""
    return json.dumps(value) if isinstance(value, list) else value
