"""The child process in which strangers' files are read: it may take so much, and the server notices nothing."""

import ctypes
import io
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.errors import BusyError, ConflictError, FieldError, InvalidError, PerceptuneError
from app.files import child
from app.files.child import Limits, run_in_child
from tests.support.sweeps.export_examples import export, rich_sweep

TIGHT = Limits(memory_bytes=256 * 2**20)


def doubled(number: int) -> dict[str, int]:
    return {"twice": 2 * number}


def refuse(field: str) -> None:
    raise ConflictError("It can't be.", [FieldError((field, 3), "is there already")])


def fail() -> None:
    raise ZeroDivisionError


def fill_memory() -> int:
    return len(bytearray(2**30))


def crash() -> None:
    ctypes.string_at(0)


def sleep_for_ever() -> None:
    time.sleep(3600)


def test_a_child_answers_and_raises_as_a_call_does() -> None:
    """Its result, and an error for the user with the field that it names."""
    assert run_in_child(doubled, 21) == {"twice": 42}
    with pytest.raises(ConflictError) as raised:
        run_in_child(refuse, "name")
    assert (raised.value.detail, raised.value.errors) == (
        "It can't be.",
        (FieldError(("name", 3), "is there already"),),
    )
    with pytest.raises(PerceptuneError, match="a bug of the server"):
        run_in_child(fail)


@pytest.mark.parametrize("work", [fill_memory, crash])
def test_a_child_that_takes_too_much_memory_is_an_error_of_the_file(work: Any) -> None:
    """Also where it is gone without a word."""
    with pytest.raises(InvalidError, match=r"takes more than 0\.25 GiB of memory"):
        run_in_child(work, limits=TIGHT)


def end_as_the_system_would() -> None:
    assert int(Path("/proc/self/oom_score_adj").read_text()) == 1000
    os.kill(os.getpid(), signal.SIGKILL)


def test_where_memory_ends_the_system_ends_the_child_and_not_the_server() -> None:
    """That is no fault of the file, and is said so."""
    with pytest.raises(BusyError, match="lacks memory to read the file now: try again later, or export"):
        run_in_child(end_as_the_system_would)


def compute_for_ever() -> None:
    while True:
        pass


def test_a_child_may_wait_for_longer_than_it_may_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others compute too; and one that computes for too long is told so, though nobody looks at a clock."""
    monkeypatch.setattr(child, "WAITING", 600)
    with pytest.raises(InvalidError, match="takes more than 1 seconds to read"):
        run_in_child(compute_for_ever, limits=Limits(seconds=1))


def test_a_child_that_takes_too_long_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(InvalidError, match=r"takes more than 0\.5 seconds to read"):
        run_in_child(sleep_for_ever, limits=Limits(seconds=0.5))
    assert time.monotonic() - begin < 30


def bomb(client: TestClient, engine: Engine, rows: int, text_bytes: int) -> bytes:
    """A small Parquet file with the columns of an export, in which one long text stands in every row."""
    table = pyarrow.parquet.read_table(io.BytesIO(export(client, rich_sweep(engine), "parquet").content))
    arrays: list[Any] = [pyarrow.nulls(rows, field.type) for field in table.schema]
    long_text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows), pyarrow.array(["x" * text_bytes]))
    arrays[table.schema.get_field_index("error")] = long_text
    wide_table = pyarrow.table(arrays, names=table.schema.names)
    file = io.BytesIO()
    options: dict[str, Any] = {"compression": "zstd", "store_schema": False, "write_statistics": False}
    with pyarrow.parquet.ParquetWriter(file, wide_table.schema, use_dictionary=["error"], **options) as writer:
        writer.write_table(wide_table)
        writer.add_key_value_metadata(table.schema.metadata)
    return file.getvalue()


def peak_memory() -> int:
    """The most bytes that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(("rows", "words"), [(1_000, "must be a list of 1 to"), (4_000, "1 GiB once it is unpacked")])
def test_a_file_that_unpacks_to_gigabytes_takes_nothing_of_the_server(
    client: TestClient, engine: Engine, rows: int, words: str
) -> None:
    """It is refused with a sentence, by a process of its own."""
    content = bomb(client, engine, rows, text_bytes=2**19)
    assert len(content) < 2**20
    before = peak_memory()
    answer = client.post("/api/v1/sweeps/import", content=content)
    assert answer.status_code == 422, answer.text
    assert words in answer.text
    assert peak_memory() - before < 100 * 2**20


def test_an_import_that_ends_at_a_limit_leaves_nothing(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document of very many lists takes too much memory; nothing is stored, and the next import works."""
    with monkeypatch.context() as tight:
        tight.setattr(child, "LIMITS", TIGHT)
        answer = client.post("/api/v1/sweeps/import", content=b'{"a": [' + b"[]," * 2**23 + b"[]]}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("The file takes more than 0.25 GiB of memory")
    assert client.get("/api/v1/sweeps").json()["items"] == []
    whole = export(client, rich_sweep(engine)).content
    assert client.post("/api/v1/sweeps/import", content=whole).status_code == 201
