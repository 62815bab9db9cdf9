"""What one would write without the service: an Optuna study over a plain loop, one process a core.

The loop is the best plain one: the data in memory, torch's fused optimizer, one thread a process. The processes share
the study through a journal file.
"""

import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from typing import Any

import optuna
import torch
from optuna.pruners import HyperbandPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from app.domain.configuration import MLPConfig
from app.domain.runs import Run
from app.domain.space import parse_space
from app.search.optuna_space import suggest_params
from benchmarks.arms import Model, train_epoch, validation
from benchmarks.search.problems import Problem
from benchmarks.search.trace import Trace
from worker.data import datasets
from worker.mlp.split import Split

STUDY = "search"


@dataclass(frozen=True)
class Script:
    """What each process runs; `index` counts the processes."""

    problem: Problem
    home: Path
    journal: Path
    seed: int
    index: int

    def study(self) -> optuna.Study:
        """The shared study, made by the first that asks for it."""
        problem = self.problem
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.journal))),
            study_name=STUDY,
            sampler=TPESampler(seed=100 * self.seed + self.index),
            pruner=HyperbandPruner(max_resource=problem.epochs, reduction_factor=problem.reduction_factor),
            load_if_exists=True,
        )

    def run(self, pipe: Connection) -> None:
        """Optimizes until it is killed; says after each epoch which one it was, of which trial, and the error."""
        torch.set_num_threads(1)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        data = datasets.load(self.problem.dataset, "holdout", home=self.home, device=torch.device("cpu"))
        split = data.training_split()
        study = self.study()
        train_epoch(Model.of(Run(0, MLPConfig((4,), optimizer="adam"), 0), split), split, 1)  # loads parts of torch
        pipe.send(None)
        pipe.recv()
        study.optimize(lambda trial: self._objective(trial, split, pipe))

    def _objective(self, trial: optuna.Trial, split: Split, pipe: Connection) -> float:
        params = suggest_params(trial, parse_space(self.problem.whole_space))
        model = Model.of(Run(trial.number, MLPConfig.from_params(params), trial.number), split)
        error = 1.0
        for epoch in range(1, self.problem.epochs + 1):
            train_epoch(model, split, epoch)
            error = validation(model, split).error
            pipe.send((epoch, error))
            trial.report(error, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return error


def search(problem: Problem, name: str, seed: int, seconds: float, home: Path, processes: int) -> Trace:
    """So many processes that optimize for so long, and until one shows something; the clock starts with data in all."""
    trace = Trace(name, "plain", seed)
    with tempfile.TemporaryDirectory(prefix="perceptune-bench.") as folder:
        scripts = [Script(problem, home, Path(folder) / "journal", seed, index) for index in range(processes)]
        with _running(scripts) as pipes:
            for pipe in pipes:
                pipe.recv()
            start = perf_counter()
            for pipe in pipes:
                pipe.send(None)
            while (left := seconds - (perf_counter() - start)) > 0 or not trace.configurations:
                for pipe in wait(pipes, left if left > 0 else None):
                    assert isinstance(pipe, Connection)
                    epoch, error = pipe.recv()
                    trace.note(perf_counter() - start, error)
                    trace.epochs += 1
                    trace.configurations += epoch == 1
            trace.seconds = perf_counter() - start
    return trace


@contextmanager
def _running(scripts: Sequence[Script]) -> Iterator[list[Any]]:
    """The scripts' pipes, while each runs in a process of its own. A process that fails ends its pipe."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for script in scripts:
            pipe, process_end = context.Pipe()
            processes.append(context.Process(target=script.run, args=(process_end,), daemon=True))
            processes[-1].start()
            process_end.close()
            pipes.append(pipe)
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.join()
