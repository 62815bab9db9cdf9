"""What docs/client.md and the example notebook say, run as it stands."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "examples" / "client.ipynb"


@pytest.fixture
def variables(trained_server: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a user of that server."""
    path = os.pathsep.join([str(ROOT / "client" / "src"), str(ROOT)])
    return os.environ | {"PERCEPTUNE_URL": trained_server, "PYTHONPATH": path, "IPYTHONDIR": str(tmp_path)}


def blocks(language: str) -> list[str]:
    """The document's code blocks in this language."""
    return blocks_of(DOCUMENT, language)


def blocks_of(document: str, language: str) -> list[str]:
    """Those of any document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_document_runs(variables: dict[str, str], tmp_path: Path) -> None:
    """All blocks one after the other, as one program."""
    program = tmp_path / "client.py"
    program.write_text("\n".join(blocks("python")), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, program], env=variables, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path
    )
    assert answer.returncode == 0, answer.stderr
    assert "'hidden_units', 0" in answer.stdout  # the field that is wrong
    assert "random 0." in answer.stdout
    assert float(re.findall(r"^wine (.*)$", answer.stdout, re.MULTILINE)[0]) > 0.8


def test_the_commands_of_the_document_run(trained_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with exit code 0, in a folder with the document's file."""
    monkeypatch.setenv("PERCEPTUNE_URL", trained_server)
    monkeypatch.chdir(tmp_path)
    (yaml,) = blocks("yaml")
    (tmp_path / "width.yaml").write_text(yaml)
    lines = [line for block in blocks("sh")[1:] for line in block.splitlines()]
    assert len(lines) == 7
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        result = CliRunner().invoke(app, arguments)
        assert (program, result.exit_code) == ("perceptune", 0), f"{line}: {result.output}"
        assert result.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {"width.html", "junit.xml", "width.md"}


def test_the_notebook_runs(variables: dict[str, str], tmp_path: Path) -> None:
    """It has no outputs as it is stored, and shows a progress bar, a frame and a chart where it is run."""
    stored_cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in stored_cells)
    command = [sys.executable, "-m", "jupyter", "execute", str(NOTEBOOK), f"--output={tmp_path / 'out.ipynb'}"]
    answer = subprocess.run(
        command,
        env=variables | {"JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    cells = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"application/vnd.plotly.v1+json", "text/html"} <= kinds
    texts = "".join("".join(output.get("text", "")) for output in outputs)
    assert "100%" in texts
