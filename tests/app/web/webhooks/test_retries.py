"""A change that a webhook did not take is sent again for a day, and its host keeps no other one waiting."""

import json
import socket
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.db.engine import transaction
from app.web.webhooks import delivery as webhooks
from app.web.webhooks import request
from tests.support.queue_examples import at_once, change
from tests.support.up_process import up
from tests.support.waiting import wait_until
from tests.support.web.webhook_deliveries import create, deliveries, let_time_pass, send
from tests.support.web.webhook_receiver import receiving


def test_what_failed_is_sent_again_until_it_is_taken(engine: Engine) -> None:
    """After an answer of 500 and after a redirect, each time later; the same id and the same body."""
    with receiving(500, 302) as receiver:
        sweep_id = create(engine, receiver.url)
        change(engine, sweep_id, "pause")
        delays = []
        for error in ("answered 500", "answered 302; redirects are not followed"):
            assert send(engine) == 1
            (delivery,) = deliveries(engine, sweep_id)
            assert (delivery.state, delivery.error) == ("waiting", error)
            assert delivery.next_attempt_at is not None
            delays.append((delivery.next_attempt_at.timestamp() - time.time()) / webhooks.FIRST_DELAY_SECONDS)
            let_time_pass(engine)
        assert send(engine) == 1
        assert len(receiver.received) == 3
        assert len({body for _, body in receiver.received}) == 1
        assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert delays == [pytest.approx(1, abs=0.3), pytest.approx(2, abs=0.3)]
    (delivery,) = deliveries(engine, sweep_id)
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 3, None)


def test_a_later_change_waits_for_an_earlier_one(engine: Engine) -> None:
    """A dead port delays the changes of its own sweep, and of no other."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    with receiving() as receiver:
        stuck, delivered = create(engine, dead), create(engine, receiver.url)
        for sweep_id in (stuck, stuck, delivered):
            change(engine, sweep_id, "resume" if sweep_id == stuck and deliveries(engine, stuck) else "pause")
        assert send(engine) == 2
        assert len(receiver.received) == 1
    first, second = deliveries(engine, stuck)
    assert (first.attempts, first.state, second.attempts, second.state) == (1, "waiting", 0, "waiting")
    assert "refused" in str(first.error)


def test_what_failed_before_waits_for_what_was_not_tried(engine: Engine) -> None:
    """Many sweeps whose webhook does not answer keep nobody else's waiting."""
    with receiving() as receiver:
        dead = [create(engine, "http://127.0.0.1:1/hook") for _ in range(3)]
        for sweep in dead:
            change(engine, sweep, "pause")
        assert send(engine) == len(dead)
        let_time_pass(engine)
        new = create(engine, receiver.url)
        change(engine, new, "pause")
        assert webhooks.send_next(engine, allow_private=True)
        assert [item.attempts for sweep in (new, *dead) for item in deliveries(engine, sweep)] == [1] * 4


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_host_that_does_not_answer_leaves_senders_to_others(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, has_failed: bool
) -> None:
    """However many sweeps tell it of their changes, at whichever of its ports, for the first time or again."""
    for name in ("SILENCE_SECONDS", "TOTAL_SECONDS"):
        monkeypatch.setattr(request, name, 600.0)  # none is given up here, so that what was received is what is held
    with receiving() as silent, receiving() as as_silent, receiving() as receiver:
        for port in (silent, as_silent):
            port.hold.clear()
            for _ in range(webhooks.SENDERS):
                change(engine, create(engine, port.url), "pause")
        with transaction(engine) as session:
            session.execute(text("UPDATE webhook_deliveries SET attempts = :failures"), {"failures": int(has_failed)})
        with webhooks.sending(engine, allow_private=True):
            wait_until(lambda: len(silent.received + as_silent.received) == webhooks.SENDERS_A_HOST)
            change(engine, create(engine, receiver.url.replace("127.0.0.1", "LOCALHOST")), "pause")
            wait_until(lambda: len(receiver.received) == 1)
            assert len(silent.received + as_silent.received) == webhooks.SENDERS_A_HOST < webhooks.SENDERS
            for port in (silent, as_silent):
                port.hold.set()
            wait_until(lambda: len(silent.received) == len(as_silent.received) == webhooks.SENDERS)


