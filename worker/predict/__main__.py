"""The program behind `perceptune predict`: what a trained model says of images or rows: classes, or a number."""

import json
import sys
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from app.config import load_settings
from app.domain.formatting import in_units
from app.errors import InvalidError, exit_on_error
from app.files.model_file import ModelFileError, ModelInfo
from app.logs import printable
from worker.predict.model_source import read_model

command = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

MODEL = (
    "A model file, its address on a server, or SWEEP, SWEEP/TRIAL or SWEEP/TRIAL/RUN of the service on this machine."
)
INPUTS = "Images, CSV or .npy files; - reads CSV from standard input, one example a line."


class Guess(NamedTuple):
    """A class and how probable it is."""

    label: str
    number: int
    probability: float


@command.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=MODEL)],
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help=INPUTS)],
    top: Annotated[int, typer.Option(min=1, help="Classes to name, the most probable first.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    scale: Annotated[float, typer.Option(min=1, help="Rows are divided by this, e.g. 255.")] = 1,
    invert: Annotated[bool, typer.Option("--invert", help="Images: dark on light becomes light on dark.")] = False,
) -> None:
    """Says what a trained model sees in images or rows: the class, and how probable it is, or the number with its unit.

    Images become grey squares of the size that the network was trained on, 0 black and 1 white; those of Fashion-MNIST
    and digits are light on dark, so --invert photographs on a light ground. Rows hold one number a pixel, from 0 to 1.
    A model of a table that you stored takes its rows as they are, from a CSV with the table's heading, or in its order.
    A model that gives numbers takes rows in the units that its data are published in, and --top means nothing to it.
    """
    from worker.predict.inputs import read_inputs
    from worker.predict.network import Network  # late: torch takes seconds
    from worker.predict.table_rows import read_table_rows

    try:
        network = Network(read_model(model, load_settings()))
    except ModelFileError as error:
        raise InvalidError(f"{model} can't be used as a model: {error}.") from None
    _note_difference(network.info)
    for path in inputs:
        if network.info.encoding is not None:
            names, x = read_table_rows(path, network.info.encoding)
        else:
            are_pixels = bool(network.info.classes)
            names, x = read_inputs(path, network.info.features, scale=scale, invert=invert, are_pixels=are_pixels)
        if not network.info.classes:
            lines = _numbers(names, network.numbers(x), network.info, as_json)
        else:
            guesses = [_most_probable(row, network.info.classes, top) for row in network.probabilities(x)]
            lines = _as_json(names, guesses) if as_json else _as_text(names, guesses, network.info)
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()


def _most_probable(probabilities: NDArray[np.float64], classes: list[str], top: int) -> list[Guess]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Guess(classes[index], int(index), float(probabilities[index])) for index in order]


def _as_json(names: list[str], guesses: list[list[Guess]]) -> Iterator[str]:
    for name, input_guesses in zip(names, guesses, strict=True):
        predictions = [
            {"class": guess.label, "index": guess.number, "probability": guess.probability} for guess in input_guesses
        ]
        yield json.dumps({"input": name, "predictions": predictions})


def _as_text(names: list[str], guesses: list[list[Guess]], info: ModelInfo) -> Iterator[str]:
    """Columns: the input, then class and probability."""
    names = [printable(name) for name in names]
    name_width, label_width = max(map(len, names)), max(len(printable(label)) for label in info.classes)
    for name, input_guesses in zip(names, guesses, strict=True):
        cells = (f"{printable(guess.label):{label_width}} {guess.probability:.3f}" for guess in input_guesses)
        yield f"{name:{name_width}}  " + "  ".join(cells)


def _numbers(names: list[str], numbers: NDArray[np.float64], info: ModelInfo, as_json: bool) -> Iterator[str]:
    """A line for each number, with its unit. Raises InvalidError where the network gives none."""
    if not np.isfinite(numbers).all():
        raise InvalidError(f"{names[int((~np.isfinite(numbers)).argmax())]}: the network gives no finite number.")
    names = names if as_json else [printable(name) for name in names]
    width = max(map(len, names))
    for name, number in zip(names, numbers.tolist(), strict=True):
        if as_json:
            yield json.dumps({"input": name, "number": number, "quantity": info.quantity, "unit": info.unit})
        else:
            yield f"{name:{width}}  {in_units(number, printable(info.unit))}"


def _note_difference(info: ModelInfo) -> None:
    """Says on standard error where a network that was trained again has another value than the first one."""
    if abs(info.value - info.recorded_value) > 1e-6:
        values = f"{printable(info.metric)} {info.value:.6g}, where {info.recorded_value:.6g} was recorded"
        print(f"perceptune: trained again, this network has {values}", file=sys.stderr)


def main() -> None:
    """Errors that are meant for the user are one sentence and exit code 1."""
    with exit_on_error({"torch", "safetensors", "PIL"}):
        command(prog_name="perceptune predict")


if __name__ == "__main__":
    main()
