"""The benchmark for GPUs, as far as a machine without one can tell."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from benchmarks.arms import Eager
from benchmarks.gpu.__main__ import PAGE_PART, main
from benchmarks.gpu.arms import GraphedEager, data, first, noise_split
from benchmarks.gpu.comparison import Comparison, compare
from benchmarks.gpu.compiled import Compiled
from benchmarks.gpu.ensembles import Ensembles
from benchmarks.gpu.report import machine, markdown, table
from benchmarks.report import marks
from benchmarks.workloads import Workload
from tests.support.paths import ROOT
from tests.support.training.mlp_examples import small_split
from tests.support.training.recorded_steps import RecordedSteps

TINY = Workload("G32", "2 trials of width 4", {"hidden_units": 4, "learning_rate": [0.1, 0.2]}, epochs=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so() -> None:
    """One sentence and exit code 1."""
    command = [sys.executable, "-m", "benchmarks.gpu"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr.strip()
        == "benchmarks.gpu: this needs an NVIDIA GPU and a torch built for CUDA; there is none here."
    )


def test_needs_torch_and_numpy_alone() -> None:
    """Whatever else the service and the other benchmarks take need not be on the machine."""
    lacking = (
        "for name in ('PIL', 'optuna', 'pydantic', 'sqlalchemy', 'safetensors', 'sklearn'): sys.modules[name] = None"
    )
    program = f"import sys\n{lacking}\nfrom benchmarks.gpu.__main__ import workloads_here\nprint(len(workloads_here()))"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout.strip(), ended.stderr) == ("5", "")


def test_the_plain_loop_under_a_graph_is_the_plain_loop() -> None:
    """Recorded and replayed, it trains to the same losses, bit for bit, with a smaller last batch."""
    split = small_split(torch.float32)
    configs = [MLPConfig((9,), 0.1, 9, 32), MLPConfig((7, 5), 0.01, 9, 32, "tanh", optimizer="adam")]
    runs = [Run(i, config, i) for i, config in enumerate(configs)]
    recorder = RecordedSteps()
    plain, graphed = Eager(runs, split), GraphedEager(runs, split, recorder)
    for _ in range(4):
        assert graphed.epoch() == plain.epoch()
    assert recorder.replayed > 50


def test_made_up_data_has_the_shape_of_the_real() -> None:
    """50,000 images of 784 pixels to train on and 10,000 to validate, in ten classes that can be learned."""
    split = noise_split(torch.device("cpu"))
    assert (split.train_x.shape, split.val_x.shape) == ((50_000, 784), (10_000, 784))
    assert set(split.train_y.tolist()) == set(range(10))
    arm = Eager([Run(0, MLPConfig((16,), 0.1, 3), 0)], first(split, 2000, 500))
    assert arm.epoch()[0] > arm.epoch()[0] > arm.epoch()[0]


@pytest.mark.parametrize("dropout", [0, 0.5])
def test_ensembles_train_as_the_plain_loop_does(dropout: float) -> None:
    """Replayed and with a smaller last batch, networks of several seeds; with dropout each has masks of its own."""
    split = small_split(torch.float32)
    sgd = MLPConfig((9,), 0.1, 9, 32, dropout=dropout)
    adam = MLPConfig((7, 5), 0.01, 9, 32, "tanh", optimizer="adam", weight_decay=0.01, dropout=dropout)
    configs = [sgd, replace(sgd, learning_rate=0.05), adam, replace(adam, learning_rate=0.003)]
    runs = [Run((i, seed), config, seed) for i, config in enumerate(configs) for seed in (0, 1)]
    # of masks that are drawn anew in each step a graph has no recording here
    recorder = None if dropout else RecordedSteps()
    plain, ensembles = Eager(runs, split), Ensembles(runs, split, recorder)
    for _ in range(5):
        expected, losses = plain.epoch(), ensembles.epoch()
        assert losses.keys() == expected.keys()
        if not dropout:
            assert losses == pytest.approx(expected, rel=1e-3)
    assert all(loss < 2.3 for loss in losses.values())


def test_the_compiled_loop_is_the_plain_loop() -> None:
    """With a smaller last batch, and what is compiled left as it is: graphs are made on a GPU alone."""
    split = small_split(torch.float32)
    runs = [Run(i, MLPConfig((9 - i,), 0.1, 9, 32, optimizer=name), i) for i, name in enumerate(("sgd", "adam"))]
    plain, compiled = Eager(runs, split), Compiled(runs, split)
    for _ in range(3):
        assert compiled.epoch() == pytest.approx(plain.epoch(), rel=1e-5)


def test_compares_all_arms_and_tells_the_goals(tmp_path: Path) -> None:
    """Every arm has its row, and each goal that was measured is met or missed."""
    split, _ = data(torch.device("cpu"), tmp_path)
    comparison = compare(TINY, first(split, 512, 512), tmp_path, rounds=1)
    assert comparison.failures == {}
    assert set(comparison.seconds) == {
        "fused",
        "eager",
        "eager + CUDA graph",
        "eager, compiled",
        "ensembles + CUDA graph",
        "eager, 2 processes",
        "cuBLAS",
        "loader",
    }
    text = markdown([comparison], "float32")
    assert "| eager, 2 processes |" in text
    assert text.count("| G32: fused / eager") == 2
    assert text.count("met |") + text.count("missed by") == 2
    assert "TFLOP/s in one large product of as many operations as a step" in text
    assert "Goals" not in markdown([comparison], "TF32")


def test_an_arm_that_fails_is_told_and_the_others_stay() -> None:
    """In its row, and in the goals that it was for."""
    comparison = Comparison(TINY, {"fused": [0.1], "eager": [6.0]})
    assert comparison.attempt("eager + CUDA graph", lambda: 1 // 0) is None
    assert "| eager + CUDA graph | failed: ZeroDivisionError: integer division" in table(comparison)
    text = markdown([comparison], "float32")
    assert "| G32: fused / eager | 50 | 60 | met |" in text
    assert "| G32: fused / eager + CUDA graph | 20 | not measured | |" in text


def test_one_command_makes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Arms, profile and the card's tests, on a device that is none, into the part of the page that is theirs."""
    page, (begin, end) = tmp_path / "page.md", marks(PAGE_PART)
    page.write_text(f"before\n{begin}\nof yesterday\n{end}\nafter\n")
    options = ["--device", "cpu", "--quick", "--rounds", "1", "--parts", "tests", "arms", "profiles"]
    main([*options, "--home", str(tmp_path), "--into", str(page)])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "of yesterday" not in text
    assert "This part failed" not in text
    assert "failed:" not in text
    assert "skipped" in text or "passed" in text
    assert "float32 products:" in text
    assert "of the time in kernels" in text
    assert capsys.readouterr().out.strip() in text


def test_the_page_has_a_part_for_it() -> None:
    """docs/performance.md, where `make bench-gpu` writes."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert all(page.count(mark) == 1 for mark in marks(PAGE_PART))


def test_facts_name_the_device() -> None:
    """The card and its driver, where they are told."""
    assert machine(torch.device("cpu"))["card"] == "cpu"
