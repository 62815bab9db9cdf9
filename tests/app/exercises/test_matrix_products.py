from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, geometric_mean, stdev
from typing import Any

import pytest
from sqlalchemy import Engine

from app.charts.rows import Axis, RunRow, SweepRow, TrialRow
from app.db.engine import transaction
from app.domain.objectives import Objective
from app.exercises.answers.finding import Answer, Finding
from app.exercises.exercise import SweepData
from app.exercises.matrix_products.exercise import answer, sweeps
from app.exercises.matrix_products.figures import close_figure
from app.exercises.matrix_products.speeds import GPU, GPU_MEMORY, MEMORY, NARROW, PRODUCTS
from app.sweeps.exercises import results, runs
from tests.support.sweeps.exercise_runs import Body, run_small
from tests.support.worker_processes import Nursery

AXES = {"size": Axis("size")}
SWEEP = SweepRow("products", "fashion_mnist", "holdout", Objective("gflops"), 3, AXES, task="time_matmul")
BANDWIDTH = SweepRow("memory", "fashion_mnist", "holdout", Objective("gigabytes_per_second"), 3, {}, task="time_memory")
FACTS: dict[str, Any] = {
    "device": "cpu",
    "processor": "a chip",
    "threads": 1,
    "alone": True,
    "load_before": [0.5, 0.4, 0.3],
    "cache_bytes": 2**25,
    "memory_bus_bits": None,
    "memory_modules": None,
}
NO_GPU = "there is no GPU that this worker may use"


def trial(size: int, *values: float, device: str = "cpu", dtype: str = "float32") -> TrialRow:
    params = {"size": size, "dtype": dtype, "device": device}
    runs = tuple(RunRow(repeat, value) for repeat, value in enumerate(values))
    return TrialRow(size, "complete", params, fmean(values), stdev(values), runs, circumstances=FACTS)


def moved(operation: str, *values: float, facts: Mapping[str, Any] = FACTS) -> TrialRow:
    runs = tuple(RunRow(repeat, value) for repeat, value in enumerate(values))
    params = {"operation": operation, "threads": 1}
    circumstances = {**facts, "array_bytes": 2**27}
    return TrialRow(0, "complete", params, fmean(values), stdev(values), runs, circumstances=circumstances)


def failed(error: str) -> TrialRow:
    return TrialRow(0, "failed", {"size": 1024, "device": "gpu"}, None, None, error=error)


FAST, SLOW = (80.0, 81.0, 82.0), (40.0, 40.5, 41.0)
TRIALS = [trial(size, *(FAST if size % 8 == 0 else SLOW)) for size in (1016, 1022, 1023, 1024, 1025, 1026, 1028, 1032)]
STREAM = (moved("copy", 9.0, 10.0, 11.0), moved("triad", 19.0, 20.0, 21.0))


def answered(products: list[TrialRow] = TRIALS, **trials: list[TrialRow]) -> Answer:
    data = {
        name: SweepData(BANDWIDTH if "memory" in name else SWEEP, trials.get(name, []))
        for name in (NARROW, GPU, MEMORY, GPU_MEMORY)
    }
    said = answer({PRODUCTS: SweepData(SWEEP, products), **data})
    assert said is not None
    return said


def finding(said: Answer, name: str) -> Finding:
    return next(finding for finding in said.findings if finding.name == name)


