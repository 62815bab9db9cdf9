"""The benchmark for GPUs, as far as a machine without one can tell."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from benchmarks import gpu
from benchmarks.arms import Eager
from benchmarks.gpu_arms import GraphedEager, data, first, noise_split
from benchmarks.workloads import Workload
from tests.support.mlp_examples import small_split
from tests.support.paths import ROOT
from tests.support.recorded_steps import RecordedSteps

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
    program = f"import sys\n{lacking}\nimport benchmarks.gpu\nprint(len(benchmarks.gpu.workloads_here()))"
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


def test_compares_all_arms_and_tells_the_goals(tmp_path: Path) -> None:
    """Every arm has its row, and each goal that was measured is met or missed."""
    split, _ = data(torch.device("cpu"), tmp_path)
    comparison = gpu.compare(TINY, first(split, 512, 512), tmp_path, rounds=1)
    assert set(comparison.seconds) == {
        "fused",
        "eager",
        "eager + CUDA graph",
        "eager, 2 processes",
        "cuBLAS",
        "loader",
    }
    text = gpu.markdown(gpu.machine(torch.device("cpu")), [comparison])
    assert "| eager, 2 processes |" in text
    assert text.count("| G32: fused / eager") == 2
    assert text.count("met |") + text.count("missed by") == 2
