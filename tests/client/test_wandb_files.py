"""A sweep as runs of W&B, offline, read back from the files that its client wrote: `make test-wandb`."""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from perceptune import AsyncClient, Client, Model, Sweep, WandbError
from perceptune.exports import wandb_export
from tests.support.own_loop import finished
from tests.support.paths import ROOT
from tests.support.up_process import say
from tests.support.waiting import wait_until

# W&B's client warns of what is its own
pytestmark = [pytest.mark.wandb, pytest.mark.filterwarnings("default")]
BLOCK, PIECE_HEADING = 2**15, 7
WHOLE, FIRST, LAST = 1, 2, 4


@pytest.fixture(scope="module", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written into the home folder, and nobody is called."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "CACHE", "DATA"):
            patch.setenv(f"WANDB_{name}_DIR", str(tmp_path_factory.mktemp(name.lower())))
        patch.setenv("WANDB_ERROR_REPORTING", "false")
        patch.setenv("WANDB_MODE", "offline")
        yield


@pytest.fixture(scope="module")
def sweep(trained_server: str) -> Iterator[Sweep]:
    """Of the module's own: two trials are complete, one is pruned after an epoch."""
    with Client(trained_server) as client:
        space = {"hidden_units": [2, 8, 16], "epochs": 4, "learning_rate": 0.5}
        pruner = {"name": "one_epoch", "keep": 2}
        fields: dict[str, Any] = {"dataset": "digits", "sampler": "grid", "seeds": 2, "pruner": pruner}
        yield client.sweep("to W&B", space=space, tags=["thesis"], **fields).wait(timeout=120)


def records(folder: Path) -> list[Any]:
    """What the run in this folder wrote, in its order, once W&B's own process has written its end."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("*.wandb")

    def whole() -> list[Any]:
        with suppress(AssertionError, struct.error):  # a piece that is being written
            written = [Record.FromString(message) for message in messages(path.read_bytes())]
            if any(record.WhichOneof("record_type") == "exit" for record in written):
                return written
        return []

    return wait_until(whole)  # W&B's own process writes the end after it was told to


def messages(content: bytes) -> Iterator[bytes]:
    """Those in a log as LevelDB writes it, behind W&B's mark: in blocks, a long one in several pieces, each checked."""
    assert content[:4] == b":W&B"
    place, message = 7, b""
    while place + PIECE_HEADING <= len(content):
        if BLOCK - place % BLOCK < PIECE_HEADING:  # the rest of a block that is too short for a piece
            place += BLOCK - place % BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, place)
        piece = content[place + PIECE_HEADING :][:length]
        if len(piece) < length:  # not written yet
            return
        assert zlib.crc32(bytes([kind]) + piece) == checksum
        place += PIECE_HEADING + length
        message = piece if kind in (WHOLE, FIRST) else message + piece
        if kind in (WHOLE, LAST):
            yield message


def run_of(folder: Path) -> Any:
    """The run itself."""
    return next(record.run for record in records(folder) if record.WhichOneof("record_type") == "run")


