"""The task `time_matmul`: how fast a device multiplies two square matrices."""

from app.domain.datasets import DatasetInfo
from app.domain.hyperparameters import Category, Hyperparameter, Number
from app.domain.tasks.task import Metric, Params, Task, completed_by

DTYPES = ("float32", "tf32", "bfloat16")
PLACES = ("worker", "cpu", "gpu")
MAX_SIZE = 32_768
MAX_THREADS = 1_024
REPEAT_SECONDS = 0.1  # a repeat is at least as long, so that the clock is exact: as many products as that takes
_BOOK = "Dive into Deep Learning 5.2.4, exercise 7"
_CORE_FLOPS = 5e10  # floating-point operations that a core does in a second, roughly
_SETUP_SECONDS = 0.2

WHERE: dict[str, Hyperparameter] = {
    "device": Hyperparameter(
        Category(PLACES),
        "where it is measured: on the worker's own device, or on the processor or the GPU of the worker's machine",
        "",
        _BOOK,
        "worker",
    ),
    "threads": Hyperparameter(
        Number(0, MAX_THREADS, whole=True),
        "threads on a processor; 0 takes a thread for each of its cores. A GPU has its own",
        "",
        "torch.set_num_threads",
        1,
    ),
}

PARAMETERS: dict[str, Hyperparameter] = {
    "size": Hyperparameter(
        Number(1, MAX_SIZE, whole=True), "rows and columns n of both matrices", "2 n³ operations", _BOOK, 1024
    ),
    "dtype": Hyperparameter(
        Category(DTYPES),
        "type of the numbers; tf32 is float32 whose factors are rounded to 10 bits, which NVIDIA GPUs have",
        "",
        "torch.mm",
        "float32",
    ),
    **WHERE,
}

_complete = completed_by(PARAMETERS)


def operations(size: int) -> float:
    """Floating-point operations of a product of two square matrices."""
    return 2.0 * size**3


def _of_seconds(params: Params, _: DatasetInfo, seconds: float) -> dict[str, float]:
    """`seconds`: of one product."""
    return {"gflops": operations(_complete(params)["size"]) / seconds / 1e9, "seconds": seconds}


def _cost(params: Params, _: DatasetInfo) -> float:
    return _SETUP_SECONDS + max(REPEAT_SECONDS, 2 * operations(_complete(params)["size"]) / _CORE_FLOPS)


TIME_MATMUL = Task(
    name="time_matmul",
    meaning="times the product of two square matrices",
    hyperparameters=PARAMETERS,
    metrics={
        "gflops": Metric("Speed of the product", maximize=True, unit="GFLOP/s"),
        "seconds": Metric("Time", maximize=False, unit="s"),
    },
    complete=_complete,
    cost=_cost,
    of_seconds=_of_seconds,
    takes_data=False,
)
