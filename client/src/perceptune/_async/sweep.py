"""A sweep in the client's hands: how it stands, what it has found, and what can be done with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from perceptune import calls
from perceptune._models import ContinuedTrials, EpochOut, LogEntryOut, SweepOut, TrialOut
from perceptune.exports import mlflow_export, wandb_export
from perceptune.exports.mlflow_export import MlflowExport
from perceptune.exports.optuna_study import study_of
from perceptune.exports.trial_runs import runs_of
from perceptune.exports.wandb_export import WandbExport
from perceptune.flows import Call
from perceptune.frames import FrameKind, table
from perceptune.model_file import Model
from perceptune.progress import Progress
from perceptune.sweep_view import SweepView, figure
from perceptune.waiting import wait

if TYPE_CHECKING:
    from perceptune._async.client import AsyncClient

RetryState = Literal["failed", "cancelled"]


class AsyncSweep(SweepView):
    """A sweep on the server. Its properties are as of the last call; `refresh()` asks again."""

    def __init__(self, client: AsyncClient, data: SweepOut) -> None:
        super().__init__(data)
        self._client = client

    async def refresh(self) -> AsyncSweep:
        """Asks the server how it stands."""
        return await self._now(calls.get_sweep(self.id))

    async def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> AsyncSweep:
        """Waits until it has ended, with a progress bar in terminals and notebooks; with `progress=True` everywhere.

        Raises TimeoutError after `timeout` seconds; the sweep goes on.
        """
        with Progress(progress) as bar:
            self.data = await self._client.run(wait(self.id, bar, timeout))
        return self

    async def trials(self, frame: FrameKind = "auto", *, state: str | None = None, order_by: str | None = None) -> Any:
        """All trials: a data frame of pandas or polars where one is installed, else, or with "models", a list."""
        return table(await self.trial_models(state=state, order_by=order_by), frame)

    async def trial_models(self, *, state: str | None = None, order_by: str | None = None) -> list[TrialOut]:
        """All trials with everything that is known of them; `order_by="-value"` turns the order round."""
        return await self._client.run(calls.list_trials(self.id, state, order_by))

    async def trial(self, number: int) -> TrialOut:
        """One trial."""
        return await self._client.call(calls.get_trial(self.id, number))

    async def curves(self, number: int) -> list[EpochOut]:
        """The learning curves of a trial, run by run."""
        return await self._client.run(calls.list_epochs(self.id, number))

    async def chart(self, name: str, **options: object) -> Any:
        """A chart such as `chart("effect", x="hidden_units")`: plotly's figure where it is installed, else its JSON."""
        return figure(await self.chart_json(name, **options))

    async def chart_json(self, name: str, **options: object) -> dict[str, Any]:
        """A chart as plotly's JSON: `data` and `layout`."""
        return await self._client.call(calls.get_chart(self.id, name, options))

    async def log(self) -> list[LogEntryOut]:
        """Who changed it and when, and what befell it, the newest first."""
        return await self._client.run(calls.list_log(self.id))

    async def chart_page(self, name: str, **options: object) -> str:
        """A chart as an HTML page that stands alone, offline too."""
        return await self._client.call(calls.get_chart_page(self.id, name, options))

    async def chart_picture(self, name: str, kind: Literal["png", "svg"] = "png", **options: object) -> bytes:
        """A chart as a picture."""
        return await self._client.call(calls.get_chart_picture(self.id, name, kind, options))

    async def model(self, trial: int | None = None, run: int | None = None) -> Model:
        """The trained network of a trial's best run, by default of the best trial. Raises ConflictError where its
        weights were not kept."""
        return await self._client.run(self._best_model(trial, run))

    async def to_optuna(self) -> Any:
        """An `optuna.Study` in memory with all of its trials, where Optuna is installed."""
        return study_of(self.data, await self.trial_models())

    async def to_mlflow(self, uri: str, experiment: str | None = None) -> MlflowExport:
        """Writes the trials that were trained as runs into an MLflow server, where MLflow's client is installed: each
        once, however often it is called, and anew where it has changed. Raises MlflowError."""
        mlflow_export.require_mlflow()
        runs = await self._client.run(runs_of(self.id))
        return await asyncio.to_thread(mlflow_export.write, runs, uri, experiment)

    async def to_wandb(
        self, project: str, *, offline: bool = False, folder: str | os.PathLike[str] | None = None
    ) -> WandbExport:
        """Writes the trials that were trained as runs into a project of W&B, where its client is installed: to its
        service, or, where `offline` or WANDB_MODE says so, as files in `folder` for `wandb sync`. Raises WandbError."""
        wandb_export.require_wandb()
        runs = await self._client.run(runs_of(self.id))
        return await asyncio.to_thread(wandb_export.write, runs, project, offline=offline, folder=folder)

    async def pause(self) -> AsyncSweep:
        """Starts no new trials; running ones finish."""
        return await self._now(calls.change_state(self.id, "pause"))

    async def resume(self) -> AsyncSweep:
        """Goes on."""
        return await self._now(calls.change_state(self.id, "resume"))

    async def stop(self) -> AsyncSweep:
        """Lets running trials finish and drops those that wait."""
        return await self._now(calls.change_state(self.id, "stop"))

    async def cancel(self) -> AsyncSweep:
        """Drops trials that wait, and ends running ones at their next epoch."""
        return await self._now(calls.change_state(self.id, "cancel"))

    async def extend(self, n_trials: int | None = None, space: Mapping[str, object] | None = None) -> AsyncSweep:
        """More trials (`n_trials` counts all), or a wider space; an ended sweep goes on."""
        return await self._now(calls.change_sweep(self.id, **self._extension(n_trials, space)))

    async def change(self, **fields: object) -> AsyncSweep:
        """Changes name, notes, tags, priority, stop rules and the like."""
        return await self._now(calls.change_sweep(self.id, **fields))

    async def rerun(self, configurations: int = 5, seeds: int = 10) -> AsyncSweep:
        """Trains the best configurations with so many further seeds."""
        return await self._now(calls.rerun_top(self.id, configurations, seeds))

    async def train_longer(self, epochs: int, top: int = 3) -> ContinuedTrials:
        """Trains the best configurations on to so many epochs, as new trials."""
        return await self._client.call(calls.continue_top(self.id, top, epochs))

    async def retry(self, state: RetryState = "failed") -> AsyncSweep:
        """Trains failed (or cancelled) trials anew."""
        return await self._now(calls.retry_trials(self.id, state))

    async def enqueue(self, **params: object) -> TrialOut:
        """Queues a configuration of your own, ahead of the sampler's."""
        return await self._client.call(calls.enqueue_trial(self.id, params))

    async def clone(self, **changes: object) -> AsyncSweep:
        """A new sweep like this one, with some fields changed."""
        return AsyncSweep(self._client, await self._client.call(calls.clone_sweep(self.id, changes)))

    async def delete(self) -> None:
        """Removes it with everything that it measured. Raises ConflictError while it runs."""
        await self._client.call(calls.delete_sweep(self.id))

    async def _now(self, call: Call[SweepOut]) -> AsyncSweep:
        self.data = await self._client.call(call)
        return self
