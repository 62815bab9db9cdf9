"""Pruning: which trials of a sweep are stopped early, and the numbers that decided it.

Each rule is Optuna's of the same name, on the mean over a trial's seeds, and tests hold it to Optuna's own decision.
They are written here because a cohort's trials reach an epoch at the same moment while Optuna judges one after the
other, and because a rule needs nothing but the learning curves: workers that know the same rows decide the same, and
no state has to be stored. See docs/adr/0007-pruning-by-curves.md.
"""
