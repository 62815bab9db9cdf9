"""The client of a server, in asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

from perceptune import calls
from perceptune._async.sweep import AsyncSweep
from perceptune._async.transport import AsyncTransport
from perceptune._models import DatasetDetail, DatasetOut, DatasetPreview, SweepPreview, WorkerOut
from perceptune.data_files import file_of
from perceptune.flows import Call, Flow, send
from perceptune.progress import Sending
from perceptune.sweep_body import is_data, sweep_body
from perceptune.transport import API, options

Answer = TypeVar("Answer")


class AsyncClient:
    """A Perceptune server, at `url` or PERCEPTUNE_URL, called with `key` or PERCEPTUNE_API_KEY."""

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        chosen_options = options(url, key)
        self._transport = AsyncTransport(chosen_options)
        self.url = chosen_options["base_url"].removesuffix(API)
        """The server's address, which is that of its dashboard."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def sweep(
        self,
        name: str,
        *,
        space: Mapping[str, object],
        dataset: Any = None,
        target: str | None = None,
        sampler: str | Mapping[str, object] | None = None,
        n_trials: int | None = None,
        seeds: int | Mapping[str, int] | None = None,
        pruner: str | Mapping[str, object] | None = None,
        **fields: object,
    ) -> AsyncSweep:
        """Queues a sweep. What is left out has the server's default; `fields` are further ones of `POST /sweeps`.

        `dataset` is the name of one, or data that `add_dataset` takes, with their `target`: these are stored first.
        """
        if is_data(dataset, target):
            stored_dataset = await self.add_dataset(dataset, target=target)
            dataset = stored_dataset.name
        options = {"dataset": dataset, "sampler": sampler, "n_trials": n_trials, "seeds": seeds, "pruner": pruner}
        body = sweep_body(name, space, fields, options)
        return AsyncSweep(self, await self.call(calls.create_sweep(body)))

    async def preview(self, name: str = "preview", *, space: Mapping[str, object], **fields: object) -> SweepPreview:
        """What such a sweep would be and take; nothing is stored."""
        return await self.call(calls.preview_sweep(sweep_body(name, space, fields)))

    async def sweeps(self, *, state: str | None = None, tag: str | None = None) -> list[AsyncSweep]:
        """All sweeps, the newest first."""
        return [AsyncSweep(self, data) for data in await self.run(calls.list_sweeps(state, tag))]

    async def get(self, sweep: int) -> AsyncSweep:
        """The sweep of this number."""
        return AsyncSweep(self, await self.call(calls.get_sweep(sweep)))

    async def datasets(self) -> list[DatasetOut]:
        """The data sets that a sweep can name."""
        return await self.run(calls.list_datasets())

    async def dataset(self, name: str) -> DatasetDetail:
        """A data set with what was done with its columns."""
        return await self.call(calls.get_dataset(name))

    async def preview_dataset(self, data: Any, *, progress: bool | None = None, **options: object) -> DatasetPreview:
        """What would become of data; nothing is stored. `options` are those of `POST /datasets`, e.g. `target`."""
        file = await asyncio.to_thread(file_of, data)
        with Sending(file.source, progress) as bar:
            return await self.call(calls.preview_dataset(file.content, options, bar))

    async def add_dataset(
        self, data: Any, name: str | None = None, *, progress: bool | None = None, **options: object
    ) -> DatasetDetail:
        """Stores data: a path, a frame of pandas or polars, `(x, y)`, or arrays by name; the same twice, once.

        Without a name it is that of the file, or of the same data where these are stored already.

        Terminals and notebooks are shown how much of a large file is sent; with `progress=True` everywhere.

        `options` are those of `POST /datasets`: target, task, unit, drop, category, and of the split test_share,
        held_out_share, stratified, split_by, groups and seed.
        """
        file = await asyncio.to_thread(file_of, data)
        options = {"name": name or file.name, "source": file.source, "reuse": name is None, **options}
        with Sending(file.source, progress) as bar:
            return await self.call(calls.store_dataset(file.content, options, bar))

    async def delete_dataset(self, name: str) -> None:
        """Deletes a stored data set that no sweep is on."""
        return await self.call(calls.delete_dataset(name))

    async def workers(self) -> list[WorkerOut]:
        """Workers that were heard of in the last day, the living first."""
        return await self.run(calls.list_workers())

    async def call(self, call: Call[Answer]) -> Answer:
        """The answer of one call. Raises ProblemError or UnreachableError."""
        return await self.run(send(call))

    async def run(self, flow: Flow[Answer]) -> Answer:
        """What a flow returns."""
        return await self._transport.run(flow)
