"""What the pages say, without a browser; tests/browser has what moves."""

import re
import struct
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import anyio
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app import queue
from app.config import Settings
from app.db.engine import transaction
from app.db.tables import Worker
from app.domain.states import WorkerState
from app.domain.tasks import TASKS
from app.exercises.registry import EXERCISES
from app.web import assets
from app.web.pages.labels import stop_sentence
from app.web.pages.workers import worker_command
from tests.support.queue_examples import choose, claim, create_sweep, end_leg, new_worker
from tests.support.web.keys import browser, make_key
from tests.support.web.sweep_form import FORM

BROWSER = {"Accept": "text/html"}


def test_the_empty_list_invites_to_begin(refusing: TestClient) -> None:
    """A new user is led to all exercises, which start with one button, and to the form."""
    page = refusing.get("/").text
    assert "Nothing has been tried yet" in page
    assert '<form method="post" action="/exercises/runs"' in page
    assert "Run all nine exercises, quick" in page
    assert '<a class="button" href="/sweeps/new">New sweep</a>' in page


@pytest.mark.parametrize(
    "path",
    ["/", "/sweeps/new", "/exercises", "/exercises/1", "/workers", "/datasets", "/login", "/hyperparameters"],
)
def test_every_page_is_whole_and_asks_nobody_else(refusing: TestClient, path: str) -> None:
    """Pages work offline: nothing is loaded from another host."""
    answer = refusing.get(path)
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', answer.text)
    assert loaded
    assert all(refusing.get(address).status_code == 200 for address in loaded if address.startswith("/static/"))
    assert all(address.startswith("/static/") for address in loaded)


