"""The form of a new sweep: what it offers, how it is filled, and what it says of what is wrong."""

import json
import re
from html import unescape

from fastapi.testclient import TestClient

from app.web.pages.new_sweep.form import FIELDS
from app.web.pages.new_sweep.space_text import parse_domain
from tests.support.web.sweep_form import FORM

BROWSER = {"Accept": "text/html"}


def test_wrong_fields_come_back_with_what_was_typed(refusing: TestClient) -> None:
    """The sentence stands beside its field, nothing typed is lost, nothing is stored."""
    answer = refusing.post("/sweeps/new", data={**FORM, "learning_rate": "1 .. 0.1 log", "seeds": "0"})
    assert answer.status_code == 422
    fields = re.findall(r'<p class="error-text" id="e-(\w+)">([^<]+)', answer.text)
    assert [(name, unescape(said)) for name, said in fields] == [
        ("seeds", "Must be greater than or equal to 1"),
        ("learning_rate", "Runs from 1 to 0.1: low must be less than high"),
    ]
    assert 'value="1 .. 0.1 log"' in answer.text
    assert refusing.get("/api/v1/sweeps").json()["items"] == []


def test_errors_of_the_whole_space_are_shown(refusing: TestClient) -> None:
    """A grid over a continuous range is refused at the range, a model too large at the top."""
    grid = refusing.post("/sweeps/new", data={**FORM, "sampler": "grid"})
    assert re.findall(r'id="e-(\w+)"', grid.text) == ["learning_rate"]
    large = refusing.post("/sweeps/new", data={**FORM, "hidden_units": "60000", "depth": "2"})
    assert (large.status_code, "Holds a model of" in large.text) == (422, True)


def test_the_form_has_every_hyperparameter(refusing: TestClient) -> None:
    """What the API can vary, the form can vary."""
    fields = re.findall(r'id="f-(\w+)" name="\1"', refusing.get("/sweeps/new").text)
    assert sorted(fields) == sorted(FIELDS)


def test_every_hyperparameter_is_explained_where_the_form_links_to(refusing: TestClient) -> None:
    """The link beside a field leads to its place in the page of all."""
    links = re.findall(r'href="/hyperparameters#(\w+)"', refusing.get("/sweeps/new").text)
    places = re.findall(r'<span id="(\w+)">', refusing.get("/hyperparameters").text)
    assert (len(links) > 30, set(links) - set(places)) == (True, set())


def test_the_form_offers_what_can_be_posted(refusing: TestClient) -> None:
    """No pruner is chosen until somebody chooses one, and every name that is suggested can be read."""
    page = refusing.get("/sweeps/new").text
    pruners = re.search(r'<select id="f-pruner"(.*?)</select>', page, re.DOTALL)
    suggestions = re.search(r'<datalist id="names-batch_norm">(.*?)</datalist>', page, re.DOTALL)
    assert pruners
    assert suggestions
    assert re.findall(r'<option value="([^"]*)" selected>([^<]*)', pruners[1]) == [("", "none: every trial to its end")]
    names = re.findall('value="([^"]+)"', suggestions[1])
    assert [parse_domain("batch_norm", name) for name in names] == [False, True]


def test_the_preview_is_what_would_be_posted(client: TestClient) -> None:
    """The JSON on the page makes the same sweep through the API."""
    page = client.post("/sweeps/new/preview", data=FORM).text
    shown = re.search(r'aria-label="JSON body">(.*?)</pre>', page, re.DOTALL)
    assert shown
    answer = client.post("/api/v1/sweeps", json=json.loads(unescape(shown[1])))
    assert (answer.status_code, answer.json()["n_trials"], "32 trainings" in page) == (201, 16, True)


def test_the_form_can_be_filled_by_a_link(client: TestClient, sweep: str) -> None:
    """A sweep's page links to the form filled with its values, a data set's to one for it."""
    link = re.search(r'href="(/sweeps/new\?[^"]+)"', client.get(sweep).text)
    assert link
    page = client.get(unescape(link[1])).text
    assert 'value="Width and learning rate (copy)"' in page
    assert 'value="0.01 .. 1 log"' in page
    assert '<option value="digits" selected' in client.get("/sweeps/new?dataset=digits").text


def test_a_duplicate_keeps_the_webhook_without_showing_its_secret(client: TestClient) -> None:
    """The form names the sweep that it is of; without the tick the duplicate tells nobody."""
    hook = {"url": "https://example.org/hook", "secret": "a-secret-of-many-letters"}
    body = {"name": "told", "dataset": "digits", "space": {"epochs": [1, 2]}, "sampler": "grid", "webhook": hook}
    client.post("/api/v1/sweeps", json=body)
    page = client.get("/sweeps/new?like=1").text
    assert ("https://example.org/hook" in page, "a-secret-of-many-letters" in page) == (True, False)
    form = {"name": "copy", "dataset": "digits", "epochs": "1, 2", "sampler": "grid", "seeds": "1"}
    for further, url in (({"webhook_of": "1"}, hook["url"]), ({}, None)):
        made = client.post("/sweeps/new", data=form | further, follow_redirects=False).headers["location"]
        webhook = client.get(f"/api/v1{made}").json()["webhook"]
        assert (webhook["url"] if webhook else None) == url
    assert client.get("/sweeps/new?like=99", headers=BROWSER).status_code == 404


def test_a_duplicate_has_the_trials_that_were_posted(client: TestClient, sweep: str) -> None:
    """Not those that somebody queued by hand since."""
    client.post(f"/api/v1{sweep}/trials", json={"params": {"hidden_units": 16, "learning_rate": 0.1}})
    assert client.get(f"/api/v1{sweep}").json()["n_trials"] == 17
    assert re.search(r'id="f-n_trials" [^>]*value="16"', client.get(f"/sweeps/new?like={sweep.split('/')[-1]}").text)


def test_what_is_nested_too_deeply_is_shown_as_it_was_typed(client: TestClient, sweep: str) -> None:
    """In a field of options, and of a trial of one's own: beside it stands what is wrong."""
    deep = "[" * 15_000
    for name in ("sampler", "pruner"):
        assert client.post("/sweeps/new", data={**FORM, name: deep}).status_code == 422
        assert client.get("/sweeps/new", params={name: deep}).status_code == 200
    assert client.post(f"{sweep}/trials", data={"p-hidden_units": deep, "p-learning_rate": deep}).status_code == 422
