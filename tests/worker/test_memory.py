"""How many trials train together, and what happens where the memory does not suffice after all."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import torch
from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import Sweep, Worker
from app.domain.datasets import DATASETS
from app.domain.states import ENDED_SWEEPS, SweepState, TrialState
from app.domain.sweep_setup import SweepSetup
from app.queue.claims import ClaimedTrial
from app.queue.leases import Lease
from tests.support.paths import ROOT
from tests.support.queue_examples import create_sweep, new_worker, runs_of, states, sweep_of, trials_of
from tests.support.waiting import wait_until
from tests.support.worker_processes import environment
from worker.cohort import MEMORY_SHARE, TrialsTooLargeError, split_by_memory, trial_bytes
from worker.device.memory import is_out_of_memory

SHAPE = 784, 10
# The limit is set once everything is imported and the threads have their stacks, on what is then left.
LIMITED = """
import resource, sys, torch
import sklearn.datasets
import worker.__main__, worker.loop
torch.mm(torch.ones(300, 300), torch.ones(300, 300))
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, [pages * resource.getpagesize() + int(sys.argv.pop()) * 2**20] * 2)
worker.__main__.main()
"""
OTHERS_MIB = 100  # address space for threads, connections and the data


@contextmanager
def limited_worker(variables: Mapping[str, str], mebibytes: int, log: Path) -> Iterator[None]:
    """A worker for whose trials the system has so much memory and no more."""
    command = [sys.executable, "-c", LIMITED, str(OTHERS_MIB + mebibytes)]
    # one arena: each thread would reserve addresses for its own
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**variables, "MALLOC_ARENA_MAX": "1"}, stderr=output)
    with process:
        try:
            yield
        finally:
            process.kill()


def ended(engine: Engine, sweep: int) -> Sweep:
    wait_until(lambda: sweep_of(engine, sweep).state in ENDED_SWEEPS)
    return sweep_of(engine, sweep)


def test_out_of_memory_halves_the_cohort_and_goes_on(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """Twelve trials of which a few fit: each ends once, at its first attempt, with its whole curve and its value."""
    space = {"hidden_units": 1100, "depth": 2, "epochs": 1, "learning_rate": {"low": 0.01, "high": 0.1}}
    sweep = create_sweep(engine, space=space, n_trials=12)
    with limited_worker(environment(database_url, tmp_path), 70, tmp_path / "log"):
        assert ended(engine, sweep).state == SweepState.completed
    log = (tmp_path / "log").read_text()
    assert "out of memory with 12 trials, going on with 6" in log
    assert "Traceback" not in log
    trials = trials_of(engine, sweep)
    assert [(trial.state, trial.attempt, trial.epochs_done) for trial in trials] == [(TrialState.complete, 1, 1)] * 12
    assert len(runs_of(engine, sweep)) == 12
    assert len({trial.params["learning_rate"] for trial in trials if trial.params}) == 12


def test_a_trial_that_can_not_fit_fails_with_its_sizes(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """Once no larger worker is there to leave it to; the others of its sweep are trained, and the worker goes on."""
    space = {"hidden_layers": [[8], [6000, 6000], [16]], "epochs": 1}
    sweep = create_sweep(engine, space=space, sampler="grid", n_trials=None)
    larger = new_worker(engine, host="elsewhere", memory=2**60)
    with transaction(engine) as session:  # it lives for as long as this machine takes
        session.get_one(Worker, larger).last_seen += timedelta(hours=1)
    with limited_worker(environment(database_url, tmp_path), 150, tmp_path / "log"):
        wait_until(lambda: states(engine, sweep) == ["complete", "waiting", "complete"])
        assert (trials_of(engine, sweep)[1].least_memory or 0) > 2**20
        assert trials_of(engine, sweep)[1].history == []
        with transaction(engine) as session:  # and now it is long gone
            session.get_one(Worker, larger).last_seen -= timedelta(hours=2)
        assert ended(engine, sweep).state == SweepState.completed
        assert ended(engine, create_sweep(engine, n_trials=1)).state == SweepState.completed
    assert states(engine, sweep) == ["complete", "failed", "complete"]
    error = trials_of(engine, sweep)[1].error or ""
    assert error.startswith("There is not enough memory to train hidden layers of 6000, 6000 with a batch size of 256")
    assert "Traceback" not in (tmp_path / "log").read_text()


class _OnTheWayOut:
    """What is done at the end fails, too, as the end of a capture may."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        raise RuntimeError("on the way out")


