"""What a machine says of its hardware, and what it does not."""

import time
from pathlib import Path

import torch

from worker.device import hardware


def module(width: int, size: int, speed: int) -> bytes:
    """A memory device of SMBIOS 3: its header, its data width, its size and its speed, and a few more bytes."""
    entry = bytearray(0x22)
    entry[0], entry[1] = 17, len(entry)
    entry[0x0A:0x0C] = width.to_bytes(2, "little")
    entry[0x0C:0x0E] = size.to_bytes(2, "little")
    entry[0x15:0x17] = speed.to_bytes(2, "little")
    return bytes(entry)


def test_modules_are_read_off_the_board_s_tables(tmp_path: Path) -> None:
    """An empty socket is none, and one that says nothing is left out."""
    entries = [module(64, 16384, 3200), module(0, 0, 0), module(64, 16384, 2933), b"\x11\x02"]
    for index, entry in enumerate(entries):
        (tmp_path / f"17-{index}").mkdir()
        (tmp_path / f"17-{index}" / "raw").write_bytes(entry)
    assert hardware.memory_modules(tmp_path) == [
        {"width_bits": 64, "megatransfers_per_second": 3200},
        {"width_bits": 64, "megatransfers_per_second": 2933},
    ]


def test_what_can_not_be_read_is_unknown(tmp_path: Path) -> None:
    """Without tables, or where none is filled in, and of a processor's bus anyway."""
    assert hardware.memory_modules(tmp_path / "nowhere") is None
    (tmp_path / "17-0").mkdir()
    assert hardware.memory_modules(tmp_path) is None
    assert hardware.facts(torch.device("cpu"))["memory_bus_bits"] is None


def test_the_machine_s_work_counts_that_of_this_process() -> None:
    """Its processors work for at least as long as one of its programs, to the tick that they are counted in."""
    machine, own = hardware.busy_seconds(), time.process_time()
    while time.process_time() < own + 0.3:
        pass
    after = hardware.busy_seconds()
    assert machine is not None
    assert after is not None
    assert after - machine > 0.2


def test_this_machine_has_a_name() -> None:
    """The processor's, which no machine is without, and as many threads as torch takes."""
    facts = hardware.facts(torch.device("cpu"))
    assert facts["processor"]
    assert facts["threads"] == torch.get_num_threads()
    assert facts["device"] == "cpu"
