"""`perceptune predict` as a process: what it says of images and rows, and of what it can't use."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from typer.testing import CliRunner, Result

from app.config import Settings
from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from app.errors import InvalidError
from app.files.model_file import ModelFileError, ModelInfo, read_info, with_info
from app.files.network import Network as NumpyNetwork
from app.service.up import Service
from tests.support.paths import ROOT
from tests.support.up_process import COMMAND, environment
from tests.support.waiting import wait_until
from worker.data.datasets import load
from worker.mlp.activations import ACTIVATIONS
from worker.mlp.initializers import Layer, initial_parameters
from worker.mlp.reference.concise import MLPConcise
from worker.mlp.weights import to_bytes
from worker.predict.__main__ import command
from worker.predict.inputs import read_inputs
from worker.predict.model_source import read_model
from worker.predict.network import Network

CLASSES = ["top left", "top right", "bottom left", "bottom right"]


def predict(*arguments: object, stdin: str = "", **variables: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, "predict", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def predict_here(*arguments: object, stdin: str = "", port: int | None = None) -> Result:
    """The same without a process of its own, which would import torch for each call."""
    variables = None if port is None else {"PERCEPTUNE_PORT": str(port)}
    return CliRunner().invoke(command, list(map(str, arguments)), input=stdin, env=variables)


def refused(*arguments: object, stdin: str = "", **variables: object) -> str:
    """The sentence with which it ends; there is nothing else."""
    process = predict(*arguments, stdin=stdin, **variables)
    assert (process.returncode, process.stdout) == (1, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith("perceptune: ")
    assert line.endswith(".")
    return line.removeprefix("perceptune: ")


def model_file(folder: Path, value: float = 0.9, **changes: object) -> Path:
    """A network of four pixels that sees which one is the brightest."""
    texts = {"dataset": "digits", "split": "holdout", "sweep_name": "s", "params": {}, "metric": "val_accuracy"}
    numbers = {"sweep": 1, "trial": 0, "run": 0, "sweep_seed": 0, "value": 0.9, "recorded_value": 0.9}
    shape = {"features": 4, "classes": CLASSES, "hidden_layers": [], "activation": "relu"}
    info = ModelInfo.model_validate({"perceptune_version": "1", **texts, **numbers, **shape} | changes)
    file = folder / "model.safetensors"
    file.write_bytes(with_info(to_bytes([Layer(20 * torch.eye(4), torch.zeros(4))], value), info))
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_file(tmp_path)


def test_numbers_are_told_with_their_unit(tmp_path: Path) -> None:
    """Rows of any size, as text and as JSON; pictures and what is not finite are refused."""
    model = model_file(tmp_path, classes=[], quantity="length", unit="m", metric="val_r2")
    summing = [Layer(torch.ones(1, 4), torch.zeros(1))]
    model.write_bytes(with_info(to_bytes(summing, 0.9), read_info(model.read_bytes())))
    text = predict_here(model, "-", stdin="a,b,c,d\n1,20,300,-1000\n0.5,0,0,0\n").stdout
    assert text == "stdin:1  -679.0 m\nstdin:2  0.5000 m\n"
    answer = json.loads(predict_here(model, "-", "--json", stdin="1,2,3,4\n").stdout)
    assert answer == {"input": "stdin:1", "number": 10.0, "quantity": "length", "unit": "m"}
    assert "a number is not finite" in str(predict_here(model, "-", stdin="1,2,3,nan\n").exception)
    drawn = picture(tmp_path / "a.png", [[0, 0], [0, 255]])
    assert "is neither a .csv nor a .npy file" in str(predict_here(model, drawn).exception)


def picture(path: Path, pixels: Sequence[Sequence[int]], mode: str = "L") -> Path:
    Image.fromarray(np.array(pixels, dtype=np.uint8)).convert(mode).save(path)
    return path


def test_a_sweep_s_model_tells_what_the_sweep_recorded(service: Service, settings: Settings, tmp_path: Path) -> None:
    """Trained, downloaded and asked about the validation rows: right as often as was recorded, from every source."""
    body = {"name": "w", "dataset": "digits", "space": {"hidden_units": [8, 32], "epochs": 12}, "sampler": "grid"}
    with httpx2.Client(base_url=f"{service.url}/api/v1") as client:
        sweep = client.post("/sweeps", json=body | {"seeds": 2}).json()["id"]
        wait_until(lambda: client.get(f"/sweeps/{sweep}").json()["state"] == "completed")
        number = client.get(f"/sweeps/{sweep}").json()["best"]["number"]
        address = f"{service.url}/api/v1/sweeps/{sweep}/trials/{number}/model"
        runs = client.get(f"/sweeps/{sweep}/trials/{number}").json()["runs"]
        (tmp_path / "one.safetensors").write_bytes(client.get(address, params={"run": 1}).content)
    data = load("digits", "holdout", home=tmp_path, device=torch.device("cpu"))
    np.save(tmp_path / "val.npy", data.val_x.numpy())
    text = "".join(",".join(f"{pixel:.6g}" for pixel in row) + "\n" for row in data.val_x.tolist())
    (tmp_path / "val.csv").write_text(text)
    port = int(service.url.rpartition(":")[2])

    def right(*arguments: object, stdin: str = "") -> int:
        result = predict_here("--json", *arguments, stdin=stdin, port=port)
        guesses = [json.loads(line)["predictions"][0]["index"] for line in result.stdout.splitlines()]
        assert (result.exit_code, result.stderr, len(guesses)) == (0, "", len(data.val_y))
        return sum(guess == label for guess, label in zip(guesses, data.val_y.tolist(), strict=True))

    expected = [round(run["value"] * len(data.val_y)) for run in runs]
    assert [count / len(data.val_y) for count in expected] == [run["value"] for run in runs]
    assert right(tmp_path / "one.safetensors", tmp_path / "val.npy") == expected[1]
    assert right(f"{address}?run=0", tmp_path / "val.csv") == expected[0]
    assert right(f"{sweep}/{number}/1", "-", stdin=text) == expected[1]
    best = read_info(read_model(str(sweep), settings.model_copy(update={"port": port})))
    assert (best.value, best.trial) == (max(run["value"] for run in runs), number)
    rows = data.val_x[:100].tolist()
    with httpx2.Client(base_url=f"{service.url}/api/v1/sweeps/{sweep}/trials/{number}") as client:
        answer = client.post("/predict", json={"rows": rows, "run": 1}).json()
        short = client.post("/predict", json={"rows": [rows[0], [0.5] * 3]})
        bright = client.post("/predict", json={"rows": [[2] * 64]})
    network = Network((tmp_path / "one.safetensors").read_bytes())
    expected_rows = network.probabilities(data.val_x[:100].numpy())
    assert [row["probabilities"] for row in answer["predictions"]] == [
        pytest.approx(row, abs=1e-5) for row in expected_rows
    ]
    assert (answer["run"], answer["predictions"][0]["label"]) == (1, str(expected_rows[0].argmax()))
    assert short.json()["errors"] == [{"loc": ["rows", 1], "msg": "has 3 numbers, and the network takes 64"}]
    assert (bright.status_code, bright.json()["errors"][0]["loc"]) == (422, ["rows", 0, 0])
    assert "answers 404: Sweep 1 has no trial 99." in refused(f"{sweep}/99", "-", PERCEPTUNE_PORT=port)


def test_images_and_rows_in_words(model: Path, tmp_path: Path) -> None:
    """A line for each with class and probability, the most probable first."""
    image = picture(tmp_path / "a.png", [[0, 255], [0, 0]])
    (tmp_path / "rows.csv").write_text("tl,tr,bl,br\n1,0,0,0\n\n0,0,.5,.4\n")
    process = predict(model, image, tmp_path / "rows.csv", "--top", 2)
    assert (process.returncode, process.stderr) == (0, "")
    words = [line.split() for line in process.stdout.splitlines()]
    assert words[0][:4] == [str(image), "top", "right", "1.000"]
    assert words[1][:4] == [f"{tmp_path}/rows.csv:1", "top", "left", "1.000"]
    assert words[2] == [f"{tmp_path}/rows.csv:2", "bottom", "left", "0.881", "bottom", "right", "0.119"]


def test_json_has_one_object_a_line(model: Path) -> None:
    """With name, number and probability of each class that was asked for."""
    (line,) = predict_here(model, "-", "--json", "--top", 9, "--scale", 255, stdin="0,255,0,0").stdout.splitlines()
    answer = json.loads(line)
    assert answer["input"] == "stdin:1"
    assert [guess["index"] for guess in answer["predictions"]] == [1, 0, 2, 3]
    assert answer["predictions"][0]["class"] == "top right"
    assert sum(guess["probability"] for guess in answer["predictions"]) == pytest.approx(1)


def test_a_model_that_came_out_otherwise_says_so(tmp_path: Path) -> None:
    """One that was trained again with another result: on standard error, with both values."""
    result = predict_here(model_file(tmp_path, value=0.875), "-", stdin="1,0,0,0")
    assert result.stdout.split() == ["stdin:1", "top", "left", "1.000"]
    assert result.stderr == ("perceptune: trained again, this network has val_accuracy 0.875, where 0.9 was recorded\n")


def test_what_is_no_model_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Another file, another's safetensors, and layers that are not those of the metadata."""
    odd = tmp_path / "odd"
    odd.write_text("what else lies about on a disk")
    assert refused(odd, "-") == f"{odd} can't be used as a model: it is no safetensors file."
    half = {"0.weight": torch.eye(4).half(), "0.bias": torch.zeros(4).half()}
    info = read_info(model_file(tmp_path).read_bytes())
    for content, why in (
        (save({"x": torch.zeros(2)}), "not one of Perceptune"),
        (model_file(tmp_path, hidden_layers=[7]).read_bytes(), "its layers are not those that its metadata name"),
        (model_file(tmp_path, activation="step").read_bytes(), "it is damaged: activation: one of relu"),
        (model_file(tmp_path).read_bytes()[:-1], "it is damaged"),
        (with_info(save(half), info), "its numbers are not float32"),
        ((100_000).to_bytes(8, "little") + b"[" * 100_000, "it is no safetensors file"),
    ):
        with pytest.raises(ModelFileError, match=why):
            Network(content)