SETUP = SweepSetup(
    id=1,
    task="train_mlp",
    dataset_info=DATASETS["digits"],
    split="holdout",
    space={},
    constraints=[],
    sampler={"name": "grid"},
    repeats="new_seeds",
    seeds=1,
    seed=0,
    metric="val_accuracy",
    direction="maximize",
    objectives=[],
    pruner=None,
    diagnostics=False,
)


def claimed(*widths: int) -> list[ClaimedTrial]:
    return [ClaimedTrial(Lease(i, uuid4()), i, {"hidden_units": width}, 1) for i, width in enumerate(widths)]


def test_as_many_trials_as_fit_are_the_first_ones() -> None:
    """With memory for exactly three of five, and a byte less; never fewer than one."""
    sweep, trials = replace(SETUP, seeds=2), claimed(8, 256, 16, 64, 4)
    three = sum(trial_bytes(sweep, trial, SHAPE) for trial in trials[:3]) / MEMORY_SHARE
    for free, count in [(three, 3), (three - 1, 2), (trial_bytes(sweep, trials[0], SHAPE), 1), (2**60, 5)]:
        fitting, rest = split_by_memory(sweep, trials, SHAPE, int(free))
        assert (fitting, rest) == (trials[:count], trials[count:])


def test_a_first_trial_that_can_not_fit_is_refused_before_it_takes_the_memory() -> None:
    """The system would kill the worker rather than refuse it."""
    sweep, trials = SETUP, claimed(10_000, 8)
    with pytest.raises(
        TrialsTooLargeError, match=r"hidden layers of 10000 with .* takes up to \d+ MiB, and 10 MiB are free"
    ):
        split_by_memory(sweep, trials, SHAPE, 10 * 2**20)


def test_all_that_can_not_fit_is_told_at_once() -> None:
    """Each with its own sizes, so that no worker looks at one after the other."""
    with pytest.raises(TrialsTooLargeError) as error:
        split_by_memory(SETUP, claimed(10_000, 8, 9_000, 16), SHAPE, 10 * 2**20)
    first, second = error.value.trials
    assert ("10000" in first.reason, "9000" in second.reason, first.memory > second.memory) == (True, True, True)
    assert first.memory == trial_bytes(SETUP, claimed(10_000)[0], SHAPE) // 3


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",  # of the runtime, where a graph is made; the allocator's has a class
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 17.89 GB)",
    ],
)
def test_knows_how_devices_say_it(words: str) -> None:
    """Errors without a class of their own are known by their words."""
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(ValueError(words))


def test_knows_when_memory_was_lacking() -> None:
    """The CPU's allocator says it in words; an error on the way out hides nothing, and others are others."""
    with pytest.raises(RuntimeError) as lacking:
        torch.empty(2**50)
    assert is_out_of_memory(lacking.value)
    with pytest.raises(RuntimeError, match="on the way out") as after, _OnTheWayOut():
        torch.empty(2**50)
    assert is_out_of_memory(after.value)
    with pytest.raises(RuntimeError) as shapes:
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))
    assert not is_out_of_memory(shapes.value)


WEIGHTS = """
import os, resource, sys, torch
from worker.mlp.initializers import Layer
from worker.mlp.weights import to_bytes
layers = [Layer(torch.ones(1000, 4000), torch.ones(1000))]
pages = int(open("/proc/self/statm").read().split()[0])
for mebibytes in sys.argv[1:]:
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        continue
    resource.setrlimit(resource.RLIMIT_AS, [pages * resource.getpagesize() + int(mebibytes) * 2**20] * 2)
    try:
        print(mebibytes, len(to_bytes(layers, 0.5)) > 16_000_000)
    except MemoryError:
        print(mebibytes, "no memory")
    break
"""


def test_weights_that_there_is_no_room_for_end_no_worker() -> None:
    """An error that halves the cohort, where the library for files of weights would end the process."""
    command = [sys.executable, "-c", WEIGHTS, "8", "24", "40", "200"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == ["8 no memory", "24 no memory", "40 no memory", "200 True"]
