"""A trial as a row of the table: its value, what sets it apart, its curve, and what can be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import NamedTuple

from app import schemas
from app.charts.titles import MEASURES
from app.domain import transitions
from app.domain.configuration import DEFAULTS
from app.domain.formatting import plural, score
from app.domain.states import RunState, TrialState
from app.web.pages.labels import TRIAL_BUTTONS, Button, circumstances_sentence, sentence

_PARTS = (("validation", "val"), ("training", "train"))
CALLS = ("retry", "cancel", "exclude", "include", "rerun")


class Pooled(NamedTuple):
    """The result of a configuration that has several trials."""

    value: float | None
    std: float | None
    runs: int
    trials: int
    is_cut: bool = False
    """Whether it may have more trials than these, of which the page does not know."""


class Setting(NamedTuple):
    """A hyperparameter's value in a row."""

    name: str
    text: str


@dataclass(frozen=True)
class TrialRow:
    """A trial, as the table and its panel show it."""

    trial: schemas.TrialOut
    settings: Sequence[Setting]
    """Of each hyperparameter that varies."""
    is_best: bool
    pooled: Pooled | None = None
    """Of its configuration, where it is the first of several trials."""
    is_member: bool = False
    """Whether it stands below the first trial of its configuration."""
    metric: str = "val_accuracy"
    """What its value is."""
    curve: str = ""
    """The points of its curve, small."""

    @property
    def style(self) -> str:
        """The class of its element."""
        styles = {
            "best-row": self.is_best,
            "excluded-row": self.trial.excluded,
            "member-row": self.is_member,
        }
        return " ".join(name for name, holds in styles.items() if holds)

    @property
    def value(self) -> str:
        """Its value, or that of its configuration where it is the first of several trials."""
        result = self.pooled or self.trial
        return score(result.value, result.std, self.metric)

    @property
    def value_remark(self) -> str:
        """What the value is of, where it is not of this trial alone."""
        if self.pooled is None:
            return ""
        trials = plural(self.pooled.trials, "trial")
        return f"its first {trials}" if self.pooled.is_cut else f"{plural(self.pooled.runs, 'run')} in {trials}"

    @property
    def own_value(self) -> str:
        """The value of this trial alone, where the row shows another one."""
        return f"This trial alone: {score(self.trial.value, self.trial.std, self.metric)}." if self.pooled else ""

    @property
    def remark(self) -> str:
        """What sets it apart from those that the sampler chose, or why it waits although it has begun."""
        if self.trial.excluded:
            return "excluded"
        if self.trial.rung is not None:
            return f"at rung {self.trial.rung} with {score(self.trial.rung_means[-1], metric=self.metric)}"
        if self.trial.rung_means and self.trial.state == TrialState.waiting:
            return f"promoted from rung {len(self.trial.rung_means) - 1}"
        if self.trial.continued_from is not None:
            return f"trial {self.trial.continued_from} on to {(self.trial.params or {})['epochs']} epochs"
        if self.trial.is_survivor:
            return "survivor"
        if self.trial.first_seed:
            return "rerun"
        if self.trial.warm_started_from is not None:
            return f"from sweep {self.trial.warm_started_from}"
        return "manual" if self.trial.enqueued else ""

    @property
    def reason(self) -> str:
        """Why it failed, was pruned, or was not trained."""
        return sentence(self.trial.error or self.trial.reason or "")

    @property
    def last_epoch(self) -> str:
        """The metrics after the last epoch, as a sentence; nothing for a trial without a value."""
        if self.trial.value is None or self.trial.metrics.val_loss is None:
            return ""
        parts = [f"{word} {text}" for word, part in _PARTS if (text := self._figures(part))]
        return f"After the last epoch: {'; '.join(parts)}."

    def _figures(self, part: str) -> str:
        """`accuracy 0.8893, loss 0.3091`: those that there are of `val` or `train`."""
        values = {name: getattr(self.trial.metrics, f"{part}_{name}") for name in MEASURES}
        texts = {name: score(value, metric=f"{part}_{name}") for name, value in values.items() if value is not None}
        return ", ".join(f"{MEASURES[name]} {text}" for name, text in texts.items())

    @property
    def circumstances(self) -> str:
        """What a timing was measured under, as a sentence; nothing for a training."""
        return circumstances_sentence(self.trial.circumstances) if self.trial.circumstances else ""

    @property
    def min_epochs(self) -> int:
        """The fewest epochs to which it can be trained on; 0 where it can't be."""
        params = self.trial.params or {}
        is_training = self.trial.state == TrialState.complete and self.trial.circumstances is None
        can_go_on = is_training and params.get("lr_schedule") != "cosine"
        return int(params.get("epochs", DEFAULTS["epochs"])) + 1 if can_go_on else 0

    @property
    def calls(self) -> list[str]:
        """What can be done with it in its state."""
        return allowed_calls(
            self.trial.state,
            excluded=self.trial.excluded,
            diverged=any(run.state == RunState.diverged for run in self.trial.runs),
        )

    @property
    def can_rerun(self) -> bool:
        """Whether its configuration can be trained with further seeds."""
        return "rerun" in self.calls

    @property
    def buttons(self) -> list[Button]:
        """The buttons of what can be done without saying how."""
        return [TRIAL_BUTTONS[call] for call in self.calls if call in TRIAL_BUTTONS]


def allowed_calls(state: TrialState, *, excluded: bool, diverged: bool) -> list[str]:
    """What can be done with a trial; one that diverged would do so again with the same seeds."""
    calls = ["include" if excluded else "exclude"]
    calls += [] if diverged else transitions.TRIALS.allowed(state, ("retry", "cancel"))
    return [*calls, "rerun"] if state == TrialState.complete else calls


def pooled(trials: Sequence[schemas.TrialOut]) -> Pooled:
    """Mean and sample standard deviation over all runs, each once; none where one diverged."""
    counted = [trial for trial in trials if not trial.excluded and trial.state in {"complete", "failed"}]
    runs = {run.seed: run.value for trial in counted for run in trial.runs}
    values = [value for value in runs.values() if value is not None]
    if not values or len(values) < len(runs):
        return Pooled(None, None, len(runs), len(counted))
    return Pooled(fmean(values), stdev(values) if len(values) > 1 else None, len(values), len(counted))
