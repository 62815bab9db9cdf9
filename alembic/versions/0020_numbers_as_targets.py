"""Numbers as targets: the figures of a regression by epoch, and by run on the test examples"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_EPOCH_COLUMNS = ("train_r2", "train_mae", "val_r2", "val_mae")
_RUN_COLUMNS = ("test_r2", "test_mae")
_OF_CLASSES: dict[str, sa.types.TypeEngine[Any]] = {
    "predicted_classes": sa.BigInteger(),
    "top_class_share": sa.Float(),
}


def upgrade() -> None:
    for name in _EPOCH_COLUMNS:
        op.add_column("epochs", sa.Column(name, sa.Float(53)))
    for name in _RUN_COLUMNS:
        op.add_column("runs", sa.Column(name, sa.Float(53)))
    for name, kind in _OF_CLASSES.items():
        op.alter_column("diagnostics", name, existing_type=kind, nullable=True)


def downgrade() -> None:
    for name, kind in _OF_CLASSES.items():
        op.execute(f"DELETE FROM diagnostics WHERE {name} IS NULL")
        op.alter_column("diagnostics", name, existing_type=kind, nullable=False)
    for name in reversed(_RUN_COLUMNS):
        op.drop_column("runs", name)
    for name in reversed(_EPOCH_COLUMNS):
        op.drop_column("epochs", name)
