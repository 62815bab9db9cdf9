"""The commands for a running server, as a person at a terminal and a CI job use them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest
import typer
from typer.testing import CliRunner

from app.cli import app
from app.errors import InvalidError, PerceptuneError
from app.terminal.requirements import parse
from app.terminal.sweep_file import read_sweep
from perceptune import Client, Sweep, flows
from tests.support.up_process import say

YAML = """
dataset: digits
sampler: grid
space:
  hidden_units: [2, 4]
  learning_rate: 5e-1
  epochs: 1
"""


@pytest.fixture(autouse=True)
def _server(trained_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands find the server by their environment."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two widths.yaml"
    path.write_text(YAML)
    return path


def perceptune(*arguments: object, exit_code: int = 0) -> str:
    """What the command prints on standard output; an error that is meant for the user is raised."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(result.exception, PerceptuneError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result.stdout


def test_a_name_tells_a_terminal_nothing(trained_server: str) -> None:
    """Whoever gave it: what would clear the screen, or begin another line, is written out."""
    with Client(trained_server) as client:
        sweep = client.sweep(
            name="a\x1b[2J\u202eb", dataset="digits", space={"hidden_units": [2], "epochs": 1}, n_trials=1
        )
        sweep.cancel()
    assert r"a\x1b[2J\u202eb" in perceptune("ls")
    assert "\x1b" not in perceptune("ls") + perceptune("show", sweep.id)


def test_a_sweep_is_queued_from_a_file(file: Path) -> None:
    """It says its number and address, and with --json all of it; it is called like its file."""
    line = perceptune("sweep", file)
    assert line.startswith("Sweep ")
    assert "is 'two widths', queued: http://" in line
    (sweep,) = map(json.loads, perceptune("sweep", file, "--json").splitlines())
    assert (sweep["name"], sweep["n_trials"], sweep["space"]["learning_rate"]) == ("two widths", 2, 0.5)
    shown_text = perceptune("sweep", file, "--watch")
    assert "completed, 100 %" in shown_text


def test_a_job_passes_or_fails_by_what_it_requires(file: Path, tmp_path: Path) -> None:
    """By its exit code, and in both reports."""
    reports = ["--junit", tmp_path / "junit.xml", "--markdown", tmp_path / "sweep.md"]
    text = perceptune("run", file, "--wait", "--require", "best >= 0.05", "--require", "failed == 0", *reports)
    assert "passed: best >= 0.05 (best is 0." in text
    perceptune("run", file, "--require", "best >= 0.05", "--require", "best > 1", *reports, exit_code=3)
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failure,) = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failure == "best > 1"
    summary = (tmp_path / "sweep.md").read_text()
    assert "| best > 1 | ❌ | best is 0." in summary
    assert "| the sweep is completed | ✅ | it is completed |" in summary
    assert "| learning_rate | 0.5 |" in summary


def test_sweeps_and_trials_are_tables(trained: Sweep) -> None:
    """In which the sweep has its line, and the best trial is the first of the best; or JSON, an object a line."""
    (row,) = [line for line in perceptune("ls").splitlines() if line.split()[:2] == [str(trained.id), "width"]]
    assert f"{trained.best.value:.4f}" in row
    assert "2/2" in row
    assert trained.id in [json.loads(line)["id"] for line in perceptune("ls", "--json").splitlines()]
    facts = perceptune("show", trained.id)
    assert "2 complete" in facts
    assert f"hidden_units {trained.best.params['hidden_units']}" in facts
    heading, first_row, second_row = perceptune("trials", trained.id, "--best").splitlines()
    assert heading.split() == ["#", "state", "val_accuracy", "runs", "hidden_units"]
    assert first_row.split()[0] == str(trained.best.number) != second_row.split()[0]
    (best,) = map(json.loads, perceptune("trials", trained.id, "--best", "--limit", 1, "--json").splitlines())
    assert best["value"] == trained.best.value
    entries = [json.loads(line) for line in perceptune("logs", trained.id, "--json").splitlines()]
    assert entries
    assert all(entry["text"] in perceptune("logs", trained.id) for entry in entries[:1])