def test_misaligned_sizes_are_compared_with_aligned_ones() -> None:
    """Half as fast at every size: clear over the sizes, and the answer says that there was no GPU."""
    said = answered(gpu=[failed(NO_GPU)])
    assert said.sentence == (
        "On the processor, misaligned matrices (of a size that is not divisible by 8) are multiplied clearly slower "
        "than aligned ones: at 0.50 times (0.50 to 0.50 with 95 % confidence, 5 misaligned and 3 aligned sizes) the "
        "speed. Of the sizes that the exercise names, the aligned 1,032 has 2.00 times (1.95 to 2.05 with 95 % "
        "confidence, 3 repeats) the speed of the misaligned 1,025, 1,026 and 1,028: clear at 3 repeats. A GPU was not "
        "measured: there is no GPU that this worker may use."
    )
    over_all = finding(said, "misaligned_cpu")
    assert over_all.estimate == pytest.approx(0.5, rel=1e-3)
    assert over_all.interval == pytest.approx((0.5, 0.5), rel=1e-3)
    assert (over_all.n, over_all.unit) == (8, "times")
    assert [item.name for item in said.main_findings[:2]] == ["misaligned_cpu", "named_sizes_float32_cpu"]
    assert "rests on 3 aligned sizes and 5 misaligned sizes around 1 power of two" in said.certainty
    assert said.certainty.endswith(
        " Single sizes differ: not divisible by 8 from 0.50 (size 1,022) to 0.50 times (1,028), divisible by 8 from "
        "1.00 (size 1,016) to 1.00 times (1,032) the speed of the nearest power of two."
    )
    assert any("share its error" in caveat for caveat in said.caveats)
    assert said.caveats[0].startswith("Not tested: a GPU, matrices that are not square, other libraries and other num")
    next_size = finding(said, "size_cpu_plus_1")
    assert next_size.estimate == pytest.approx(0.5)
    assert "40.50 ± 0.50 GFLOP/s" in next_size.text
    assert "clear at 3 repeats" in next_size.text
    assert finding(said, "gpu_to_cpu").estimate is None


def test_of_the_five_named_sizes_it_is_said_whether_the_aligned_one_is_faster() -> None:
    """1,032 is as fast as 1,024 here; where it is as slow as the three between, only 1,024 stands out."""
    text = finding(answered(), "named_sizes_float32_cpu").text
    assert (
        "1,025, 1,026 and 1,028 have 0.500 to 0.500 times the speed of 1,024, and the aligned 1,032 has 1.000." in text
    )
    assert text.endswith(
        "That is 2.00 times (1.95 to 2.05 with 95 % confidence, 3 repeats) the speed of the misaligned "
        "three, clear at 3 repeats."
    )
    slow = [item for item in TRIALS if item.number != 1032] + [trial(1032, *SLOW)]
    named = finding(answered(slow), "named_sizes_float32_cpu")
    assert named.estimate == pytest.approx(1)
    assert named.text.endswith("the speed of the misaligned three, not clear at 3 repeats: only 1,024 stands out.")
    assert "1,026 and 1,028: not clear at 3 repeats; only 1,024 stands out. A GPU" in answered(slow).sentence


def test_a_type_in_which_misaligned_sizes_have_another_part_of_the_speed_is_said() -> None:
    """A quarter of the speed in bfloat16, where float32 has half of it."""
    sizes = (1024, 1025, 1026, 1028, 1032)
    narrow = [
        trial(
            size,
            *(4 * value / (1 if size % 8 == 0 else 2) for value in (FAST if size % 8 == 0 else SLOW)),
            dtype="bfloat16",
        )
        for size in sizes
    ]
    text = finding(answered(bfloat16=narrow), "named_sizes_bfloat16_cpu").text
    assert text.endswith(
        " Together the three have 0.250 times the speed of 1,024, in float32 0.500: that these differ is clear at 3 "
        "repeats."
    )


def test_sizes_that_others_disturbed_settle_nothing() -> None:
    """One of eight is more than a tenth: sizes that are timed one after the other share what disturbed them."""
    busy = [item._replace(circumstances=FACTS | {"processor_share": 0.5}) for item in TRIALS[:1]]
    disturbed = answered(busy + TRIALS[1:]).sentence
    assert ": not settled, as other programs had much of the processor at 1 of the 8 sizes. Of the sizes" in disturbed
    assert "and 1,028: clear at 3 repeats, for these were timed undisturbed. A GPU" in disturbed
    over_all = finding(answered(busy + TRIALS[1:]), "misaligned_cpu")
    assert "not settled (the interval leaves out 1, but other programs had much of the processor)." in over_all.text
    both = [item._replace(circumstances=FACTS | {"processor_share": 0.5}) for item in TRIALS]
    assert "and 1,028: not settled. A GPU" in answered(both).sentence
    assert "Single sizes differ: not divisible by 8 from 0.50 (size 1,022)" in answered(busy + TRIALS[1:]).certainty


