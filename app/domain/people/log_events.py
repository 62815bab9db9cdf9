"""The kinds of entries in a sweep's log: what people do, and what happens by itself."""

import enum


class LogEvent(enum.StrEnum):
    """What an entry of the log tells of."""

    created = "created"
    imported = "imported"
    changed = "changed"
    state = "state"
    """Paused, resumed, stopped or cancelled."""
    trials = "trials"
    """Trials were queued, retried, cancelled, excluded, included or noted on."""
    model = "model"
    """A trial's model is to be kept."""
    share = "share"
    """A link to it was made or ended."""
    stop_rule = "stop_rule"
    ended = "ended"
    scored = "scored"
    """Its best trial was measured on the test examples."""
    lost_worker = "lost_worker"
    failed_attempt = "failed_attempt"


BY_ITSELF = {
    LogEvent.stop_rule,
    LogEvent.ended,
    LogEvent.scored,
    LogEvent.lost_worker,
    LogEvent.failed_attempt,
}