def test_charts_are_written(trained: Sweep, tmp_path: Path) -> None:
    """As a page that stands alone, a picture, or JSON that plotly reads."""
    page, data = tmp_path / "chart.html", tmp_path / "chart.json"
    assert str(page) in perceptune("chart", trained.id, "effect", "--x", "hidden_units", "-o", page)
    assert page.read_text().startswith("<!")
    perceptune("chart", trained.id, "effect", "--x", "hidden_units", "--option", "metric=last", "-o", data)
    assert go.Figure(json.loads(data.read_text())).layout.xaxis.title.text == "hidden_units"
    assert json.loads(perceptune("chart", trained.id, "curves", "--json"))["data"]
    for name, begin in (("chart.png", b"\x89PNG\r\n"), ("chart.SVG", b"<?xml")):
        perceptune("chart", trained.id, "effect", "--x", "hidden_units", "-o", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begin)


def test_what_can_not_be_done_is_a_sentence(
    file: Path, trained: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the path of the field, as the server says it, and without a traceback."""
    monkeypatch.setattr(flows, "FIRST_PAUSE_SECONDS", 0.05)  # before the server is tried again that is not there
    file.write_text(YAML.replace("digits", "digitz"))
    with pytest.raises(InvalidError) as error:
        perceptune("sweep", file)
    assert error.value.errors[0].loc == ("dataset",)
    with pytest.raises(InvalidError, match="1000000"):
        perceptune("show", 10**6)
    with pytest.raises(InvalidError, match="must end in"):
        perceptune("chart", trained.id, "effect", "-o", tmp_path / "chart.jpg")
    with pytest.raises(InvalidError, match="is no requirement"):
        perceptune("run", file, "--require", "accuracy > 0.9")
    with pytest.raises(PerceptuneError, match="does `perceptune up` run there"):
        perceptune("ls", "--url", "http://127.0.0.1:9")


def test_a_refusal_ends_the_process_with_a_sentence(trained_server: str) -> None:
    """Exit code 1, as for all commands."""
    answer = say("show", "1000000", PERCEPTUNE_URL=trained_server, PYTHONPATH="client/src")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("perceptune: ")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[1, 2]", "must hold the fields"),
        ("name: x", "has no space"),
        ("a: [", "can't be read"),
        ("!!python/x a", "can't"),
        ("space: {epochs: 2026-01-01}", "date is not JSON"),
    ],
)
def test_files_that_are_no_sweeps_are_refused(tmp_path: Path, text: str, part: str) -> None:
    """Before the server is asked; YAML makes no objects of its own."""
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(InvalidError, match=part):
        read_sweep(path)
    with pytest.raises(InvalidError, match="No such file"):
        read_sweep(tmp_path / "none.json")


def test_what_is_wrong_in_yaml_has_its_place_in_the_file(tmp_path: Path) -> None:
    """By the name of the file."""
    path = tmp_path / "sweep.yaml"
    path.write_text("name: two: widths\n")
    with pytest.raises(InvalidError, match=r"sweep\.yaml can't be read: mapping values .* at line 1, column 10\.$"):
        read_sweep(path)


def test_numbers_of_yaml_are_numbers(tmp_path: Path) -> None:
    """Those without a point too; JSON is read as JSON."""
    path = tmp_path / "sweep.yaml"
    path.write_text("space: {learning_rate: {low: 1e-3, high: 1E+0, log: true}}")
    body = read_sweep(path)
    assert body == {"name": "sweep", "space": {"learning_rate": {"low": 0.001, "high": 1.0, "log": True}}}
    (tmp_path / "sweep.json").write_text(json.dumps(body))
    assert read_sweep(tmp_path / "sweep.json") == body


@pytest.mark.parametrize("sign", [">=", "<=", ">", "<", "=="])
def test_requirements_compare(trained: Sweep, sign: str) -> None:
    """The best value with itself: true where equality is."""
    requirement = parse(f"best{sign}{trained.best.value!r}")
    assert requirement.check(trained.data).passed == ("=" in sign)


def test_a_sweep_without_a_best_meets_nothing(trained: Sweep, trained_server: str) -> None:
    """It is told as such."""
    check = parse("best > 0").check(trained.data.model_copy(update={"best": None}))
    assert (check.passed, check.detail) == (False, "the sweep has no best")
    with Client(trained_server) as client:
        assert client.url == trained_server


def test_shells_complete_the_commands() -> None:
    """`--install-completion` is offered, for it is the shell that has to know."""
    names = [command.name for command in typer.main.get_group(app).commands.values()]
    assert {"sweep", "run", "ls", "show", "trials", "chart", "logs"} <= set(names)
    assert "--install-completion" in perceptune("--help")
