"""Predictions: what a trial's network sees in rows of numbers: classes, or a number."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app import schemas
from app.errors import ConflictError, FieldError, InvalidError
from app.files import trained_models
from app.files.model_file import ModelFileError, ModelInfo
from app.files.network import MAX_NUMBER, Network


def predict(session: Session, sweep_id: int, number: int, body: schemas.PredictionRequest) -> schemas.PredictionOut:
    """The probabilities of classes, or the numbers, by one of a trial's runs, its best one where none is named.

    Raises NotFoundError, ConflictError where there is no model, and InvalidError for rows that it does not take.
    """
    try:
        network = Network(b"".join(trained_models.find(session, sweep_id, number, body.run).pieces(session)))
    except ModelFileError as error:
        raise ConflictError(f"The model of trial {number} can't be read: {error}.") from None
    info = network.info
    rows = _checked_rows(body.rows, info) if info.encoding is None else info.encoding.encode(body.rows)
    x = np.array(rows, dtype=np.float32)
    return schemas.PredictionOut(
        run=info.run,
        classes=info.classes,
        quantity=info.quantity,
        unit=info.unit,
        predictions=_classes(network, x) if info.classes else _numbers(network, x),
    )


def _checked_rows(rows: Sequence[Any], info: ModelInfo) -> Sequence[Sequence[float]]:
    """Rows of numbers. Raises InvalidError for what the network does not take."""
    if errors := [error for place, row in enumerate(rows) for error in _row_errors(("rows", place), row, info)]:
        raise InvalidError("Some rows can't be used.", errors)
    return rows


def _row_errors(loc: tuple[str | int, ...], row: Any, info: ModelInfo) -> Iterator[FieldError]:
    """What is wrong with a row: those of pictures have numbers from 0 to 1, the others numbers of any size."""
    is_right, expected = (_is_pixel, "a number from 0 to 1") if info.classes else (_is_number, "a number")
    if not isinstance(row, list):
        yield FieldError(loc, f"must be a list of {info.features} numbers")
    elif len(row) != info.features:
        yield FieldError(loc, f"has {len(row):,} numbers, and the network takes {info.features}")
    elif wrong_places := [place for place, value in enumerate(row) if not is_right(value)]:
        yield FieldError((*loc, wrong_places[0]), f"must be {expected}, not {str(row[wrong_places[0]])[:40]}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_pixel(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _classes(network: Network, rows: NDArray[np.float32]) -> list[schemas.Prediction]:
    names = network.info.classes
    return [
        schemas.Prediction(label=names[int(row.argmax())], probabilities=row.tolist(), number=None)
        for row in network.probabilities(rows)
    ]


def _numbers(network: Network, rows: NDArray[np.float32]) -> list[schemas.Prediction]:
    numbers = network.numbers(rows).tolist()
    return [schemas.Prediction(label=None, probabilities=[], number=number) for number in numbers]