@pytest.mark.parametrize(
    ("stdin", "why"),
    [
        ("1,2", ", line 1: 2 numbers, but the network takes 4."),
        ("1,0,0,0\n1,0,x,0", ", line 2: 'x' is no number."),
        ("0,0,0,255", ", row 1: 255 is beyond 0 to 1, which the network was trained on; --scale 255 divides"),
        ("0,0,0,0\n0,0,0,nan", ", row 2: nan is beyond 0 to 1"),
        ("a,b,c,d\n", " has no rows."),
    ],
)
def test_rows_that_can_t_be_used_are_named(tmp_path: Path, stdin: str, why: str) -> None:
    """With the file, the line and what would be right."""
    rows = tmp_path / "rows.csv"
    rows.write_text(stdin)
    with pytest.raises(InvalidError) as refusal:
        read_inputs(str(rows), 4)
    assert refusal.value.detail.startswith(f"{rows}{why}")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("gone.png", None, "gone.png can't be read: No such file or directory."),
        ("text.png", b"text", "text.png can't be read: it is neither an image that can be read nor"),
        ("half.png", b"\x89PNG\r\n\x1a\n", "half.png can't be read: it is neither an image"),
        ("b.csv", b"\xff\xfe\xff", "b.csv can't be read: it is no text."),
        ("a.npy", b"text", "a.npy can't be read: it is no .npy file of numbers."),
    ],
)
def test_files_that_can_t_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, why: str
) -> None:
    """The sentence has the name and the reason."""
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(InvalidError) as refusal:
        read_inputs(name, 4)
    assert refusal.value.detail.startswith(why)


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (np.zeros(4), (1, 4)),
        (np.zeros((3, 4)), (3, 4)),
        (np.zeros((3, 2, 2), dtype=np.uint8), (3, 4)),
        (np.zeros((2, 3)), None),
        (np.zeros(()), None),
    ],
)
def test_arrays_hold_an_example_in_each_first_index(
    tmp_path: Path, array: NDArray[np.generic], shape: tuple[int, int] | None
) -> None:
    """Flat or as images; another number of features is refused with the shape that was found."""
    np.save(tmp_path / "a.npy", array)
    if shape:
        assert read_inputs(str(tmp_path / "a.npy"), 4).x.shape == shape
    else:
        with pytest.raises(InvalidError, match=r"takes \[n, 4\], not "):
            read_inputs(str(tmp_path / "a.npy"), 4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_is_the_one_that_was_trained(tmp_path: Path, activation: str) -> None:
    """With each activation its probabilities are those of the book's nn.Sequential."""
    config = MLPConfig((5, 3), activation=activation, initialization="xavier_normal")
    layers = initial_parameters(Run(0, config, 0), 4, 4)
    described = read_info(model_file(tmp_path, hidden_layers=[5, 3], activation=activation).read_bytes())
    network = Network(with_info(to_bytes(layers, 0.5), described))
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    expected = MLPConcise(config, layers).logits(x).softmax(1)
    torch.testing.assert_close(torch.from_numpy(network.probabilities(x.numpy())).float(), expected)
    without_torch = NumpyNetwork(with_info(to_bytes(layers, 0.5), described)).probabilities(x.numpy())
    torch.testing.assert_close(torch.from_numpy(without_torch).float(), expected)


def test_images_become_what_the_network_was_trained_on(tmp_path: Path) -> None:
    """Grey, of the right size, from 0 black to 1 white, or turned round; what is transparent is background."""
    exact = picture(tmp_path / "exact.png", [[0, 51], [102, 255]])
    assert read_inputs(str(exact), 4).x.tolist() == [pytest.approx([0, 0.2, 0.4, 1])]
    assert read_inputs(str(exact), 4, invert=True).x.tolist() == [pytest.approx([1, 0.8, 0.6, 0])]
    large = picture(tmp_path / "large.jpg", [[255] * 20 + [0] * 20] * 40, "RGB")
    x = read_inputs(str(large), 4).x[0]
    assert x == pytest.approx(np.array([1, 0, 1, 0]), abs=0.1)
    Image.new("RGBA", (2, 2), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    for invert in (False, True):
        assert read_inputs(str(tmp_path / "clear.png"), 4, invert=invert).x.tolist() == [[0, 0, 0, 0]]
    with pytest.raises(InvalidError, match="which is no square image: give rows"):
        read_inputs(str(exact), 5)
    Image.fromarray(np.zeros((2, 2), dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InvalidError, match="more than 8 bits a channel"):
        read_inputs(str(tmp_path / "deep.png"), 4)


def test_only_usual_formats_are_opened(tmp_path: Path) -> None:
    """A file says itself what it is, whatever its name is; Pillow's rarer decoders are never asked."""
    path = tmp_path / "image.png"
    Image.new("L", (8, 8)).save(path, "PCX")
    with pytest.raises(InvalidError, match=r"image\.png"):
        read_inputs(str(path), 64)
