"""`perceptune predict`: what a trained model says about images or rows."""

import json
import sys
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from app.config import load_settings
from app.errors import InvalidError, PerceptuneError
from app.files.model_file import ModelFileError, ModelInfo
from worker.predict.model_source import read_model

command = typer.Typer(pretty_exceptions_enable=False, add_completion=False)

MODEL = (
    "A model file, its address on a server, or SWEEP, SWEEP/TRIAL or SWEEP/TRIAL/RUN of the service on this machine."
)
INPUTS = "Images, CSV or .npy files; - reads CSV from standard input, one example a line."


class Guess(NamedTuple):
    """One class and how probable it is."""

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
    """Says what a trained model sees in images or rows: the class, and how probable it is.

    Images become grey squares of the size that the network was trained on, 0 black and 1 white; those of Fashion-MNIST
    and digits are light on dark, so --invert photographs on a light ground. Rows hold one number a pixel, from 0 to 1.
    """
    from worker.predict.inputs import read_inputs
    from worker.predict.network import Network  # late: torch takes seconds

    try:
        network = Network(read_model(model, load_settings()))
    except ModelFileError as error:
        raise InvalidError(f"{model} can't be used as a model: {error}.") from None
    _note(network.info)
    for path in inputs:
        names, x = read_inputs(path, network.info.features, scale=scale, invert=invert)
        guesses = [_best(row, network.info.classes, top) for row in network.probabilities(x)]
        shown = _as_json(names, guesses) if as_json else _as_text(names, guesses, network.info)
        sys.stdout.writelines(f"{line}\n" for line in shown)
        sys.stdout.flush()


def _best(probabilities: NDArray[np.float64], classes: list[str], top: int) -> list[Guess]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [Guess(classes[index], int(index), float(probabilities[index])) for index in order]


def _as_json(names: list[str], guesses: list[list[Guess]]) -> Iterator[str]:
    for name, found in zip(names, guesses, strict=True):
        said = [{"class": one.label, "index": one.number, "probability": one.probability} for one in found]
        yield json.dumps({"input": name, "predictions": said})


def _as_text(names: list[str], guesses: list[list[Guess]], info: ModelInfo) -> Iterator[str]:
    """Columns: the input, then class and probability."""
    wide, label = max(map(len, names)), max(map(len, info.classes))
    for name, found in zip(names, guesses, strict=True):
        yield f"{name:{wide}}  " + "  ".join(f"{one.label:{label}} {one.probability:.3f}" for one in found)


def _note(info: ModelInfo) -> None:
    if abs(info.value - info.recorded_value) > 1e-6:
        said = f"trained again, this network has {info.metric} {info.value:.6g}, where {info.recorded_value:.6g}"
        print(f"perceptune: {said} was recorded", file=sys.stderr)


def main() -> None:
    """Errors that are meant for the user are one sentence and exit code 1."""
    try:
        command(prog_name="perceptune predict")
    except PerceptuneError as error:
        print(f"perceptune: {error.detail}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "safetensors", "PIL"}:
            raise
        print(f"perceptune: {error.name} is missing: pip install 'perceptune[worker]'", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
