"""New rows of trials, and the columns that follow from parameters."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db.tables import Sweep
from app.domain.configuration import MLPConfig, with_defaults
from app.domain.datasets import DATASETS
from app.domain.space import Constraints, parse_constraints, parse_space


def add_trials(
    session: Session,
    sweep: Sweep,
    numbers: Sequence[int],
    cells: Sequence[Mapping[str, Any]] = (),
    reasons: Sequence[str | None] | None = None,
) -> None:
    """Inserts trials of these numbers in one statement: a grid may have 100,000 cells.

    The first ones have the parameters of `cells`, and are infeasible where those break a constraint, or for the
    `reasons` that are given; all others wait. What is infeasible costs nothing.
    """
    constraints = constraints_of(sweep)
    infeasible_reasons = reasons or [constraints.broken(cell) for cell in cells]
    sizes: list[dict[str, object]] = [
        trial_size(sweep, cell) | ({} if reason is None else {"cost": 0.0, "epochs_total": 0})
        for cell, reason in zip(cells, infeasible_reasons, strict=True)
    ]
    session.execute(
        _INSERT,
        {
            "sweep": sweep.id,
            "numbers": list(numbers),
            "params": [json.dumps(cell) for cell in cells],
            "reasons": infeasible_reasons,
            **{name: [size[name] for size in sizes] for name in ("cost", "epochs_total", "configuration")},
        },
    )


def constraints_of(sweep: Sweep) -> Constraints:
    """The sweep's constraints, which were checked when it was posted."""
    return parse_constraints(sweep.constraints, parse_space(sweep.space), DATASETS[sweep.dataset].shape)


def trial_size(sweep: Sweep, params: Mapping[str, Any]) -> dict[str, object]:
    """The columns of a trial that follow from its parameters."""
    config = MLPConfig.from_params(params)
    return {
        "cost": config.training_cost(*DATASETS[sweep.dataset].shape) * sweep.seeds,
        "epochs_total": config.epochs * sweep.seeds,
        "configuration": configuration(params),
    }


def configuration(params: Mapping[str, Any]) -> str:
    """A hash that is equal for equal configurations: 1 and 1.0 are, and the book's value and one left out."""
    all_params = with_defaults(params) | {"hidden_layers": params.get("hidden_layers")}
    comparable = {name: float(value) if type(value) is int else value for name, value in all_params.items()}
    return hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()[:32]


_INSERT = text("""
    INSERT INTO trials (sweep_id, number, params, cost, epochs_total, configuration, reason, state, finished_at)
    SELECT :sweep, number, CAST(params AS json), cost, epochs_total, configuration, reason,
           CAST(CASE WHEN reason IS NULL THEN 'waiting' ELSE 'infeasible' END AS trial_state),
           CASE WHEN reason IS NOT NULL THEN clock_timestamp() END
    FROM unnest(CAST(:numbers AS int[]), CAST(:params AS text[]), CAST(:cost AS float8[]),
                CAST(:epochs_total AS int[]), CAST(:configuration AS text[]), CAST(:reasons AS text[]))
         AS given(number, params, cost, epochs_total, configuration, reason)
""")
