"""Teams: groups whose steps are taken side by side, one of each in a launch; each epoch ends for all at once."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from time import perf_counter

from app.domain.runs import EpochResult, Run
from worker.device.cuda_graph import BRANCHES, Recorder
from worker.device.rounds import rounds, together
from worker.mlp.groups.run_group import RunGroup

IDLE_SHARE = 0.25  # of a team's units may belong to runs that have left


class Team:
    """Some groups of a cohort: where steps are recorded, up to as many as a graph may have branches, else a single one.

    Groups share the data set, which nobody writes to, and nothing else: not even a generator of random numbers, for
    masks are a function of seed, epoch and step. So it makes no difference which of them is first.

    Where steps are recorded, runs that have left go on until a quarter of the team's units is theirs: to put networks
    together anew, and to record their steps, costs as much as many steps.
    """

    def __init__(self, groups: Sequence[RunGroup], recorder: Recorder | None) -> None:
        self.groups, self._recorder = list(groups), recorder
        self._form_rounds()

    @property
    def runs(self) -> list[Run]:
        """Those that train."""
        return [run for group in self.groups for run in group.runs]

    def _form_rounds(self) -> None:
        self._rounds = rounds([group.steps for group in self.groups], self._recorder)
        self._validation = together([group.validation for group in self.groups], self._recorder)

    def epoch(self, epoch: int) -> list[EpochResult]:
        """Trains every run for one epoch and validates it."""
        start = perf_counter()
        self._take_rounds(epoch)
        self._validation()
        scores = [group.scores() for group in self.groups]
        seconds = perf_counter() - start  # the scores have made the host wait for the device
        share = seconds / sum(count for group in self.groups for count in group.parameter_counts)
        pairs = zip(self.groups, scores, strict=True)
        return [result for group, own_scores in pairs for result in group.results(epoch, own_scores, share)]

    def _take_rounds(self, epoch: int) -> None:
        # by group: the round in which it begins, and what is called before each step
        preparations = [(len(self._rounds) - len(group.steps), group.begin_epoch(epoch)) for group in self.groups]
        for number, take in enumerate(self._rounds):
            for first, prepare in preparations:
                if number >= first:
                    prepare(number - first)
            take()

    def leave(self, keys: Collection[Hashable]) -> bool:
        """Goes on without these runs, sooner or later in less memory; False when no run stays."""
        # no loop, whose variable would hold the memory of a group that is gone
        idle_units, units = sum(group.leave(keys) for group in self.groups), sum(group.units for group in self.groups)
        if idle_units >= IDLE_SHARE * units if self._recorder else idle_units > 0:
            self._renew()
        return bool(self.runs)

    def _renew(self) -> None:
        del self._rounds, self._validation  # graphs first: they know the memory of networks that go
        self.groups = [group for group in self.groups if group.runs]
        for group in self.groups:
            group.renew()
        if self.groups:
            self._form_rounds()


def teams(groups: Sequence[RunGroup], recorder: Recorder | None) -> Iterator[Team]:
    """The groups in teams. Those of about as many steps are in one, so that they are side by side to the end."""
    size = BRANCHES if recorder else 1
    if recorder:
        groups = sorted(groups, key=lambda group: len(group.steps))
    for first in range(0, len(groups), size):
        yield Team(groups[first : first + size], recorder)
