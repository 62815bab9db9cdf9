"""The calls of the API that the client makes, each with its answer as a model."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from perceptune import _models
from perceptune.flows import Call, Flow, Report, send, silent

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")
StateCall = Literal["pause", "resume", "stop", "cancel"]

PAGE_SIZE = 1000


def _reads(model: type[Model]) -> Callable[[httpx.Response], Model]:
    return lambda response: model.model_validate_json(response.content)


def _json(response: httpx.Response) -> dict[str, Any]:
    answer: dict[str, Any] = response.json()
    return answer


def _present(**fields: object) -> dict[str, object]:
    """The fields that are not None: what is left out has the server's default."""
    return {name: value for name, value in fields.items() if value is not None}


def _new_key() -> dict[str, str]:
    """A header by which the server knows a call that is sent again, so that it makes the thing once."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def create_sweep(body: Mapping[str, object]) -> Call[_models.SweepOut]:
    """Queues a sweep."""
    return Call("POST", "/sweeps", _reads(_models.SweepOut), body=body, headers=_new_key())


def preview_sweep(body: Mapping[str, object]) -> Call[_models.SweepPreview]:
    """What the sweep would be and take."""
    return Call("POST", "/sweeps/preview", _reads(_models.SweepPreview), body=body)


def get_sweep(sweep: int) -> Call[_models.SweepOut]:
    """A sweep as it stands."""
    return Call("GET", f"/sweeps/{sweep}", _reads(_models.SweepOut))


def change_sweep(sweep: int, **fields: object) -> Call[_models.SweepOut]:
    """Changes the fields; the same change twice is one change."""
    return Call("PATCH", f"/sweeps/{sweep}", _reads(_models.SweepOut), body=fields)


def change_state(sweep: int, call: StateCall) -> Call[_models.SweepOut]:
    """Pauses, resumes, stops or cancels, which is the same once or twice."""
    return Call("POST", f"/sweeps/{sweep}/{call}", _reads(_models.SweepOut))


def delete_sweep(sweep: int) -> Call[None]:
    """Removes a sweep with everything that it measured."""
    return Call("DELETE", f"/sweeps/{sweep}", lambda _: None, repeatable=False)


def clone_sweep(sweep: int, changes: Mapping[str, object]) -> Call[_models.SweepOut]:
    """Queues a sweep like this one, with some fields changed."""
    return Call("POST", f"/sweeps/{sweep}/clone", _reads(_models.SweepOut), body=changes, headers=_new_key())


def rerun_top(sweep: int, configurations: int, seeds: int) -> Call[_models.SweepOut]:
    """Trains the best configurations with further seeds, again each time that it is called."""
    body = {"k": configurations, "seeds": seeds}
    return Call("POST", f"/sweeps/{sweep}/rerun-top", _reads(_models.SweepOut), body=body, repeatable=False)


def continue_top(sweep: int, top: int, epochs: int) -> Call[_models.ContinuedTrials]:
    """Trains the best configurations on to more epochs."""
    body = {"top": top, "epochs": epochs}
    return Call("POST", f"/sweeps/{sweep}/continue", _reads(_models.ContinuedTrials), body=body, repeatable=False)


def retry_trials(sweep: int, state: str) -> Call[_models.SweepOut]:
    """Trains failed or cancelled trials anew."""
    return Call("POST", f"/sweeps/{sweep}/retry", _reads(_models.SweepOut), query={"state": state}, repeatable=False)


def enqueue_trial(sweep: int, params: Mapping[str, object]) -> Call[_models.TrialOut]:
    """Queues a configuration of one's own."""
    body = {"params": params}
    return Call("POST", f"/sweeps/{sweep}/trials", _reads(_models.TrialOut), body=body, headers=_new_key())


def get_trial(sweep: int, trial: int) -> Call[_models.TrialOut]:
    """One trial with its runs."""
    return Call("GET", f"/sweeps/{sweep}/trials/{trial}", _reads(_models.TrialOut))


def get_chart(sweep: int, name: str, options: Mapping[str, object]) -> Call[dict[str, Any]]:
    """A chart as plotly's JSON."""
    return Call("GET", f"/sweeps/{sweep}/charts/{name}", _json, query=options)


