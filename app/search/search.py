"""A sweep's search: it is told trials and asked for configurations, as one study of Optuna's in memory would be."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from app.domain.objectives import Objective
from app.domain.sampling import first_batch, population_size, traits_of
from app.domain.space import Constraints, Space
from app.search.history import MAX_HISTORY, Observation, truncate_history
from app.search.optuna_space import drawn_params, frozen_trial, sampler_params, sampler_space, suggest_params
from app.search.samplers import AskSeed, generation, next_sampler
from app.search.stand_ins import StandIns
from app.search.tpe.batch import ToldTrial, TPEBatch

optuna.logging.set_verbosity(optuna.logging.WARNING)

_OPTUNA_STATES = {
    "waiting": TrialState.RUNNING,
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    # a diverged or poisonous configuration tells the sampler to stay away; Optuna ranks a pruned trial without a value
    # behind all that have one, while it ignores a failed one and would propose it again
    "failed": TrialState.PRUNED,
    "infeasible": TrialState.PRUNED,
}
_ANY_OBJECTIVE = Objective("value")
MAX_COPIES = 10  # a child that equals a parent or a sibling is drawn again at most so often
_NO_TRIAL = -1  # the number of a configuration that no trial has


class _Told(NamedTuple):
    """A trial as the sampler is told of it."""

    params: Mapping[str, Any]
    state: TrialState
    values: tuple[float, ...]
    fields: Mapping[str, Any]
    """Further ones of Optuna's trials."""


class Search:
    """A sweep's sampler with all that it knows.

    Each configuration that was asked for counts as running, so the next ones differ.
    """

    def __init__(
        self,
        space: Space,
        options: Mapping[str, Any],
        observations: Sequence[Observation] = (),
        *,
        objectives: Sequence[Objective] = (_ANY_OBJECTIVE,),
        constraints: Constraints | None = None,
    ) -> None:
        self._space, self._options, self._constraints = space, options, constraints or Constraints()
        self._sampler_space, self._traits = sampler_space(space), traits_of(options)
        self._directions = [objective.direction for objective in objectives]
        observations = [trial for trial in observations if not trial.excluded]
        self._stand_ins = StandIns(observations, objectives)
        self._complete_count = 0
        self._sampler: BaseSampler | None = None
        self._earlier_params = [dict(trial.params) for trial in observations] if self._traits.breeds else []
        shown_trials = truncate_history(observations, MAX_HISTORY.get(options["name"]), objectives)
        told_trials = [told_trial for trial in shown_trials if (told_trial := self._told_trial(trial)) is not None]
        self._batch = self._make_batch(told_trials)  # None where the study is told and asked
        self._study = optuna.create_study(directions=self._directions)
        for told_trial in told_trials if self._batch is None else ():
            self._take_in(told_trial)

    def ask(self, ask_seed: AskSeed) -> dict[str, Any]:
        """One new configuration, the constants included; from here on it counts as running."""
        params = self._draw(ask_seed)
        if not self._traits.breeds:
            return params
        while params in self._earlier_params and ask_seed.copies < MAX_COPIES:
            self._discard_last()
            ask_seed = ask_seed._replace(copies=ask_seed.copies + 1)
            params = self._draw(ask_seed)
        self._earlier_params.append(params)
        return params

    def tell(self, observation: Observation) -> None:
        """Takes in a trial as it stands. Of infeasible ones it takes those that break a constraint."""
        told_trial = self._told_trial(observation)
        if told_trial is not None:
            self._take_in(told_trial)

    def refuse_last(self, params: Mapping[str, Any]) -> None:
        """Withdraws the last configuration; the sampler is told if it breaks a constraint."""
        self._discard_last()
        self.tell(Observation(_NO_TRIAL, "infeasible", params))

    def _told_trial(self, observation: Observation) -> _Told | None:
        violations = self._constraints.violations(observation.params) if self._constraints.items else {}
        if observation.state == "infeasible" and not any(violation > 0 for violation in violations.values()):
            return None
        state, values = self._outcome(observation)
        if state is None:
            return None
        fields: dict[str, Any] = {"constraints": violations} if violations else {}
        if state == TrialState.PRUNED and len(observation.values) == 1:
            fields["intermediate_values"] = {observation.epoch: observation.values[0]}
        if state == TrialState.COMPLETE and (size := population_size(self._options)):
            fields["system_attrs"] = generation(self._complete_count, size)
            self._complete_count += 1
        return _Told(observation.params, state, values, fields)

    def _make_batch(self, told_trials: Sequence[_Told]) -> TPEBatch | None:
        """What draws as Optuna's TPE does once that learns, in a fraction of its time; None where Optuna is asked."""
        space = self._sampler_space
        ended = sum(told_trial.state != TrialState.RUNNING for told_trial in told_trials)
        if self._options["name"] != "tpe" or len(self._directions) > 1 or ended < max(first_batch(self._options), 1):
            return None
        if not space.distributions or any(distribution.single() for distribution in space.distributions.values()):
            return None
        direction = StudyDirection[self._directions[0].upper()]
        options = {key: value for key, value in self._options.items() if key not in {"name", "n_startup_trials"}}
        trials = [self._batch_trial(told_trial) for told_trial in told_trials]
        batch = TPEBatch(space.distributions, direction, trials, in_groups=bool(space.conditional), **options)
        return batch if batch.knows_all else None

    def _batch_trial(self, told_trial: _Told) -> ToldTrial:
        params = sampler_params(self._sampler_space, told_trial.params)
        violations, values = told_trial.fields.get("constraints", {}), told_trial.fields.get("intermediate_values", {})
        return ToldTrial(
            params, told_trial.state, told_trial.values[0] if told_trial.values else None, violations, values
        )

    def _take_in(self, told_trial: _Told) -> None:
        if self._batch is not None:
            self._batch.tell(self._batch_trial(told_trial))
        else:
            fields = {"state": told_trial.state, "values": told_trial.values or None, **told_trial.fields}
            self._study.add_trial(frozen_trial(self._sampler_space, told_trial.params, **fields))

    def _draw(self, ask_seed: AskSeed) -> dict[str, Any]:
        if self._batch is not None:
            return drawn_params(self._batch.ask(ask_seed.seed), self._space)
        self._sampler = next_sampler(self._sampler, self._options, ask_seed, self._sampler_space)
        self._study.sampler = self._sampler
        return suggest_params(self._study.ask(), self._space)

    def _discard_last(self) -> None:
        if self._batch is not None:
            self._batch.discard_last()
        else:
            self._study.tell(len(self._study.get_trials(deepcopy=False)) - 1, state=TrialState.FAIL)

    def _outcome(self, observation: Observation) -> tuple[TrialState | None, tuple[float, ...]]:
        """The trial's state and values as its sampler can learn from them; None where it is not shown."""
        state = _OPTUNA_STATES.get(observation.state)
        if state is TrialState.COMPLETE:
            return state, observation.values
        if state is not TrialState.PRUNED or not self._traits.complete_only:
            return state, ()
        # A sampler that takes constraints is steered by the violations, so the value is neutral.
        judged_by_constraints = observation.state == "infeasible" and self._traits.takes_constraints
        values = self._stand_ins.mean if judged_by_constraints else self._stand_ins.behind_complete(observation)
        return (TrialState.COMPLETE if values else state), values
