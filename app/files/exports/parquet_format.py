"""The Parquet format: typed columns, and the sweep's facts in the metadata `perceptune.sweep`."""

import json
from collections.abc import Generator, Iterator
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from app.errors import InvalidError, in_short
from app.files.exports import table
from app.files.exports.fields import Field, import_error
from app.files.exports.records import FORMAT, SweepRecord

if TYPE_CHECKING:
    import pyarrow

MEDIA_TYPE = "application/vnd.apache.parquet"
MAGIC = b"PAR1"
ROWS_A_GROUP = 20_000
ROWS_A_BATCH = 500  # read at once
MAX_ROWS = 10_000_000
MAX_BYTES = 2**30  # unpacked


def write(record: SweepRecord) -> Generator[bytes]:
    """The file, a group of rows at a time."""
    # here, not above: it takes 0.2 s and 60 MB that a server may never need
    import pyarrow
    from pyarrow import parquet

    columns = table.columns(record)
    schema = pyarrow.schema(
        [(column.name, _type(column)) for column in columns], metadata={FORMAT: json.dumps(record.header)}
    )
    output = _Output()
    rows = table.rows(record)
    with parquet.ParquetWriter(pyarrow.PythonFile(output, mode="w"), schema, compression="zstd") as writer:
        while group := list(islice(rows, ROWS_A_GROUP)):
            cells = zip(*group, strict=True)
            arrays = [_array(column, values) for column, values in zip(columns, cells, strict=True)]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield output.take()
    yield output.take()


class _Output:
    """A file that hands on what is written to it."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _type(column: Field) -> "pyarrow.DataType":
    import pyarrow

    types = {
        "integer": pyarrow.int64(),
        "float": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", "UTC"),
    }
    return types.get(column.kind, pyarrow.string())


def _array(column: Field, values: tuple[Any, ...]) -> "pyarrow.Array":
    import pyarrow

    cells: Any = values
    if column.kind == "time":
        cells = [value and datetime.fromisoformat(value) for value in values]
    if column.kind == "float":
        cells = [None if value is None else float(value) for value in values]
    return pyarrow.array(cells, _type(column))


def read(file: IO[bytes]) -> dict[str, Any]:
    """The document of the table. Raises InvalidError that names what is wrong or lost."""
    import pyarrow
    from pyarrow import parquet

    try:
        parquet_file = parquet.ParquetFile(file)
        header = json.loads((parquet_file.schema_arrow.metadata or {}).get(FORMAT.encode(), b"null"))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise import_error((), f"is no Parquet that can be read: {in_short(error)}") from None
    if not isinstance(header, dict):
        raise import_error(
            ("schema", FORMAT), "is missing: the file is no export, or was written anew without its metadata"
        )
    size = sum(parquet_file.metadata.row_group(index).total_byte_size for index in range(parquet_file.num_row_groups))
    if parquet_file.metadata.num_rows > MAX_ROWS or size > MAX_BYTES:
        raise _too_large()
    names = parquet_file.schema_arrow.names
    for column in table.checked_columns(names):
        file_type, our_type = parquet_file.schema_arrow.field(column.name).type, _type(column)
        if file_type != our_type:
            raise import_error((column.name,), f"must be a column of {our_type}, not of {file_type}")
    try:
        return table.document(header, _rows(parquet_file, names))
    except (pyarrow.ArrowException, OSError) as error:
        raise import_error((), f"is no Parquet that can be read: {in_short(error)}") from None


def _too_large() -> InvalidError:
    return import_error((), f"may have at most {MAX_ROWS:,} rows and {MAX_BYTES / 2**30:g} GiB once it is unpacked")


def _rows(parquet_file: "pyarrow.parquet.ParquetFile", names: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    place = 0
    decoded_bytes = 0
    for batch in parquet_file.iter_batches(ROWS_A_BATCH, use_threads=False):
        decoded_bytes += batch.nbytes  # a text that stands once in the file may stand in every row
        if decoded_bytes > MAX_BYTES:
            raise _too_large()
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            place += 1
            yield place, dict(zip(names, cells, strict=True))