def history(folder: Path, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric."""
    rows = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records(folder)
        if record.WhichOneof("record_type") == "history"
    ]
    return [(row["_step"], row[metric]) for row in rows if metric in row]


def exit_codes(folder: Path) -> list[int]:
    """With which the run ended."""
    return [record.exit.exit_code for record in records(folder) if record.WhichOneof("record_type") == "exit"]


def config_of(run: Any) -> dict[str, Any]:
    return {item.key: json.loads(item.value_json) for item in run.config.update}


def test_trials_are_runs_with_their_curves(sweep: Sweep, tmp_path: Path) -> None:
    """Each with its configuration, its state and every epoch of each seed."""
    export = sweep.to_wandb("widths", folder=tmp_path)
    assert (export.project, export.runs, export.has_model) == ("widths", 3, True)
    states = []
    for place in map(Path, export.places):
        assert place.is_relative_to(tmp_path)
        run = run_of(place)
        config = config_of(run)
        facts = config.pop("perceptune")
        trial = sweep.trial(int(facts["trial"]))
        assert (run.project, run.display_name, run.run_group) == (
            "widths",
            f"trial {trial.number}",
            f"sweep {sweep.id}: to W&B",
        )
        assert trial.params is not None
        assert {name: config[name] for name in trial.params} == trial.params
        assert facts["tags"] == "thesis"
        states.append(facts["state"])
        assert set(run.tags) == {facts["state"], *(["best"] if trial.number == sweep.best.number else [])}
        for seed in range(2):
            curve = [(point.epoch, point.val_accuracy) for point in sweep.curves(trial.number) if point.run == seed]
            assert history(place, f"run_{seed}/val_accuracy") == curve
        assert [value for _, value in history(place, "value")] == [trial.value]
        assert exit_codes(place) == [0]  # a pruned trial did not fail
    assert sorted(states) == ["complete", "complete", "pruned"]


def test_the_best_network_is_an_artifact(sweep: Sweep, tmp_path: Path) -> None:
    """Of the one run that says so; its file is there, and predicts."""
    places = map(Path, sweep.to_wandb("widths", folder=tmp_path).places)
    (best,) = [place for place in places if "best" in run_of(place).tags]
    (artifact,) = [
        record.request.log_artifact.artifact if record.WhichOneof("record_type") == "request" else record.artifact
        for record in records(best)
        if "artifact" in str(record.WhichOneof("record_type"))
    ]
    (entry,) = artifact.manifest.contents
    assert (artifact.type, entry.path) == ("model", "model.safetensors")
    model = Model.load(entry.local_path)
    assert model.content == sweep.model().content
    assert model.predict([[0.0] * 64]) == sweep.model().predict([[0.0] * 64])


def test_a_run_that_could_not_be_written_has_ended(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that failed, and does not go on until the program ends."""
    monkeypatch.setattr(wandb_export, "MODEL_FILE", "no_folder/model.safetensors")
    with pytest.raises(WandbError, match="No such file"):
        sweep.to_wandb("widths", folder=tmp_path)
    places = [path.parent for path in tmp_path.glob("wandb/offline-run-*/*.wandb")]
    assert [exit_codes(place) for place in places if "best" in run_of(place).tags] == [[1]]


def test_a_trial_is_the_same_run_however_often_it_is_written(sweep: Sweep, tmp_path: Path) -> None:
    """By its id, also by the twin in asyncio; another sweep's trials are others."""

    async def export() -> Any:
        async with AsyncClient(sweep._client.url) as client:
            return await (await client.get(sweep.id)).to_wandb("widths", folder=tmp_path / "twin")

    exports = [sweep.to_wandb("widths", folder=tmp_path / "first"), finished(export())]
    first_ids, twin_ids = ({run_of(Path(place)).run_id for place in export.places} for export in exports)
    assert len(first_ids) == 3
    assert first_ids == twin_ids


def test_the_command_says_what_it_did_or_why_it_can_not(sweep: Sweep, tmp_path: Path) -> None:
    """In a sentence each, with exit code 1 where it can't."""

    def perceptune(*arguments: str, **variables: str) -> tuple[int, str]:
        path = os.pathsep.join([str(ROOT / "client" / "src"), os.environ.get("PYTHONPATH", "")])
        answer = say("export-wandb", *arguments, PERCEPTUNE_URL=sweep._client.url, PYTHONPATH=path, **variables)
        assert "Traceback" not in answer.stderr
        return answer.returncode, answer.stdout or answer.stderr

    online = {"WANDB_MODE": "online", "WANDB_API_KEY": "", "WANDB_BASE_URL": "http://127.0.0.1:9"}
    code, words = perceptune(str(sweep.id), "widths", "--offline", "--folder", str(tmp_path), **online)
    assert (code, words.splitlines()[0]) == (0, "Project 'widths': 3 runs written.")
    assert all(run_of(Path(place)).project == "widths" for place in words.splitlines()[1:])
    assert perceptune("1000000", "widths")[0] == 1
    code, words = perceptune(str(sweep.id), "widths", "--folder", str(tmp_path), **online)
    assert (code, words.count("\n")) == (1, 1), words
    assert words.startswith("perceptune: W&B's client can't write widths: ")
    with pytest.raises(WandbError, match="can't write a/b:"):
        sweep.to_wandb("a/b", folder=tmp_path)
