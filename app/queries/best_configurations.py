"""The best configuration of sweeps, which headers, charts, tables and reports all ask for here."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app import schemas
from app.lifecycle import best

_FIELDS = ("number", "value", "expected", "std", "runs", "bound", "params", "test_accuracy")


def best_configurations(session: Session, sweep_ids: Sequence[int]) -> dict[int, schemas.Best]:
    """The best configuration of each of these sweeps that has one."""
    rows = session.execute(best.BEST, {"ids": list(sweep_ids)})
    return {
        row.sweep_id: schemas.Best(
            **{name: getattr(row, name) for name in _FIELDS},
            model=f"/api/v1/sweeps/{row.sweep_id}/trials/{row.number}/model" if row.has_model else None,
        )
        for row in rows
    }