def test_the_few_sizes_that_others_disturbed_are_left_out() -> None:
    """A fifth of its speed because others had the processor says nothing of 1,023; the rest is clear without it."""
    slow = trial(1023, 8.0, 8.1, 8.2)._replace(circumstances=FACTS | {"processor_share": 0.5})
    many = [trial(size, *FAST) for size in range(256, 336, 8)]
    said = answered([item for item in TRIALS if item.number != 1023] + many + [trial(257, *SLOW), slow])
    assert "at 0.50 times (0.50 to 0.50 with" in said.sentence
    assert "clearly slower" in said.sentence
    assert (
        "; 1 size that other programs disturbed is left out. Single sizes differ: not divisible by 8 from 0.50"
    ) in said.certainty
    assert finding(said, "misaligned_cpu").text.endswith(
        "Of the aligned ones' speed, misaligned sizes have 0.500 around 256 and 0.500 around 1,024."
    )
    assert any("In 1 of 1 trial others had more than a tenth." in caveat for caveat in said.caveats)


def test_a_difference_within_the_noise_is_not_clear() -> None:
    """The interval holds 1."""
    said = answered([trial(1024, 70.0, 80.0, 90.0), trial(1025, 72.0, 78.0, 89.0), trial(1032, 71.0, 80.0, 88.0)])
    assert "not clear at 3 repeats" in finding(said, "size_cpu_plus_1").text


def test_devices_and_types_are_compared_where_they_are() -> None:
    """At the same size, with their ratio."""
    on_gpu = [trial(1024, 8000.0, 8100.0, 8200.0, device="gpu"), trial(1025, 8000.0, 8100.0, 8200.0, device="gpu")]
    on_gpu.append(trial(1024, 16000.0, 16200.0, 16400.0, device="gpu", dtype="bfloat16"))
    said = answered(gpu=on_gpu, bfloat16=[trial(1024, 400.0, 405.0, 410.0, dtype="bfloat16")])
    assert finding(said, "gpu_to_cpu").estimate == pytest.approx(100)
    assert finding(said, "bfloat16_cpu").estimate == pytest.approx(5)
    assert finding(said, "bfloat16_gpu").estimate == pytest.approx(2)
    assert "On the GPU, " in said.sentence
    assert "1.000 times (1 misaligned and 1 aligned size, so nobody knows its spread)" in said.sentence
    assert {row[0] for row in said.rows} == {"cpu", "gpu"}


def test_a_type_that_is_not_there_is_said() -> None:
    """With the reason."""
    assert "bfloat16 was not measured on the processor: it has none." in answered(bfloat16=[failed("it has none")]).text


def test_the_width_of_the_bus_is_derived_and_said_to_be() -> None:
    """20 GB/s at 3,200 million transfers a second need 50 bits, which is one channel of 64."""
    said = answered(memory=[*STREAM])
    assert said.sentence.endswith(
        "The processor's memory moves 20.00 ± 1.00 GB/s in the fastest operation timed (mean ± standard deviation of 3 "
        "repeats); how wide its bus is can't be read here."
    )
    assert (
        "GB/s by triad, the fastest operation, 3 repeats, on 1 thread, with arrays of 128 MiB, 4.0 times" in said.text
    )
    assert "Other programs" not in finding(said, "bandwidth_cpu").text
    busy = answered(memory=[moved("triad", 19.0, 20.0, 21.0, facts=FACTS | {"processor_share": 0.5})])
    assert finding(busy, "bandwidth_cpu").text.endswith(" Other programs had much of the processor meanwhile.")
    assert "deviation of 3 repeats, beside other programs); how wide" in busy.sentence
    width = finding(said, "bus_bits_cpu_derived")
    assert width.estimate == pytest.approx(50)
    assert width.unit == "bits at least, were it DDR4-3200"
    assert "only for memory of an assumed kind" in width.text
    assert "at least 50 bits, so at least 1 channel of 64" in width.text


