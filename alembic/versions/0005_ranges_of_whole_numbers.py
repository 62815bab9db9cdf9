"""Ranges of whole numbers where a hyperparameter takes reals say so: from now on whole bounds alone mean reals"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Hyperparameters that take reals.
REALS = (
    *("learning_rate", "init_std", "init_range", "init_gain", "init_slope", "momentum", "weight_decay", "dropout"),
    *("warmup_epochs", "lr_gamma", "label_smoothing"),
)


def upgrade() -> None:
    """A range between whole numbers without a step gets the step 1, by which it has the values that it had."""

    def with_step(domain: dict[str, Any]) -> dict[str, Any]:
        bounds = (domain.get("low"), domain.get("high"))
        was_whole = domain.get("step") is None and all(type(bound) is int for bound in bounds)
        return domain | {"step": 1} if was_whole else domain

    change_ranges(with_step)


def downgrade() -> None:
    """Without its step a range is whole again; on a log scale a step was not allowed."""

    def without_step(domain: dict[str, Any]) -> dict[str, Any]:
        was_whole = all(type(domain.get(key)) is int for key in ("low", "high", "step")) and domain["step"] == 1
        return {key: value for key, value in domain.items() if key != "step"} if was_whole else domain

    change_ranges(without_step)


def change_ranges(change: Any) -> None:
    """Rewrites the spaces whose ranges of reals are changed, in the order in which they were posted."""
    connection = op.get_bind()
    for sweep_id, space in connection.execute(sa.text("SELECT id, CAST(space AS text) FROM sweeps")).all():
        before = json.loads(space)
        after = {
            name: change(domain) if name in REALS and isinstance(domain, dict) else domain
            for name, domain in before.items()
        }
        if after != before:
            connection.execute(
                sa.text("UPDATE sweeps SET space = CAST(:space AS json) WHERE id = :id"),
                {"space": json.dumps(after), "id": sweep_id},
            )