def test_static_files_have_the_version_of_all_in_their_addresses(refusing: TestClient) -> None:
    """So that what a module imports by its name is of the same version; only these are kept without asking again."""
    address = re.findall(r'src="(/static/[^"]+/js/charts/charts.js)"', refusing.get("/exercises/1").text)[0]
    current = refusing.get(address)
    assert "immutable" in current.headers["cache-control"]
    assert refusing.get(address.replace("charts.js", "brush.js")).text.startswith("// Brushes")
    for old in (address.replace(assets.version(), "0123456789"), "/static/js/charts/charts.js"):
        answer = refusing.get(old)
        assert (answer.content, answer.headers["cache-control"]) == (current.content, "no-cache")
        assert refusing.get(old, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert refusing.get(f"/static/{assets.version()}/../app.py").status_code == 404


def test_each_hyperparameter_has_an_address(refusing: TestClient) -> None:
    """Once, also those that are explained together."""
    page = refusing.get("/hyperparameters").text
    names = {name for task in TASKS.values() for name in task.hyperparameters}
    assert {name: page.count(f'id="{name}"') for name in names} == dict.fromkeys(names, 1)
    assert "units of hidden layer k, at depths where there is one" in page


def test_plotly_is_sent_once(refusing: TestClient) -> None:
    """At the address of its version, which is kept for good; at any other a browser asks whether it still has it."""
    (address,) = re.findall(r'src="(/static/plotly[^"]+)"', refusing.get("/exercises/1").text)
    current = refusing.get(address)
    assert "immutable" in current.headers["cache-control"]
    for old in ("/static/plotly.min.js", "/static/plotly.min.js?v=1.0.0"):
        answer = refusing.get(old)
        assert (answer.content, answer.headers["cache-control"]) == (current.content, "no-cache")
        tag = answer.headers["etag"]
        for tags, status in ((tag, 304), (f'"other", W/{tag}', 304), ('"other"', 200)):
            asked = refusing.get(old, headers={"If-None-Match": tags})
            assert (asked.status_code, asked.headers["etag"]) == (status, tag)
            assert bool(asked.content) == (status == 200)


def test_plotly_takes_no_thread(refusing: TestClient) -> None:
    """Anybody may ask for its megabytes, as often as they like, while others wait for a thread."""
    assert refusing.portal is not None
    threads = refusing.portal.call(anyio.to_thread.current_default_thread_limiter)
    others = [object() for _ in range(int(threads.total_tokens))]
    for other in others:
        refusing.portal.call(threads.acquire_on_behalf_of_nowait, other)
    with ThreadPoolExecutor() as own_threads:
        asked = own_threads.submit(refusing.get, "/static/plotly.min.js")
        try:
            answer = asked.result(20)
        finally:
            for other in others:
                refusing.portal.call(threads.release_on_behalf_of, other)
    assert len(answer.content) == int(answer.headers["content-length"]) > 10**6
    assert answer.headers["content-type"].startswith("text/javascript")


def test_the_list_shows_a_sweep_and_that_nobody_works(client: TestClient, sweep: str) -> None:
    """State, counts and progress are there as text, and the reason why nothing moves."""
    page = client.get("/").text
    assert f'<a href="{sweep}">{FORM["name"]}</a>' in page
    assert '<span class="badge queued">queued</span>' in page
    assert "16 waiting" in page
    assert "No worker is connected, and what is queued waits for one" in page
    assert '<a href="/workers">Workers</a>' in page


def test_a_state_shows_only_what_it_allows(client: TestClient, sweep: str) -> None:
    """A paused sweep can be resumed and not paused; one that was cancelled can be continued, extended or deleted."""
    always = ["extend", "edit", "delete", "notes"]

    def offered() -> list[str]:
        return re.findall(rf'action="{sweep}/(\w+)"', client.get(sweep).text)

    assert offered() == ["pause", "stop", "cancel", *always]
    client.post(f"{sweep}/pause")
    assert offered() == ["resume", "stop", "cancel", *always]
    client.post(f"{sweep}/cancel")
    assert offered() == ["continue", *always]
    client.post(f"{sweep}/continue")
    assert offered() == ["pause", "stop", "cancel", *always]
    client.post(f"{sweep}/cancel")
    assert client.post(f"{sweep}/delete", follow_redirects=False).headers["location"] == "/"
    assert client.get(sweep, headers=BROWSER).status_code == 404


def test_a_change_of_state_leads_back_to_what_was_shown(client: TestClient, sweep: str) -> None:
    """The tab and the lens stay, as they do behind each other button."""
    for call in ("pause", "resume", "stop", "continue", "cancel"):
        answer = client.post(f"{sweep}/{call}", data={"view": "?tab=curves&top=20"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{sweep}?tab=curves&top=20")
    asking = client.post(f"{sweep}/continue", follow_redirects=False)
    assert asking.headers["location"] == sweep
    page = client.get(f"{sweep}?tab=curves").text
    for call in ("stop", "cancel"):
        form = page.split(f'action="{sweep}/{call}"')[1].split("</form>")[0]
        assert '<input type="hidden" name="view" value="?tab=curves">' in form


def test_words_and_tags_are_edited_on_the_page(client: TestClient, sweep: str) -> None:
    """What was saved is shown, the list can be narrowed to a tag, and what can't be used is refused in a sentence."""
    form = {"name": "another", "tags": "b, a ,", "priority": "5", "notes": "<b>words</b>", "view": "?state=waiting"}
    saved = client.post(f"{sweep}/edit", data=form, follow_redirects=False)
    assert saved.headers["location"] == f"{sweep}?state=waiting"
    page = client.get(sweep).text
    assert all(said in page for said in ("<h1>another ", "priority 5", "&lt;b&gt;words&lt;/b&gt;", 'href="/?tag=a"'))
    assert f'href="{sweep}">another</a>' in client.get("/?tag=a").text
    assert "No sweep is like this." in client.get("/?tag=c").text
    refused = client.post(f"{sweep}/edit", data={**form, "priority": "high"}, headers=BROWSER)
    assert (refused.status_code, "must be a whole number" in refused.text) == (422, True)


def test_a_view_can_t_lead_elsewhere(client: TestClient, sweep: str) -> None:
    """Where a button leads back to is a view of the sweep, whatever a forged form says."""
    saved = client.post(f"{sweep}/retry", data={"view": "//elsewhere.example"}, follow_redirects=False)
    assert saved.headers["location"] == sweep


def test_a_sweep_is_extended_on_its_page(client: TestClient, sweep: str) -> None:
    """Further trials wait."""
    client.post(f"{sweep}/extend", data={"more": "3"})
    assert client.get(f"/api/v1{sweep}").json()["n_trials"] == 19


def test_trials_have_the_buttons_that_their_state_allows(client: TestClient, sweep: str) -> None:
    """A waiting one can be cancelled, a cancelled one retried, an excluded one included."""

    def offered(number: int) -> list[str]:
        panel = client.get(f"{sweep}/trials/{number}", headers={"HX-Request": "true"}).text
        note, *calls = re.findall(rf'action="{sweep}/trials/{number}/(\w+)"', panel)
        assert note == "note"  # in any state
        return calls

    assert offered(0) == ["exclude", "cancel"]
    for call in ("cancel", "exclude"):
        assert client.post(f"{sweep}/trials/0/{call}").status_code == 200
    assert (offered(0), offered(1)) == (["include", "retry"], ["exclude", "cancel"])


def test_trials_are_sorted_and_filtered_by_links(client: TestClient, sweep: str) -> None:
    """The view is in the address, so it can be kept and shared; a foreign order is refused in a sentence."""
    page = client.get(f"{sweep}?order_by=-value&state=waiting&x=learning_rate").text
    assert '<a href="/sweeps/1?x=learning_rate&amp;state=waiting&amp;order_by=value">Value</a>' in page
    assert len(re.findall(r'<tbody id="trial-', page)) == 16
    assert "No trial is complete." in client.get(f"{sweep}?state=complete").text
    refused = client.get(f"{sweep}?order_by=nonsense", headers=BROWSER)
    assert (refused.status_code, "can&#39;t be ordered by" in refused.text) == (422, True)


def test_the_book_split_says_so(client: TestClient) -> None:
    """The reader knows that the test images were used to validate."""
    page = client.post("/sweeps/new", data={**FORM, "split": "book"}).text
    assert "360 test images were used to validate" in page


def test_errors_are_pages_for_people_and_problems_for_programs(client: TestClient) -> None:
    """Who asks for HTML gets a page with a way back."""
    page = client.get("/sweeps/99", headers=BROWSER)
    assert (page.status_code, "There is no sweep 99." in page.text) == (404, True)
    assert client.get("/sweeps/99").headers["content-type"] == "application/problem+json"


def test_the_command_for_a_worker_works_here_and_tells_no_password() -> None:
    """The embedded database is found by the data folder, another one by its address."""
    settings = Settings(home=Path("/home/my data"), DATABASE_URL="postgresql://me:secret@db.example/sweeps?sslkey=x")
    assert worker_command(settings) == "DATABASE_URL=postgresql://me:PASSWORD@db.example/sweeps perceptune worker"
    embedded = settings.with_embedded_database("postgresql://perceptune@/perceptune?host=%2Frun%2Fsockets")
    assert worker_command(embedded) == "PERCEPTUNE_HOME='/home/my data' perceptune worker"


def test_a_worker_is_drained_on_its_page(client: TestClient, engine: Engine) -> None:
    """The button says what it would do now; one that is gone has none."""
    worker = new_worker(engine)
    assert f'action="/workers/{worker}/drain"' in client.get("/workers").text
    assert client.post(f"/workers/{worker}/drain").status_code == 200
    page = client.get("/workers").text
    assert (f'action="/workers/{worker}/undrain"' in page, "drained" in page) == (True, True)
    with transaction(engine) as session:
        queue.set_worker_state(session, worker, WorkerState.stopped)
    refused = client.post(f"/api/v1/workers/{worker}/undrain")
    assert (refused.status_code, "is gone" in refused.json()["detail"]) == (409, True)


def test_the_page_says_which_workers_work_over_http_and_how_one_more_is_started(
    client: TestClient, engine: Engine
) -> None:
    """Beside the process, which is drained like any other; the command has the server's own address."""
    worker = new_worker(engine)
    assert "process 1, over HTTP" not in client.get("/workers").text
    with transaction(engine) as session:
        session.get_one(Worker, worker).over_http = True
    page = client.get("/workers").text
    assert "process 1, over HTTP" in page
    assert "perceptune worker --server http://localhost --key KEY" in page
    assert client.post(f"/api/v1/workers/{worker}/drain").json()["over_http"]


def test_data_sets_show_their_classes_and_the_sweeps_on_them(client: TestClient, sweep: str) -> None:
    """Numbers beside each bar, a sheet of examples that the browser may keep, and links to the sweeps."""
    timing = {"name": "speeds", "task": "time_matmul", "space": {"size": [16]}, "sampler": "grid"}
    assert client.post("/api/v1/sweeps", json=timing).status_code == 201
    page = unescape(client.get("/datasets").text)
    assert re.search(r"Ankle boot</th>.*?4,968.*?1,032.*?1,000", page, re.DOTALL)
    assert re.search(rf'1 sweep on it:\s*<a href="{sweep}">Width and learning rate</a>', page)
    sheet = client.get(re.findall(r'src="(/static/[^"]+/datasets/digits.png)"', page)[0])
    assert (sheet.headers["content-type"], sheet.content[:4]) == ("image/png", b"\x89PNG")
    assert re.search(r'datasets/digits.png"\s+width="89"\s+height="89"', page)  # ten of 8 pixels, and gaps of one
    assert struct.unpack(">II", sheet.content[16:24]) == (89, 89)
    counts = client.get("/api/v1/datasets").json()["items"][1]["class_counts"]
    assert sum(counts["train"]) == 1437
    assert re.search(r"Disease progression</th>.*?100 up to 150</th>.*?58.*?16.*?17", page, re.DOTALL)


def test_names_are_never_markup(client: TestClient) -> None:
    """What a user typed is shown as it was typed."""
    page = client.post("/sweeps/new", data={**FORM, "name": "<script>alert(1)</script>"}).text
    assert ("<script>alert" in page, "&lt;script&gt;alert" in page) == (False, True)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("seconds: 1500 have passed", "Stopped by its time limit (25 min)."),
        ("target: trial 3 reached 0.9", "Stopped by its target: trial 3 reached 0.9."),
        (
            "no_improvement: 5 trials since trial 3, the best with 0.9",
            "Stopped for lack of improvement: 5 trials since trial 3, the best with 0.9.",
        ),
        ("the space holds nothing more", "No further trials: the space holds nothing more."),
        (None, ""),
    ],
)
def test_why_a_sweep_stopped_is_a_sentence(reason: str | None, said: str) -> None:
    """The rule by its name for people, and what it measured."""
    assert stop_sentence(reason, 1500.0) == said


def test_an_exercise_starts_from_its_page(client: TestClient) -> None:
    """The button queues the sweeps and comes back to the page, which then tells how far they are."""
    assert "15 trainings" in client.get("/exercises/1").text
    page = client.post("/exercises/1/runs", data={"preset": "quick"}).text
    assert "The answer so far" in page
    assert "5 waiting" in page
    assert "quick run of" in client.get("/exercises").text


def test_a_reader_is_told_who_can_start_an_exercise(client: TestClient, admin: str) -> None:
    """In place of the buttons, with what a run would train; the buttons are there for who may press them."""
    for role, has_buttons in (("read", False), ("write", True)):
        place = browser(client)
        place.post("/login", data={"key": make_key(client, admin, name=role, role=role)["key"]})
        page = place.get("/exercises/1").text
        assert ('action="/exercises/1/runs"' in page, "Nobody has run it yet" in page) == (has_buttons, not has_buttons)
        assert re.search(r"\d+ trainings", page)
        assert ("Runs are started with a key" in place.get("/exercises").text) is not has_buttons


def test_all_exercises_start_with_one_button(client: TestClient) -> None:
    """Each of them then has a run, in `quick`."""
    page = client.post("/exercises/runs").text
    assert page.count("quick run of") == len(EXERCISES)
    assert "not run" not in page


def test_without_a_worker_the_page_says_how_to_start_one(client: TestClient) -> None:
    """An empty table would not help."""
    assert "No worker is connected" in client.get("/workers").text


def test_a_page_says_conditions_and_constraints(client: TestClient) -> None:
    """Where a hyperparameter exists, and what a configuration has to satisfy."""
    body = {
        "name": "narrowing",
        "dataset": "digits",
        "space": {"depth": [1, 2, 3], "hidden_units_2": [4, 8], "epochs": 1},
        "constraints": ["hidden_units >= hidden_units_2"],
        "sampler": "qmc",
        "n_trials": 2,
    }
    made = client.post("/api/v1/sweeps", json=body).json()
    page = client.get(f"/sweeps/{made['id']}").text
    assert "<small>where depth is 2 or 3</small>" in page
    assert "Only where <code>hidden_units &gt;= hidden_units_2</code>." in page


def test_a_trial_at_a_rung_says_so(client: TestClient, engine: Engine) -> None:
    """One that waits at its rung shows its mean there; one that was promoted shows that it goes on."""
    pruner = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 3}
    sweep = create_sweep(engine, space={"hidden_units": {"low": 1, "high": 9}, "epochs": 9}, n_trials=4, pruner=pruner)
    claimed = claim(engine, new_worker(engine), 3)
    choose(engine, sweep, claimed)
    end_leg(engine, sweep, {trial.lease: trial.number / 10 for trial in claimed})
    page = client.get(f"/sweeps/{sweep}").text
    assert "<small>at rung 0 with 0.1000</small>" in page
    assert "<small>promoted from rung 0</small>" in page
