"""The task `time_memory`: how fast a device reads and writes its memory, as the benchmark STREAM counts it."""

from app.domain.datasets import DatasetInfo
from app.domain.hyperparameters import Category, Hyperparameter, Number
from app.domain.tasks.task import Metric, Params, Task, completed_by
from app.domain.tasks.time_matmul import WHERE

ARRAYS = {"copy": 2, "scale": 2, "add": 3, "triad": 3}
MAX_ARRAY_MIB = 65_536
_USUAL_MIB = 512  # of an array, where its size is left to the worker, roughly
_BYTES_A_SECOND = 5e9  # that a core moves, roughly
_BOOK = "Dive into Deep Learning 5.2.4, exercise 7"

PARAMETERS: dict[str, Hyperparameter] = {
    "operation": Hyperparameter(
        Category(tuple(ARRAYS)),
        "what is done with arrays of float32: copy a = b; scale a = s b; add a = b + c; triad a = b + s c",
        "bytes: each array that is read or written, once",
        "McCalpin, STREAM",
        "copy",
    ),
    "array_mib": Hyperparameter(
        Number(0, MAX_ARRAY_MIB, whole=True),
        "MiB of each array; 0 takes four times the last cache, but no more than an eighth of the free memory",
        "",
        _BOOK,
        0,
    ),
    **WHERE,
}

_complete = completed_by(PARAMETERS)


def _of_seconds(params: Params, _: DatasetInfo, seconds: float) -> dict[str, float]:
    """`seconds`: in which each array moves 10^9 bytes."""
    return {"gigabytes_per_second": ARRAYS[_complete(params)["operation"]] / seconds}


def _cost(params: Params, _: DatasetInfo) -> float:
    complete = _complete(params)
    size = ARRAYS[complete["operation"]] * 2**20 * (complete["array_mib"] or _USUAL_MIB)
    return 0.1 + 2 * size / _BYTES_A_SECOND


TIME_MEMORY = Task(
    name="time_memory",
    meaning="times reading and writing of memory",
    hyperparameters=PARAMETERS,
    metrics={"gigabytes_per_second": Metric("Memory bandwidth", maximize=True, unit="GB/s")},
    complete=_complete,
    cost=_cost,
    of_seconds=_of_seconds,
    takes_data=False,
)
