"""The form for a new sweep: chips and ranges, JSON both ways, sentences at their fields, and nothing typed is lost."""

import json
import re
from typing import Any

import httpx2 as httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

TEXTS = (  # of domains, as the form's own language has them
    *("256", "8,", "8, 64, 256", "relu, tanh", "256-64, none", "1 .. 3", "0.001 .. 1 log", "0 .. 0.5 step 0.1"),
    *("0 .. 0.9 if optimizer is momentum or nesterov and depth is 2", "5 if batch_norm is true", ""),
)
JSON_TEXTS = ('{"low": 1, "high": 3}', "[8, 64]", '{"values": [1], "when": {"depth": [1]}}')


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """One for all these tests, which post at most a sweep that is never trained."""
    return shared_server


def body_of(page: Page) -> Any:
    """What would be posted now, as the preview shows it."""
    return json.loads(page.locator("#json-body").inner_text())


def expect_space(page: Page, space: dict[str, Any]) -> None:
    """Waits until the preview has this search space."""
    wait_until(lambda: body_of(page)["space"] == space)


def modes(page: Page, name: str) -> Locator:
    return page.get_by_role("radiogroup", name=f"How {name} is given")


def test_a_domain_is_taken_apart_and_put_together(page: Page) -> None:
    """The browser reads the form's language as the server does, and writes it as it was; JSON it leaves alone."""
    page.goto("/sweeps/new")
    script = """async texts => {
        const page = document.querySelector("script[src$='/new_sweep.js']").src;
        const { parseDomain, formatDomain } = await import(new URL("domain_text.js", page));
        return texts.map((text) => parseDomain(text) && formatDomain(parseDomain(text)));
    }"""
    assert page.evaluate(script, list(TEXTS)) == list(TEXTS)
    assert page.evaluate(script, list(JSON_TEXTS)) == [None] * len(JSON_TEXTS)


def test_a_search_space_is_made_without_a_mouse(page: Page) -> None:
    """Modes by arrow keys, chips by Enter, a range by its ends, a condition; a reload keeps all of it."""
    page.goto("/sweeps/new")
    for name in ("hidden_units", "learning_rate", "epochs"):
        modes(page, name).get_by_role("radio", name="Fixed").focus()
        page.keyboard.press("Space")
        page.get_by_label(name, exact=True).fill("")
    modes(page, "depth").get_by_role("radio", name="Fixed").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    page.keyboard.type("2,")
    modes(page, "optimizer").get_by_role("radio", name="Fixed").focus()
    page.keyboard.press("ArrowRight")
    for name in ("sgd", "nesterov"):
        page.get_by_role("button", name=name, exact=True).focus()
        page.keyboard.press("Space")
    page.locator("summary", has_text="momentum").focus()
    page.keyboard.press("Enter")
    modes(page, "momentum").get_by_role("radio", name="Fixed").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for label, text in (("from", "0.5"), ("to", "0.9")):
        page.get_by_label(f"momentum: {label}").focus()
        page.keyboard.type(text)
    page.get_by_label("momentum: to").press("Tab")
    page.get_by_role("button", name="Only if: a condition of momentum").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("optimizer")
    page.keyboard.press("Tab")
    page.keyboard.type("nesterov")
    space = {
        "depth": [1, 2],
        "optimizer": ["sgd", "nesterov"],
        "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "nesterov"}},
    }
    expect_space(page, space)
    page.reload()
    expect_space(page, space)
    expect(page.get_by_label("momentum: to")).to_have_value("0.9")
    expect(page.get_by_role("button", name="nesterov", exact=True)).to_have_attribute("aria-pressed", "true")


def test_json_fills_the_form_and_the_form_the_json(page: Page) -> None:
    """What the form has no field for stays in the body, whichever of both is edited."""
    page.goto("/sweeps/new")
    page.locator("summary", has_text="Edit as JSON").click()
    editor = page.get_by_label("The sweep as JSON")
    body = {
        "name": "by hand",
        "dataset": "digits",
        "split": "book",
        "sampler": {"name": "tpe", "n_startup_trials": 3},
        "n_trials": 7,
        "seeds": {"first": 1, "survivors": 3},
        "objective": {"metric": "val_loss", "direction": "minimize"},
        "stop": {"seconds": 9},
        "webhook": {"url": "https://example.org/hook", "secret": "a-secret-of-many-letters"},
        "space": {"hidden_units": [8, 64], "learning_rate": {"low": 0.01, "high": 1, "log": True}},
    }
    editor.fill(json.dumps(body)[:-1])
    expect(page.locator("#json-editor [role=alert]")).to_contain_text("no JSON yet")
    editor.fill(json.dumps(body))
    expect(page.get_by_label("Name", exact=True)).to_have_value("by hand")
    expect(page.get_by_label("Seconds")).to_have_value("9")
    expect(page.get_by_label("Seeds of the better ones")).to_have_value("3")
    expect(page.locator("#preview")).to_contain_text("7 trials")
    wait_until(lambda: body_of(page) == body)
    page.get_by_role("button", name="Remove 8").click()
    expect_space(page, body["space"] | {"hidden_units": [64]})  # type: ignore[operator]
    expect(editor).to_have_value(re.compile(r'"hidden_units": \[64\]'))
    assert body_of(page)["webhook"] == body["webhook"]


def test_a_misspelled_value_is_told_at_its_field(page: Page) -> None:
    """With the one that was probably meant, as it is typed."""
    page.goto("/sweeps/new")
    page.get_by_label("activation", exact=True).fill("rellu")
    field = page.locator('[data-field="activation"]')
    expect(field.locator(".error-text")).to_contain_text("did you mean relu?")
    expect(page.get_by_label("activation", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("activation", exact=True).fill("relu")
    expect(field.locator(".error-text")).to_have_count(0)
    page.locator("summary", has_text="at most so many parameters").click()
    page.get_by_label("Constraint: with what").fill("500000")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#json-body")).to_contain_text('"constraints": ["parameters <= 500000"]')


def test_a_task_has_its_own_hyperparameters(page: Page, server: str) -> None:
    """What the chosen task has no use for is neither shown nor sent, and comes back with the other task."""
    page.goto("/sweeps/new")
    expect(page.get_by_label("size", exact=True)).to_be_hidden()
    page.get_by_label("What is measured").select_option("time_matmul")
    expect(modes(page, "learning_rate")).to_be_hidden()
    page.get_by_label("size", exact=True).fill("8, 16")
    page.get_by_label("Sampler").select_option("grid")
    expect_space(page, {"size": [8, 16]})
    expect(page.locator("#preview")).to_contain_text("2 trials")
    page.get_by_label("What is measured").select_option("")
    expect(modes(page, "learning_rate")).to_be_visible()
    page.get_by_label("What is measured").select_option("time_matmul")
    page.get_by_role("button", name="Start the sweep").click()
    page.wait_for_url(re.compile(r"/sweeps/\d+$"))
    sweep = page.url.rpartition("/")[2]
    assert httpx.get(f"{server}/api/v1/sweeps/{sweep}").json()["task"] == "time_matmul"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_hyperparameter_is_explained_at_its_own_address(page: Page, width: int) -> None:
    """The widths of single layers are explained once; of all, what is told stands in one column."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/hyperparameters#hidden_units_5")
    expect(page.locator("#hidden_units_5")).to_be_in_viewport()
    expect(page.get_by_text("units of hidden layer k")).to_have_count(1)
    lefts = "cells => [...new Set(cells.map((cell) => cell.getBoundingClientRect().left))]"
    assert len(page.locator(".facts dd").evaluate_all(lefts)) == 1
