"""Predictions: what a trial's network sees in rows of numbers."""

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
    features, classes = network.info.features, network.info.classes
    errors = [
        FieldError(("rows", place), f"has {len(row):,} numbers, and the network takes {features}")
        for place, row in enumerate(body.rows)
        if len(row) != features
    ]
    if errors:
        raise InvalidError("Some rows can't be used.", errors)
    probabilities = network.probabilities(np.array(body.rows, dtype=np.float32))
    return schemas.PredictionOut(
        run=network.info.run,
        classes=classes,
        predictions=[
            schemas.Prediction(label=classes[int(row.argmax())], probabilities=row.tolist()) for row in probabilities
        ],
    )
