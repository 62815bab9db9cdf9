"""The best configuration of sweeps, which headers, charts, tables and reports all ask for here."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import schemas
from app.db.tables import Sweep
from app.lifecycle import best


def best_configurations(session: Session, sweep_ids: Sequence[int]) -> dict[int, schemas.Best]:
    """The best configuration of each of these sweeps that has one."""
    rows = session.execute(best.BEST, {"ids": list(sweep_ids)}).all()
    looks = select(Sweep.id, func.jsonb_array_length(Sweep.test_scores).label("looks")).where(Sweep.id.in_(sweep_ids))
    look_counts = {row.id: row.looks for row in session.execute(looks)}
    return {
        row.sweep_id: schemas.Best(
            **{name: value for name, value in row._mapping.items() if name in schemas.Best.model_fields},
            test_looks=look_counts.get(row.sweep_id, 0),
            model=f"/api/v1/sweeps/{row.sweep_id}/trials/{row.number}/model" if row.has_model else None,
        )
        for row in rows
    }
