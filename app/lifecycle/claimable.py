"""Which waiting trials a worker may claim, as conditions of SQL."""

# Where results are reused, a trial waits for one in training that has its configuration.
_TWIN_TRAINS = """t.first_seed = 0 AND EXISTS (
    SELECT FROM trials o WHERE o.sweep_id = t.sweep_id AND o.configuration = t.configuration AND o.id <> t.id
      AND (o.state = 'running' OR (o.state = 'waiting' AND (o.epochs_trained > 0 OR o.rung_means <> '{}')))
)"""

# Whether trial `t` of sweep `s` can be claimed: it does not wait at a rung, nor for a twin.
IS_CLAIMABLE = f"t.state = 'waiting' AND t.rung IS NULL AND NOT (s.repeats = 'reuse' AND {_TWIN_TRAINS})"