def test_hosts_are_told_apart_without_their_ports(engine: Engine) -> None:
    """In any case of letters, and with addresses of IPv6 in their brackets."""
    hosts = {
        "HTTP://Hook.Example.org:81/a?b#c": "hook.example.org",
        "https://[2001:DB8::1]:8443/": "[2001:db8::1]",
        "http://10.0.0.1?x=http://other": "10.0.0.1",
    }
    for url, host in hosts.items():
        change(engine, create(engine, url), "pause")
        attempt = webhooks.HostsInUse().claim(engine, passes_tried_hosts=False)
        assert attempt is not None
        assert (attempt.url, attempt.host) == (url, host)


def test_after_a_day_it_is_given_up_and_the_next_goes(engine: Engine) -> None:
    """The last error stays to be seen."""
    with receiving(500) as receiver:
        sweep_id = create(engine, receiver.url)
        for call in ("pause", "resume"):
            change(engine, sweep_id, call)
        with transaction(engine) as session:
            day = text("UPDATE webhook_deliveries SET at = at - interval '1 day' WHERE state = 'paused'")
            session.execute(day)
        assert send(engine) == 2
    first, second = deliveries(engine, sweep_id)
    assert (first.state, first.error, first.next_attempt_at) == ("given_up", "answered 500", None)
    assert second.state == "delivered"


def test_it_is_tried_for_about_a_day() -> None:
    """The delays, doubled each time, that fit into the day: fifteen attempts."""
    delays = [webhooks.FIRST_DELAY_SECONDS * 2**index for index in range(30)]
    attempts = next(n for n in range(1, 30) if sum(delays[:n]) >= webhooks.GIVE_UP_SECONDS)
    assert attempts == 15
    assert sum(delays[: attempts - 1]) > 0.9 * webhooks.GIVE_UP_SECONDS


def test_a_killed_server_s_word_is_kept(engine: Engine, database_url: str, tmp_path: Path) -> None:
    """kill -9 while it waits for the answer: the next server sends the same again, and then what came after it."""
    variables = {"DATABASE_URL": database_url, "PERCEPTUNE_HOME": tmp_path, "PERCEPTUNE_WEBHOOK_PRIVATE": "true"}
    with receiving() as receiver:
        receiver.hold.clear()
        sweep_id = create(engine, receiver.url)
        with up(tmp_path, "--workers", "0", **variables) as first:
            change(engine, sweep_id, "pause")
            wait_until(lambda: receiver.received, 30)
            first.process.kill()
            first.process.wait()
        change(engine, sweep_id, "resume")
        receiver.hold.set()
        assert [delivery.state for delivery in deliveries(engine, sweep_id)] == ["waiting", "waiting"]
        let_time_pass(engine)
        with up(tmp_path, "--workers", "0", **variables):
            wait_until(lambda: all(delivery.state == "delivered" for delivery in deliveries(engine, sweep_id)), 30)
        once, again, after = receiver.received
    assert once[1] == again[1]
    assert once[0]["webhook-id"] == again[0]["webhook-id"] != after[0]["webhook-id"]
    assert json.loads(after[1])["event"] == "sweep.queued"


def test_whatever_a_server_answers_is_noted(engine: Engine) -> None:
    """Also what Postgres has no text for: it would be sent again for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sweep_id = create(engine, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        change(engine, sweep_id, "pause")

        def answer() -> None:
            with listener.accept()[0] as connection:
                connection.recv(2**16)
                connection.sendall(b"\0\0 \xff\r\n\r\n")

        at_once([answer, lambda: send(engine)])
    (delivery,) = deliveries(engine, sweep_id)
    assert (delivery.state, delivery.attempts, delivery.error) == ("waiting", 1, " \xff\r\n")