def get_chart_page(sweep: int, name: str, options: Mapping[str, object]) -> Call[str]:
    """A chart as a page that stands alone."""
    query = {**options, "format": "html"}
    return Call("GET", f"/sweeps/{sweep}/charts/{name}", lambda response: response.text, query=query)


def get_chart_picture(sweep: int, name: str, kind: str, options: Mapping[str, object]) -> Call[bytes]:
    """A chart as a picture, `png` or `svg`."""
    query = {**options, "format": kind}
    return Call("GET", f"/sweeps/{sweep}/charts/{name}", lambda response: response.content, query=query)


def export_sweep(sweep: int) -> Call[dict[str, Any]]:
    """The sweep with all its trials, runs and learning curves, as of one moment."""
    return Call("GET", f"/sweeps/{sweep}/export.json", _json)


def get_model(sweep: int, trial: int, run: int | None) -> Call[bytes]:
    """The file of a trained network."""
    path = f"/sweeps/{sweep}/trials/{trial}/model"
    return Call("GET", path, lambda response: response.content, query=_present(run=run))


def list_sweeps(state: str | None = None, tag: str | None = None) -> Flow[list[_models.SweepOut]]:
    """All sweeps, the newest first."""
    return _all_items("/sweeps", _models.SweepOut, state=state, tag=tag)


def list_trials(sweep: int, state: str | None = None, order_by: str | None = None) -> Flow[list[_models.TrialOut]]:
    """All trials of a sweep."""
    return _all_items(f"/sweeps/{sweep}/trials", _models.TrialOut, state=state, order_by=order_by)


def list_epochs(sweep: int, trial: int) -> Flow[list[_models.EpochOut]]:
    """The learning curves of a trial."""
    return _all_items(f"/sweeps/{sweep}/trials/{trial}/epochs", _models.EpochOut)


def list_log(sweep: int) -> Flow[list[_models.LogEntryOut]]:
    """The log of a sweep, the newest first."""
    return _all_items(f"/sweeps/{sweep}/log", _models.LogEntryOut)


def list_datasets() -> Flow[list[_models.DatasetOut]]:
    """The data sets that a sweep can name."""
    return _all_items("/datasets", _models.DatasetOut, paged=False)


def preview_dataset(
    content: bytes | Path, options: Mapping[str, object], report: Report = silent
) -> Call[_models.DatasetPreview]:
    """What would become of a file."""
    read, query = _reads(_models.DatasetPreview), _present(**options)
    return Call("POST", "/datasets/preview", read, query=query, content=content, report=report)


def store_dataset(
    content: bytes | Path, options: Mapping[str, object], report: Report = silent
) -> Call[_models.DatasetDetail]:
    """Stores the data set in a file; the same twice stores it once."""
    read, query = _reads(_models.DatasetDetail), _present(**options)
    return Call("POST", "/datasets", read, query=query, content=content, report=report)


def get_dataset(name: str) -> Call[_models.DatasetDetail]:
    """A data set with what was done with its columns."""
    return Call("GET", f"/datasets/{name}", _reads(_models.DatasetDetail))


def delete_dataset(name: str) -> Call[None]:
    """Deletes a stored data set that no sweep is on."""
    return Call("DELETE", f"/datasets/{name}", lambda _: None, repeatable=False)


def list_workers() -> Flow[list[_models.WorkerOut]]:
    """Workers that were heard of in the last day."""
    return _all_items("/workers", _models.WorkerOut, paged=False)


def _all_items(path: str, item: type[Item], *, paged: bool = True, **query: object) -> Flow[list[Item]]:
    """The items of all pages of a list."""
    items: list[Item] = []
    limit = PAGE_SIZE if paged else None
    adapter = TypeAdapter(list[item])  # type: ignore[valid-type]  # a class that is not known before
    after = None
    while True:
        page = yield from send(Call("GET", path, _json, query=_present(**query, limit=limit, after=after)))
        items += adapter.validate_python(page["items"])
        after = page["next"]
        if after is None:
            return items
