"""Every change of a sweep's state reaches its webhook: signed, in order, once, and never to where it must not go."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text

from app.db.engine import transaction
from app.db.tables import WebhookDelivery
from app.web.webhooks import delivery as webhooks
from app.web.webhooks import request
from tests.support.queue_examples import BODY, at_once, change, claim, create_sweep, finish, new_worker, success
from tests.support.waiting import wait_until
from tests.support.web.webhook_deliveries import SECRET, create, deliveries, send
from tests.support.web.webhook_receiver import receiving

OPEN = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'
""")


def test_what_is_sent_is_signed(engine: Engine) -> None:
    """The signature over id, time and body is that of the secret; the body says what became of the sweep."""
    with receiving() as receiver:
        sweep_id = create(engine, receiver.url)
        change(engine, sweep_id, "pause")
        assert send(engine) == 1
        ((headers, body),) = receiver.received
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"0123456789abcdef01234567", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    (delivery,) = deliveries(engine, sweep_id)
    assert json.loads(body) == {
        "event": "sweep.paused",
        "sweep": {"id": sweep_id, "name": "example", "state": "paused", "progress": 0.0, "best": None},
        "at": delivery.at.isoformat(),
        "delivery": headers["webhook-id"],
    }
    assert delivery.delivery == UUID(headers["webhook-id"])
    assert (delivery.state, delivery.status, delivery.error, delivery.attempts) == ("delivered", 204, None, 1)


def test_the_events_of_a_sweep_show_what_its_webhook_was_told(client: TestClient, engine: Engine) -> None:
    """What was delivered, what is to be, and why an attempt failed; a sweep without a webhook says nothing of one."""

    def told(sweep_id: int) -> list[str]:
        page = client.get(f"/sweeps/{sweep_id}/log").text
        _, _, part = page.partition('<h2 class="event-heading">')
        return [
            " ".join(re.sub("<[^>]*>", " ", item).split()) for item in re.findall("<li>(.*?)</li>", part, re.DOTALL)
        ]

    with receiving() as receiver:
        sweep_id = create(engine, receiver.url)
        assert "Nothing yet" in client.get(f"/sweeps/{sweep_id}/log").text
        change(engine, sweep_id, "pause")
        assert send(engine) == 1
    change(engine, sweep_id, "resume")
    assert [item.partition("sweep.")[2] for item in told(sweep_id)] == [
        "queued to be delivered",
        "paused delivered, answered 204",
    ]
    assert send(engine) == 1  # nobody listens there any more
    assert "sweep.queued tried again later after 1 attempt: " in told(sweep_id)[0]
    assert "webhook" not in client.get(f"/sweeps/{create_sweep(engine)}/log").text


