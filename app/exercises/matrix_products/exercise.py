"""Exercise 7: how fast matrices are multiplied, by their sizes and devices, and the memory's bus."""

from typing import Any

from app.exercises.answers.finding import Answer
from app.exercises.exercise import Exercise, ExerciseChart, Measurements, Slider
from app.exercises.matrix_products.figures import close_figure, size_figure, table_rows
from app.exercises.matrix_products.findings import (
    alignment_findings,
    caveats,
    certainty,
    dtype_findings,
    first_sentence,
    gpu_findings,
    size_findings,
)
from app.exercises.matrix_products.memory_bus import bus_findings
from app.exercises.matrix_products.speeds import (
    DEVICES,
    GPU,
    GPU_MEMORY,
    MEMORY,
    NARROW,
    PRODUCTS,
    read_speeds,
)
from app.exercises.preset import Preset

BOOK_SIZES = [1024, 1025, 1026, 1028, 1032]
NEAR = [-8, -4, -2, -1, 0, 1, 2, 4, 8]  # sizes around a power of two
CLOSE = [*range(-8, 9), 12, 16]
POWERS = {"quick": [512, 2048], "full": [256, 512, 2048]}
REPEATS = {"quick": 5, "full": 9}
THREADS = {"quick": [0], "full": [1, 0]}  # 0: one for each core


def sweeps(preset: Preset) -> dict[str, dict[str, Any]]:
    """Products on the processor and on the GPU, which fail where there is none, and memory on both."""
    near = NEAR if preset == "quick" else CLOSE
    close = [1024 + offset for offset in near]
    sizes = sorted({*close} | {power + offset for power in POWERS[preset] for offset in NEAR})
    on_cpu, on_gpu = {"device": "cpu"}, {"device": "gpu"}
    memory = {"operation": ["copy", "scale", "add", "triad"]}  # arrays of four times the last cache
    spaces: dict[str, tuple[str, str, dict[str, Any]]] = {
        PRODUCTS: ("time_matmul", "products", {"size": sizes, "dtype": "float32", **on_cpu}),
        NARROW: ("time_matmul", "bfloat16", {"size": BOOK_SIZES, "dtype": "bfloat16", **on_cpu}),
        GPU: ("time_matmul", "on a GPU", {"size": close, "dtype": ["float32", "tf32", "bfloat16"], **on_gpu}),
        MEMORY: ("time_memory", "memory", {**memory, "threads": THREADS[preset], **on_cpu}),
        GPU_MEMORY: ("time_memory", "memory of a GPU", {**memory, **on_gpu}),
    }
    return {
        sweep: {
            "name": f"Exercise 7: {title} ({preset})",
            "task": task,
            "space": space,
            "sampler": "grid",
            "seeds": REPEATS[preset],
        }
        for sweep, (task, title, space) in spaces.items()
    }


def answer(measurements: Measurements) -> Answer | None:
    """What a size that is not aligned costs on each device, and what is known of the memory."""
    speeds = read_speeds(measurements)
    if not speeds:
        return None
    devices = [device for device in DEVICES if any(product.device == device for product in speeds)]
    bus = bus_findings(measurements[MEMORY], measurements[GPU_MEMORY])
    sizes = [finding for device in devices for finding in size_findings(speeds, device)]
    findings = [
        *(finding for device in devices for finding in alignment_findings(speeds, device)),
        *sizes[:1],
        *bus,
        *sizes[1:],
        *dtype_findings(speeds, measurements),
        *gpu_findings(speeds, measurements[GPU]),
    ]
    return Answer(
        sentence=first_sentence(speeds, devices, measurements),
        findings=findings,
        certainty=certainty(speeds, devices),
        caveats=caveats(measurements, devices),
        header=("device", "type", "size", "divisible by", "GFLOP/s", "times the power of two", "repeats"),
        rows=table_rows(speeds),
    )


MATRIX_PRODUCTS = Exercise(
    number=7,
    title="Matrix products and the memory's bus",
    question="How fast is the product of matrices whose sizes are aligned or misaligned (1024, 1025, 1026, 1028, "
    "1032), on a processor and on a GPU, and how wide is the memory's bus?",
    parts=("Speed by size", "Processor against GPU", "Width of the memory's bus"),
    sweeps=sweeps,
    charts=(
        ExerciseChart("near", "Speed around 1024", close_figure),
        ExerciseChart("size", "Speed by size", size_figure),
    ),
    answer=answer,
    optional=(NARROW, GPU, GPU_MEMORY),
    slider=Slider(
        "size",
        (1000, 1008, *range(1014, 1043), 1048, 1050, 1056, 1064),
        lambda preset, _: sweeps(preset)[PRODUCTS],
        "near",
        "size",
        "A float32 product on the processor, timed once as in the run.",
        action="Time one product",
    ),
    subset="27 sizes around 512, 1,024 and 2,048, 5 repeats",
    whole="46 sizes around 256 to 2,048, memory also by one thread, 9 repeats",
)
