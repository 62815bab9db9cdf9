"""Predictions: what a trial's network sees in rows of numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app import schemas
from app.errors import ConflictError, FieldError, InvalidError
from app.files import trained_models
from app.files.model_file import ModelFileError
from app.files.network import Network


def predict(session: Session, sweep_id: int, number: int, body: schemas.PredictionRequest) -> schemas.PredictionOut:
    """The probabilities of classes by the model of one of a trial's runs, its best one where none is named.

    Raises NotFoundError, ConflictError where there is no model, and InvalidError for rows that it does not take.
    """
    try:
        network = Network(trained_models.download(session, sweep_id, number, body.run).content)
    except ModelFileError as error:
        raise ConflictError(f"The model of trial {number} can't be read: {error}.") from None
    classes, encoding = network.info.classes, network.info.encoding
    rows = _checked_rows(body.rows, network.info.features) if encoding is None else encoding.encode(body.rows)
    probabilities = network.probabilities(np.array(rows, dtype=np.float32))
    return schemas.PredictionOut(
        run=network.info.run,
        classes=classes,
        predictions=[
            schemas.Prediction(label=classes[int(row.argmax())], probabilities=row.tolist()) for row in probabilities
        ],
    )


def _checked_rows(rows: Sequence[Any], features: int) -> Sequence[Sequence[float]]:
    """Rows of pixels. Raises InvalidError for what the network does not take."""
    if errors := [error for place, row in enumerate(rows) for error in _row_errors(("rows", place), row, features)]:
        raise InvalidError("Some rows can't be used.", errors)
    return rows


def _row_errors(loc: tuple[str | int, ...], row: Any, features: int) -> Iterator[FieldError]:
    if not isinstance(row, list):
        yield FieldError(loc, f"must be a list of {features} numbers")
    elif len(row) != features:
        yield FieldError(loc, f"has {len(row):,} numbers, and the network takes {features}")
    elif wrong_places := [place for place, pixel in enumerate(row) if not _is_pixel(pixel)]:
        yield FieldError((*loc, wrong_places[0]), f"must be a number from 0 to 1, not {str(row[wrong_places[0]])[:40]}")


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
