"""The setups of sweeps, as their rows have them."""

from dataclasses import fields

from app.db.tables import Sweep
from app.domain.sweep_setup import SweepSetup

_FIELDS = [field.name for field in fields(SweepSetup)]


def setup_of(sweep: Sweep) -> SweepSetup:
    """What the sweep's workers know of it, as its row stands."""
    return SweepSetup(**{name: getattr(sweep, name) for name in _FIELDS})
