"""The exercises' pages, read and tried by hand in a real browser, and their notebook."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from app.db.engine import transaction
from app.db.tables import ExerciseRun
from app.exercises.registry import EXERCISES, exercise
from app.lifecycle import sweep_row
from app.schemas import SweepCreate
from app.sweeps import creation
from app.sweeps.creation import ExerciseSweep
from app.sweeps.exercises import runs
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

NOTEBOOK = ROOT / "examples" / "exercises.ipynb"


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module."""
    return shared_server


def ended_run(server: str, engine: Engine, preset: str) -> int:
    """The id of a run of exercise 1 that was trained in a moment."""
    body = {"name": f"Exercise 1 ({preset})", "dataset": "digits", "space": {"hidden_units": [1, 8], "epochs": 1}}
    with transaction(engine) as session:
        run = ExerciseRun(exercise=1, preset=preset)
        session.add(run)
        session.flush()
        full_body = SweepCreate.model_validate(body | {"sampler": "grid", "seeds": 2})
        creation.create(session, full_body, exercise_sweep=ExerciseSweep(run.id, "width"))
        address = f"{server}/api/v1/exercises/1/runs/{run.id}"
        run_id = run.id
    wait_until(lambda: httpx.get(address).json()["state"] == "completed")
    return run_id


def report_has(address: str, fact: str) -> bool:
    return fact in httpx.get(address).text


def test_every_run_of_an_exercise_stays_in_reach(page: Page, server: str, shared_engine: Engine) -> None:
    """The full one is shown though a quick one came later; each has its tab, its charts and its report."""
    full, quick = (ended_run(server, shared_engine, preset) for preset in ("full", "quick"))
    listed = httpx.get(f"{server}/api/v1/exercises/1/runs").json()["items"]
    assert [(run["id"], run["preset"], run["state"]) for run in listed] == [
        (quick, "quick", "completed"),
        (full, "full", "completed"),
    ]
    page.goto("/exercises/1")
    tabs = page.get_by_role("navigation", name="Runs").get_by_role("link")
    expect(tabs).to_have_count(2)
    expect(tabs.nth(1)).to_have_attribute("aria-current", "true")
    page.get_by_text("How it was measured").click()
    expect(page.get_by_role("link", name="Exercise 1 (full)")).to_be_visible()
    tabs.nth(0).click()
    page.wait_for_url(f"**/exercises/1?run={quick}")
    expect(page.get_by_role("link", name="Exercise 1 (quick)")).to_be_visible()
    expect(page.locator("#chart-accuracy")).to_have_attribute("data-src", re.compile(rf"\?run={quick}$"))
    address = page.get_by_role("link", name="Download report").get_attribute("href")
    for run, preset in ((quick, "quick"), (full, "full")):
        report_url = f"{server}{str(address).replace(f'run={quick}', f'run={run}')}"
        wait_until(partial(report_has, report_url, "In this run the test images were read once"))
        for fact in (preset, f"(run number {run} of this service)", "torch", "UTC", "Machine"):
            assert report_has(report_url, fact)


def test_a_reader_tries_one_more_network(page: Page, server: str, shared_engine: Engine) -> None:
    """The slider names its value, and the trained network is added to the list and to the chart."""
    run = ended_run(server, shared_engine, "quick")
    page.goto(f"/exercises/1?run={run}")
    slider = page.get_by_role("slider", name="hidden units")
    slider.fill("0")
    expect(page.locator(".try-panel output")).to_have_text("1")
    page.get_by_role("button", name="Train one network").click()
    expect(page.locator(".try-panel .tag")).to_contain_text(re.compile(r"^1: "))
    expect(page.locator(".try-panel .tag")).to_have_text(re.compile(r"1: 0\.\d{4}"), timeout=90_000)
    expect(page.locator("#chart-accuracy .legendtext").filter(has_text="tried here")).to_be_visible(timeout=15_000)