def test_a_secret_of_any_text_signs_as_it_stands() -> None:
    """The example of the Standard Webhooks specification, and a secret that is no base64."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert request.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected
    digest = hmac.new(b"plain words", b"id.1.body", hashlib.sha256).digest()
    assert request.signature("plain words", "id", 1, b"body") == f"v1,{base64.b64encode(digest).decode()}"


def test_every_change_of_state_is_sent_in_order(engine: Engine) -> None:
    """Whoever makes the change, a call or a worker."""
    with receiving() as receiver:
        space = {"hidden_units": [1, 2], "epochs": 2}
        sweep_id = create(engine, receiver.url, space=space, sampler="grid", n_trials=None)
        worker_id = new_worker(engine)
        for call in ("pause", "resume"):
            change(engine, sweep_id, call)
        while trials := claim(engine, worker_id):
            finish(engine, sweep_id, worker_id, [success(trial.lease) for trial in trials])
        send(engine)
        events = [json.loads(body) for _, body in receiver.received]
    assert [event["event"] for event in events] == ["sweep.paused", "sweep.queued", "sweep.running", "sweep.completed"]
    assert events[-1]["sweep"]["best"]["value"] == 0.5
    assert events[-1]["sweep"]["progress"] == 1


def test_a_change_that_is_rolled_back_is_not_sent(engine: Engine) -> None:
    """The change and its word are one transaction; a sweep without a webhook has none."""
    with receiving() as receiver:
        sweep_id = create(engine, receiver.url)
        with engine.connect() as connection:
            connection.execute(text("UPDATE sweeps SET state = 'paused'"))
            connection.rollback()
        change(engine, create_sweep(engine), "pause")
        assert send(engine) == 0
    assert deliveries(engine, sweep_id) == []


def test_several_senders_send_each_change_once(engine: Engine) -> None:
    """Eight at once on twelve sweeps with two changes each."""
    with receiving() as receiver:
        for _ in range(12):
            sweep_id = create(engine, receiver.url)
            for call in ("pause", "resume"):
                change(engine, sweep_id, call)
        at_once([lambda: send(engine)] * 8)
        send(engine)  # a second change whose first one was under way when the others looked
        events = [(json.loads(body)["sweep"]["id"], json.loads(body)["event"]) for _, body in receiver.received]
    assert len(events) == len(set(events)) == 24
    assert all(events.index((sweep, "sweep.paused")) < events.index((sweep, "sweep.queued")) for sweep, _ in events)


def test_nothing_is_held_while_the_answer_is_awaited(engine: Engine) -> None:
    """No transaction is open, and the sweep can change again; what is under way is not sent twice."""
    with receiving() as receiver:
        receiver.hold.clear()
        sweep_id = create(engine, receiver.url)
        change(engine, sweep_id, "pause")
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(webhooks.send_next(engine, allow_private=True)))
        thread.start()
        wait_until(lambda: receiver.received, 10)
        with engine.connect() as connection:
            assert connection.execute(OPEN).scalar_one() == 0
        change(engine, sweep_id, "resume")
        assert send(engine) == 0
        receiver.hold.set()
        thread.join(10)
    assert results == [True]


def test_private_addresses_are_refused_unless_allowed(engine: Engine) -> None:
    """The address is checked, not the name; nothing is sent."""
    with receiving() as receiver:
        sweep_id = create(engine, receiver.url.replace("127.0.0.1", "localhost"))
        change(engine, sweep_id, "pause")
        assert webhooks.send_next(engine, allow_private=False)
        assert receiver.received == []
    (delivery,) = deliveries(engine, sweep_id)
    assert "set PERCEPTUNE_WEBHOOK_PRIVATE=true if webhooks may go there" in str(delivery.error)


@pytest.mark.parametrize(
    ("webhook", "field", "words"),
    [
        ({"url": "ftp://example.org", "secret": SECRET}, "url", "must be an address like https://example.org/hook"),
        ({"url": "https://", "secret": SECRET}, "url", "must be an address like"),
        ({"url": "https://user:pass@example.org/", "secret": SECRET}, "url", "without user and password"),
        ({"url": "https://example.org:99999/", "secret": SECRET}, "url", "must be an address like"),
        ({"url": "https://example.org/ä", "secret": SECRET}, "url", "in ASCII"),
        ({"url": "https://example.org/", "secret": "short"}, "secret", "at least 16 characters"),
        ({"url": "https://example.org/", "secret": "whsec_no base64 at all"}, "secret", "printable ASCII"),
        ({"url": "https://example.org/", "secret": "whsec_nobase64atall!"}, "secret", "must be base64 after whsec_"),
        ({"url": "https://example.org/"}, "secret", "is missing"),
    ],
)
def test_a_webhook_that_can_not_be_used_is_422(refusing: TestClient, webhook: Any, field: str, words: str) -> None:
    """The field is named, and nothing is stored; a secret is not repeated."""
    answer = refusing.post("/api/v1/sweeps", json=BODY | {"webhook": webhook})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["webhook", field]
    assert words in error["msg"]
    assert "short" not in answer.text
    assert refusing.get("/api/v1/sweeps").json()["items"] == []


def test_the_secret_is_never_shown(client: TestClient) -> None:
    """Neither in the sweep, in lists, in exports nor in the deliveries; the address is."""
    webhook = {"url": "https://example.org/hook", "secret": SECRET}
    answer = client.post("/api/v1/sweeps", json=BODY | {"webhook": webhook})
    assert answer.json()["webhook"] == {"url": "https://example.org/hook"}
    sweep = f"/api/v1/sweeps/{answer.json()['id']}"
    client.post(f"{sweep}/pause")
    assert client.get(f"{sweep}/deliveries").json()["items"][0]["event"] == "sweep.paused"
    texts = [answer.text, client.get("/api/v1/sweeps").text, client.get(f"{sweep}/deliveries").text]
    texts += [client.get(f"{sweep}/export.{ending}").text for ending in ("json", "csv")]
    texts += [client.get(f"/sweeps/{answer.json()['id']}", headers={"Accept": "text/html"}).text]
    assert not any(SECRET in answer_text for answer_text in texts)


def test_deliveries_come_a_page_at_a_time(engine: Engine, client: TestClient) -> None:
    """The newest first; those of an unknown sweep are 404."""
    sweep_id = create(engine, "http://127.0.0.1:1/")
    for call in ("pause", "resume", "pause"):
        change(engine, sweep_id, call)
    path = f"/api/v1/sweeps/{sweep_id}/deliveries"
    first = client.get(path, params={"limit": 2}).json()
    second = client.get(path, params={"limit": 2, "after": first["next"]}).json()
    events = [item["event"] for item in first["items"] + second["items"]]
    assert events == ["sweep.paused", "sweep.queued", "sweep.paused"]
    assert second["next"] is None
    assert client.get("/api/v1/sweeps/9/deliveries").status_code == 404
    with transaction(engine) as session:
        assert session.scalars(select(func.count()).select_from(WebhookDelivery)).one() == 3
