from datetime import UTC, datetime, timedelta

from app.charts.progress.timeline import timeline_data, timeline_figure
from app.charts.rows import TrialRow
from tests.support.chart_examples import complete, diverged, pruned, sweep, waiting

START = datetime(2025, 1, 1, tzinfo=UTC)


def ran(trial: TrialRow, start: float, end: float) -> TrialRow:
    return trial._replace(started_at=START + timedelta(seconds=start), finished_at=START + timedelta(seconds=end))


TRIALS = [
    ran(complete(0, {"depth": 1}, 0.5), 2, 5),
    ran(pruned(1, {"depth": 2}, 0.5), 3, 4),
    ran(diverged(2, {"depth": 3}, None), 5, 65),
    waiting(3, {"depth": 4}),
]


def test_trials_lie_between_their_start_and_their_end() -> None:
    """In seconds since the first one began; what has not ended is not there."""
    data = timeline_data(sweep(), TRIALS)
    assert [(bar.number, bar.state, bar.start, bar.end) for bar in data.bars] == [
        (0, "complete", 0.0, 3.0),
        (1, "pruned", 1.0, 2.0),
        (2, "failed", 3.0, 63.0),
    ]
    assert data.bars[2].text == "trial 2, failed, 1 min<br>depth 3"


def test_each_state_is_one_trace_with_gaps() -> None:
    """So that 1,000 trials are four traces and not joined to each other."""
    traces = {trace.name: trace for trace in timeline_figure(timeline_data(sweep(), TRIALS)).data}
    assert list(traces) == ["complete", "pruned", "failed"]
    assert list(traces["failed"].x) == [3.0, 63.0, None]
    assert list(traces["failed"].y) == [2, 2, None]
    assert len(timeline_figure(timeline_data(sweep(), TRIALS[3:])).data) == 0
