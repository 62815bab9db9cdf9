"""The pulse of a worker: what a container's health check reads of its heartbeat and of its loop."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from app.broker import DatabaseBroker
from app.config import Settings
from tests.support.queue_examples import new_worker
from tests.support.waiting import wait_until
from worker.context import Context
from worker.liveness.heartbeat import keep_alive
from worker.liveness.pulse import BEATS, LOOP_SECONDS, Pulse, complaint


def test_a_heart_that_beats_beside_a_hung_loop_is_not_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that waits for ever uses no processor, and that is seen."""
    file, release, now = tmp_path / "pulse", threading.Event(), time.monotonic()
    loop = threading.Thread(target=release.wait)
    loop.start()
    pulse = Pulse(file, loop, every_seconds=10)
    wait_until(lambda: Path(f"/proc/self/task/{loop.native_id}/stat").read_text().rpartition(")")[2].split()[0] == "S")
    pulse.beat()
    assert complaint(file) is None
    monkeypatch.setattr(time, "monotonic", lambda: now + LOOP_SECONDS + 60)
    pulse.beat()
    assert "The heart beats, and the loop has done nothing for" in str(complaint(file))
    release.set()
    loop.join()


def test_a_loop_that_works_is_alive_however_long_an_epoch_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two heartbeats it has used the processor, and more is not asked."""
    file, now = tmp_path / "pulse", time.monotonic()
    pulse = Pulse(file, threading.current_thread(), every_seconds=10)
    pulse.beat()
    monkeypatch.setattr(time, "monotonic", lambda: now + LOOP_SECONDS + 60)
    pulse.beat()
    assert complaint(file) is None


def test_a_pulse_that_is_old_says_how_old(tmp_path: Path) -> None:
    """As many beats may be missing as `BEATS` says."""
    file = tmp_path / "pulse"
    moments = {"every": 10, "heartbeat": time.monotonic() - 10 * BEATS - 2, "loop": time.monotonic()}
    file.write_text(json.dumps(moments))
    assert "No heartbeat for 4" in str(complaint(file))


def test_a_full_disk_does_not_end_the_heartbeat(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pulse that can't be written is a warning."""
    Pulse(tmp_path / "missing" / "pulse", threading.current_thread(), every_seconds=10).beat()
    assert "the pulse could not be written" in caplog.text


class OnceFaultyBroker(DatabaseBroker):
    """A broker whose first heartbeat raises an error that nobody foresaw."""

    beats = 0

    def heartbeat(self, *arguments: Any, **further_arguments: Any) -> set[int]:
        self.beats += 1
        if self.beats == 1:
            raise RuntimeError("nobody foresaw this")
        return super().heartbeat(*arguments, **further_arguments)


def test_no_error_ends_the_heartbeat(engine: Engine, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which, and the next beat is heard."""
    stopping = threading.Event()
    broker = OnceFaultyBroker(engine, stopping, new_worker(engine))
    context = Context(settings.model_copy(update={"lease_seconds": 1}), broker, torch.device("cpu"), stopping=stopping)
    heart = threading.Thread(target=keep_alive, args=(context, threading.current_thread()))
    heart.start()
    try:
        wait_until(lambda: broker.beats > 1 or not heart.is_alive())
    finally:
        stopping.set()
        heart.join()
    assert broker.beats > 1
    assert "nobody foresaw this" in caplog.text