def test_the_bodies_of_its_sweeps_can_be_copied(page: Page, server: str) -> None:
    """Each preset's as one list, also before the exercise was run."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server}/exercises/7")
    page.get_by_text("The sweeps as JSON").click()
    page.get_by_role("button", name="Copy").nth(1).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    bodies = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert bodies == list(exercise(7).sweeps("full").values())


def test_on_a_phone_all_columns_of_the_table_are_in_sight(page: Page, server: str, shared_engine: Engine) -> None:
    """Those of exercise 1 fit side by side, with names in several lines."""
    run = ended_run(server, shared_engine, "quick")
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"/exercises/1?run={run}")
    area = page.locator(".exercise-answer .scroll-area")
    expect(area.get_by_role("columnheader")).to_have_count(6)
    assert area.evaluate("(place) => place.scrollWidth <= place.clientWidth")


def test_on_paper_an_exercise_is_dark_on_light_and_fits(page: Page, server: str, shared_engine: Engine) -> None:
    """Whatever the screen is: without its buttons, with further findings unfolded and charts as wide as the sheet."""
    run = ended_run(server, shared_engine, "quick")
    page.emulate_media(color_scheme="dark")
    page.goto(f"/exercises/1?run={run}")
    expect(page.locator("#chart-accuracy .main-svg").first).to_be_visible(timeout=30_000)
    page.emulate_media(color_scheme="dark", media="print")
    expect(page.locator("body")).to_have_css("color", "rgb(27, 33, 39)")
    expect(page.locator(".answer-sentence")).to_be_visible()
    for clicked in (".preset-list", ".try-panel", ".run-tabs", ".site-header", "#bodies"):
        expect(page.locator(clicked)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator("#chart-accuracy .main-svg").first).to_have_attribute("width", "680")
    page.set_viewport_size({"width": 688, "height": 900})  # A4 without its margins
    drawings, titles = (
        page.locator(f".chart-panel {name}").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect())")
        for name in (".main-svg:first-child", ".gtitle")
    )
    assert len(drawings) == len(titles) == 3
    for drawing, title in zip(drawings, titles[1:], strict=False):
        assert drawing["bottom"] <= title["top"], "no title stands in the chart above it"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator("#chart-accuracy .main-svg").first).not_to_have_attribute("width", "680")


def test_a_printed_report_fits_the_sheet(page: Page, server: str, shared_engine: Engine) -> None:
    """Charts and the table end where the paper does, and each is as wide as the page again afterwards."""
    run = ended_run(server, shared_engine, "quick")
    page.goto(f"/api/v1/exercises/1/report.html?run={run}")
    chart = page.locator(".chart .main-svg").first
    expect(chart).to_be_visible(timeout=30_000)
    page.set_viewport_size({"width": 688, "height": 900})  # A4 without its margins
    page.emulate_media(media="print")
    page.evaluate("document.querySelectorAll('th').forEach((cell) => { cell.textContent += ' beside another word'; })")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(chart).to_have_attribute("width", "680")
    places = page.locator("table, .chart, p").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().right)")
    assert max(places) <= 688
    chart_end, table_begin = (page.locator(name).last.bounding_box() for name in (".chart .main-svg", "table"))
    assert chart_end is not None
    assert table_begin is not None
    assert chart_end["y"] + chart_end["height"] <= table_begin["y"]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(chart).not_to_have_attribute("width", "680")


def test_the_notebook_has_a_cell_for_each_exercise_and_no_outputs() -> None:
    """What it shows is made where it is run."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    assert [source for source in sources if source.startswith("answer(")] == [f"answer({n})" for n in EXERCISES]
    assert [f"## {number}. {entry.title}" for number, entry in EXERCISES.items()] == [
        source for source in sources if source.startswith("## ")
    ]
    assert all(not cell.get("outputs") for cell in cells)


def test_the_notebook_shows_answers_and_charts(server: str, shared_engine: Engine, tmp_path: Path) -> None:
    """Exercise 1 was run before; of the others a run was cancelled, which is shown as it is."""
    ended_run(server, shared_engine, "quick")
    with transaction(shared_engine) as session:
        for number in EXERCISES:
            if number != 1:
                for sweep in runs.sweeps_of(session, runs.start(session, number, "quick")):
                    sweep_row.change_state(session, sweep.id, "cancel")
    command = [sys.executable, "-m", "jupyter", "execute", str(NOTEBOOK), f"--output={tmp_path / 'out.ipynb'}"]
    variables = os.environ | {"PERCEPTUNE_URL": server, "JUPYTER_PLATFORM_DIRS": "1", "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    answers = ["".join(cell["source"]) for cell in cells].index("answer(1)")
    outputs = cells[answers]["outputs"]
    assert "Of the two widths tried" in "".join(outputs[0]["text"])
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)
