"""Asking a trained network about a picture in the browser: what it gets, what it says, and what it can't use."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from app.web.assets import FOLDER
from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import post
from worker.predict.inputs import read_inputs

pytestmark = pytest.mark.browser

BODY: dict[str, object] = {
    "name": "to ask",
    "dataset": "digits",
    "space": {"hidden_units": 32, "epochs": 30},
    "sampler": "grid",
}


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    return shared_server


@pytest.fixture(scope="module")
def trained(server: str) -> str:
    """The path of a sweep that has a model."""
    path = post(server, BODY)
    wait_until(lambda: (httpx.get(f"{server}/api/v1{path}").json()["best"] or {}).get("model"))
    return path


def sent_row(page: Page, act: Callable[[], object]) -> list[float]:
    """The numbers that the network is asked about by this act."""
    with page.expect_request("**/predict") as request:
        act()
    return list(json.loads(request.value.post_data or "{}")["rows"][0])


def test_a_picture_becomes_what_the_command_makes_of_it(page: Page, trained: str, tmp_path: Path) -> None:
    """Large, coloured and transparent pictures, light or dark: the same numbers as `perceptune predict`, to a grey."""
    page.goto(trained)
    page.get_by_role("link", name="Predict…").click()
    noise = np.random.default_rng(0).integers(0, 256, (61, 47, 4), dtype=np.uint8)
    noise[..., 3] = np.where(noise[..., 3] < 128, 0, 255)  # a canvas rounds what is half transparent
    pictures = {"noise": noise, "exact": noise[:8, :8], "paper": np.full((40, 40, 4), 255, dtype=np.uint8)}
    pictures["paper"][8:32, 18:23, :3] = 20
    for name, pixels in pictures.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(pixels).save(path)
        row = sent_row(page, partial(page.get_by_label("Drop a picture here").set_input_files, path))
        inverted = page.get_by_label("Dark on light").is_checked()
        assert inverted or name != "paper"
        expected = read_inputs(str(path), 64, invert=inverted).x[0]
        assert row == pytest.approx(expected.tolist(), abs=1.5 / 255)
    expect(page.locator(".answer-bars li")).to_have_count(10)
    expect(page.locator(".answer-bars .most").first).to_have_text("1")


def test_nothing_is_seen_before_there_is_a_picture(page: Page, trained: str) -> None:
    """In place of a black square it says so, and what comes in its place is as large."""
    page.goto(f"{trained}/trials/0/predict")
    seen, unseen = page.get_by_role("img", name="as the network sees it"), page.get_by_text("no picture yet")
    expect(unseen).to_be_visible()
    expect(seen).to_be_hidden()
    place = unseen.bounding_box()
    page.get_by_role("button", name="Take one of the test images").click()
    expect(seen).to_be_visible()
    expect(unseen).to_be_hidden()
    assert seen.bounding_box() == place


def test_a_test_image_is_taken_whole(page: Page, trained: str) -> None:
    """Without the gaps that part it from its neighbours; here the last one of the last class."""
    page.add_init_script("Math.random = () => 0.99")
    page.goto(f"{trained}/trials/0/predict")
    row = sent_row(page, page.get_by_role("button", name="Take one of the test images").click)
    sheet = np.asarray(Image.open(FOLDER / "datasets" / "digits.png").convert("L")) / 255
    assert row == pytest.approx(sheet[-8:, -8:].flatten().tolist(), abs=1.5 / 255)


def test_what_can_not_be_asked_is_said(page: Page, trained: str, tmp_path: Path) -> None:
    """A file that is no picture, and a row that is too short; a row of the data's own numbers is understood."""
    page.goto(f"{trained}/trials/0/predict")
    (tmp_path / "a.png").write_text("no picture")
    page.get_by_label("Drop a picture here").set_input_files(tmp_path / "a.png")
    expect(page.get_by_role("alert")).to_have_text(
        "a.png is no picture that this browser can read: PNG, JPEG, GIF, BMP and WebP will do."
    )
    page.get_by_role("button", name="Take one of the test images").click()
    seen = page.get_by_role("img", name="as the network sees it")
    expect(seen).to_be_visible()
    row = page.get_by_label("Or a row of 64 numbers")
    row.fill("1, 2, 3")
    expect(seen).to_be_hidden()  # it is not what was asked about
    expect(page.get_by_role("alert")).to_have_text("These are 3 numbers, and the network takes 64.")
    assert sent_row(page, lambda: row.fill(" ".join(["16", "8"] * 32))) == [1, 0.5] * 32
    expect(page.locator(".answer-bars li")).to_have_count(10)
    expect(page.get_by_role("alert")).to_be_empty()
    assert max(sent_row(page, lambda: page.get_by_role("button", name="Take one of the test images").click())) > 0.5


def test_a_picture_that_comes_late_does_not_undo_what_was_typed(page: Page, trained: str) -> None:
    """The row stays, and the network is asked about nothing else."""
    page.goto(f"{trained}/trials/0/predict")
    held: list[Route] = []
    page.route(re.compile(r"/digits[^/]*\.png"), lambda route: held.append(route))
    page.get_by_role("button", name="Take one of the test images").click()
    wait_until(lambda: page.evaluate("1") and held)
    row = page.get_by_label("Or a row of 64 numbers")
    asked: list[Request] = []
    sent_row(page, lambda: row.fill(" ".join(["16", "8"] * 32)))
    page.on("request", lambda request: asked.append(request))
    with page.expect_response(re.compile(r"/digits[^/]*\.png")):
        held[0].continue_()
    page.evaluate("async () => { await createImageBitmap(new ImageData(8, 8)); }")
    expect(row).to_have_value(re.compile("^16 8"))
    expect(page.locator(".answer-bars li")).to_have_count(10)
    assert [request for request in asked if request.url.endswith("/predict")] == []