def test_a_bit_more_than_two_channels_needs_three() -> None:
    """51.4 GB/s need 128.5 bits: no fewer than 129, and three channels of 64."""
    said = answered(memory=[moved("copy", 51.3, 51.4, 51.5)])
    text = finding(said, "bus_bits_cpu_derived").text
    assert "at least 129 bits, so at least 3 channels of 64" in text


def test_the_width_of_the_bus_is_read_where_it_can_be() -> None:
    """From the board's tables for a processor, from the driver for a GPU."""
    module = {"width_bits": 64, "megatransfers_per_second": 3200}
    board = FACTS | {"memory_modules": [module, module]}
    gpu = FACTS | {"device": "a GPU", "memory_bus_bits": 5120, "threads": None}
    said = answered(
        memory=[moved("copy", 9.0, 10.0, 11.0, facts=board)], gpu_memory=[moved("copy", 900.0, 910.0, 920.0, facts=gpu)]
    )
    assert "2 modules of memory of 64 bits each, 128 together" in finding(said, "bus_bits_cpu").text
    assert finding(said, "bus_bits_gpu").estimate == 5120
    assert "its modules are 128 bits wide together." in said.sentence
    assert "by its driver its bus is 5,120 bits wide." in said.sentence
    assert "bus_bits_cpu_derived" not in said.figures


def test_the_book_s_sizes_are_in_both_presets() -> None:
    """With denser sizes around them and around other powers of two."""
    for preset in ("quick", "full"):
        sizes = sweeps(preset)[PRODUCTS]["space"]["size"]
        assert {1024, 1025, 1026, 1028, 1032, 512, 513, 2048, 2049} <= {*sizes}


def test_the_chart_tells_aligned_sizes_apart() -> None:
    """By name, side by side, with the unit on the axis."""
    empty = {name: SweepData(SWEEP) for name in (NARROW, GPU, MEMORY, GPU_MEMORY)}
    figure = close_figure({PRODUCTS: SweepData(SWEEP, TRIALS), **empty})
    assert figure.layout.yaxis.title.text == "Speed of the product (GFLOP/s)"
    assert {trace.name for trace in figure.data} == {"cpu, divisible by 8", "cpu, not divisible by 8"}


def test_a_small_run(nursery: Nursery, engine: Engine, tmp_path: Path) -> None:
    """What the answer says of real repeats is what their rows say; there is no GPU for the tests' worker."""

    def smaller(name: str, body: Body) -> Body:
        changes: dict[str, Body] = {
            PRODUCTS: {"size": [63, 64, 65, 72]},
            NARROW: {"size": [64]},
            GPU: {"size": [64], "dtype": "float32"},
            MEMORY: {"operation": ["copy", "triad"], "array_mib": 1, "threads": 1},
            GPU_MEMORY: {"operation": "copy", "array_mib": 1},
        }
        return body | {"space": body["space"] | changes[name], "seeds": 3}

    run = run_small(nursery, engine, tmp_path, 7, smaller)
    values = {item.params["size"]: [r.value or 0.0 for r in item.runs] for item in run.data[PRODUCTS].trials}
    next_size = run.finding("size_cpu_plus_1")
    assert next_size.estimate == pytest.approx(geometric_mean(values[65]) / geometric_mean(values[64]))
    assert run.finding("speed_cpu").estimate == pytest.approx(fmean(values[64]))
    bandwidth = max(item.value or 0.0 for item in run.data[MEMORY].trials)
    assert run.finding("bandwidth_cpu").estimate == pytest.approx(bandwidth)
    assert run.finding("bus_bits_cpu_derived").estimate == pytest.approx(bandwidth * 2.5)
    assert NO_GPU in run.answer.sentence
    assert len(run.answer.rows) in (4, 5)  # with bfloat16 where the processor has it
    assert all(run.charts.values())
    with transaction(engine) as session:
        assert runs.summaries(session, 7)[0].state == "completed"
        assert results.view(session, runs.get(session, 7, run.id)).state == "completed"
