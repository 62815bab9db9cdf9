"""How soon one browser sees what is changed in another: `python -m benchmarks.server.two_browsers`.

Two real browsers have the page of one sweep open while a worker trains it. In turns each excludes or includes a trial
by the button of its panel, and the row in the other's table is watched. The goal is two seconds.
"""

import argparse
import signal
import statistics
import tempfile
from pathlib import Path

import httpx2
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.server.open_pages import BODY
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.support.up_process import up
from tests.support.waiting import wait_until

GOAL_MS = 2_000
TRIAL = 1
WATCH = """([row, isExcluded]) => {
  window.seenAt = 0;
  const look = () => {
    if (document.querySelector(row).classList.contains('excluded-row') === isExcluded) window.seenAt ||= Date.now();
  };
  window.watcher?.disconnect();
  window.watcher = new MutationObserver(look);
  window.watcher.observe(document.body, {subtree: true, childList: true, attributes: true});
}"""
CLICK = "(button) => { const now = Date.now(); button.click(); return now; }"


def delay_ms(changing: Page, watching: Page, *, is_excluded: bool) -> int:
    """Milliseconds from the click in one browser to the row of the other."""
    watching.evaluate(WATCH, [f"#trial-{TRIAL}", is_excluded])
    panel = changing.get_by_role("complementary")
    button = panel.get_by_role("button", name="Exclude" if is_excluded else "Include")
    clicked = int(button.evaluate(CLICK))
    row = expect(watching.locator(f"#trial-{TRIAL}"))
    (row.to_contain_class if is_excluded else row.not_to_contain_class)("excluded-row", timeout=30_000)
    expect(panel.get_by_role("button", name="Include" if is_excluded else "Exclude")).to_be_visible()
    return int(watching.evaluate("window.seenAt")) - clicked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perceptune-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with (
            up(Path(folder), "--workers", "1", "--home", f"{folder}/home") as server,
            sync_playwright() as playwright,
        ):
            body = BODY | {"n_trials": 2_000}
            sweep = httpx2.post(f"{server.url}/api/v1/sweeps", json=body).raise_for_status().json()["id"]
            trial = f"{server.url}/api/v1/sweeps/{sweep}/trials/{TRIAL}"
            wait_until(lambda: httpx2.get(trial).raise_for_status().json()["state"] == "complete")
            browsers = [playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) for _ in range(2)]
            pages = [browser.new_page(viewport={"width": 1280, "height": 900}) for browser in browsers]
            for page in pages:
                page.goto(f"{server.url}/sweeps/{sweep}?order_by=number&trial={TRIAL}")
                page.wait_for_selector(f"#trial-{TRIAL}", state="attached")
            delays = [
                delay_ms(pages[turn // 2 % 2], pages[1 - turn // 2 % 2], is_excluded=turn % 2 == 0)
                for turn in range(options.times)
            ]
            state = httpx2.get(f"{server.url}/api/v1/sweeps/{sweep}").raise_for_status().json()["state"]
            for browser in browsers:
                browser.close()
            server.end(signal.SIGINT)
    worst = max(delays)
    print("| changes | the sweep then | ms, median | ms, worst | goal |\n|---:|---|---:|---:|---|")
    kept = "" if worst <= GOAL_MS else "MISSED"
    print(f"| {len(delays)} | {state} | {statistics.median(delays):.0f} | {worst} | {kept} |")


if __name__ == "__main__":
    main()
