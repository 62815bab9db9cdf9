"""The chart of when trials were trained: attempts in the lanes of their workers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.charts.progress.timeline import TimelineOptions, timeline_data, timeline_figure
from app.charts.rows import AttemptRow
from tests.support.sweeps.chart_examples import complete, diverged, pruned, sweep, waiting

START = datetime(2025, 1, 1, tzinfo=UTC)
TRIALS = [
    complete(0, {"depth": 1}, 0.5),
    pruned(1, {"depth": 2}, 0.5),
    diverged(2, {"depth": 3}, None),
    waiting(3, {"depth": 4}),
]


def attempt(trial: int, worker: str, start: float, end: float, state: str, reason: str = "") -> AttemptRow:
    begin, stop = (START + timedelta(seconds=seconds) for seconds in (start, end))
    return AttemptRow(trial, worker, begin, stop, state, reason)


ATTEMPTS = [
    attempt(0, "a", 2, 5, "complete"),
    attempt(1, "a", 3, 4, "pruned"),
    attempt(2, "b", 3, 9, "lost", "its worker was <lost>"),
    attempt(2, "a", 5, 65, "failed"),
]
BY_TRIAL = TimelineOptions("trial")


def test_attempts_lie_below_their_worker_side_by_side() -> None:
    """In seconds since the first one began; a lane is taken again once it is free, and each worker has its own."""
    data = timeline_data(sweep(), TRIALS, ATTEMPTS, TimelineOptions())
    assert [(bar.number, bar.state, bar.start, bar.end, bar.lane) for bar in data.bars] == [
        (0, "complete", 0.0, 3.0, 0),
        (1, "pruned", 1.0, 2.0, 1),
        (2, "came to nothing", 1.0, 7.0, 3),
        (2, "failed", 3.0, 63.0, 1),
    ]
    assert data.workers == {"a": 0.5, "b": 3}
    assert data.bars[2].text == (
        "trial 2, an attempt that came to nothing: its worker was &lt;lost&gt;, 6.0 s<br>b<br>depth 3"
    )
    assert "1 attempt came to nothing" in data.subtitle
    figure = timeline_figure(data)
    assert list(figure.layout.yaxis.ticktext) == ["a", "b"]


def test_trials_may_have_a_lane_each() -> None:
    """At their numbers, whoever trained them."""
    data = timeline_data(sweep(), TRIALS, ATTEMPTS, BY_TRIAL)
    assert [bar.lane for bar in data.bars] == [0, 1, 2, 2]
    assert data.workers == {}


def test_each_state_is_one_trace_with_gaps() -> None:
    """So that 1,000 trials are four traces and not joined to each other."""
    traces = {trace.name: trace for trace in timeline_figure(timeline_data(sweep(), TRIALS, ATTEMPTS, BY_TRIAL)).data}
    assert list(traces) == ["complete", "pruned", "failed", "came to nothing"]
    assert list(traces["failed"].x) == [3.0, 63.0, None]
    assert list(traces["failed"].y) == [2, 2, None]
    assert len(timeline_figure(timeline_data(sweep(), TRIALS, [], BY_TRIAL)).data) == 0


def test_a_last_attempt_that_was_lost_is_there_once() -> None:
    """A trial that failed by it would have it twice; what the lens leaves out has none."""
    attempts = [
        attempt(2, "b", 3, 9, "failed"),
        attempt(2, "b", 3, 9, "lost", "gone"),
        attempt(7, "b", 1, 2, "complete"),
    ]
    data = timeline_data(sweep(), TRIALS, attempts, TimelineOptions())
    assert [(bar.number, bar.state) for bar in data.bars] == [(2, "came to nothing")]


def test_legs_and_rungs_have_a_note() -> None:
    """When a trial came to the rung at which it ended is stored nowhere, nor when it trained before."""
    note = "1 trial that ended at a rung not drawn; of a trial trained in legs, its last one"
    assert note in timeline_data(replace(sweep(), waits_at_rungs=True), TRIALS, ATTEMPTS, TimelineOptions()).subtitle
    assert "legs" not in timeline_data(sweep(), TRIALS, ATTEMPTS, TimelineOptions()).subtitle
