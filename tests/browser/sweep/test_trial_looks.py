"""How a trial looks in the charts of its sweep: selected, pointed at, and in its group."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.waiting import wait_until
from tests.support.web.sweep_pages import mark_document

pytestmark = pytest.mark.browser

LOOKS = """([chart, number]) => {
    // what nobody sees waits
    document.querySelector(`#${chart}`).scrollIntoView({ block: "center", behavior: "instant" });
    const traces = document.querySelector(`#${chart} .plot`).data.filter((trace) => trace.type === "scatter");
    const front = traces.find((trace) => trace.name === `trial ${number}`);
    const colors = traces.filter((trace) => trace.customdata && !`${trace.marker.symbol}`.startsWith("star"));
    return {
        look: front && `${front.marker.color} ${front.marker.symbol}`,
        others: [...new Set(colors.filter((trace) => trace !== front).map((trace) => trace.marker.color))],
    };
}"""

CURVE_COLOR = """(plot, number) => plot.data
    .find((trace) => trace.legendgroup === `${number}` && trace.mode === "lines+markers").line.color"""


@pytest.fixture(scope="module")
def server(shared_server: str) -> str:
    """The one for all tests of this module."""
    return shared_server


def test_a_selected_trial_has_one_look_in_all_charts(sweep: Page, path: str) -> None:
    """The others are grey, and it keeps its look under a filter; without a selection they are as they were."""
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    before = sweep.evaluate(LOOKS, ["history", 3])
    assert before["look"] is None
    sweep.locator("#open-5").focus()  # the second focus on a chart is on what plotly has made of its layout
    wait_until(lambda: sweep.evaluate(LOOKS, ["history", 5])["look"])
    sweep.get_by_label("Select trial 3", exact=True).check()
    looks = []
    for chart in ("history", "effect"):
        wait_until(lambda chart=chart: sweep.evaluate(LOOKS, [chart, 3])["look"])  # type: ignore[misc]
        shown = sweep.evaluate(LOOKS, [chart, 3])
        assert shown["others"] == ["#8c8c8c"]
        looks.append(shown["look"])
    sweep.goto(f"{path}?selected=3,5&top=50&tab=compare")
    curves = sweep.locator("#curves-selected .plot")
    expect(curves.locator(".trace").first).to_be_attached()
    lines = curves.evaluate(
        "plot => plot.data.filter((line) => line.legendgroup === '3').map((line) => line.line.color)"
    )
    assert {f"{lines[-1]} circle", *looks} == {looks[0]}
    mark = sweep.locator(".comparison .trial-mark").first
    assert mark.evaluate("mark => getComputedStyle(mark).color") == sweep.evaluate(
        "color => { document.body.style.color = color; return getComputedStyle(document.body).color; }", lines[-1]
    )
    sweep.goto(path)
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    assert sweep.evaluate(LOOKS, ["history", 3]) == before
    mark_document(sweep)


def test_a_chart_that_nobody_sees_waits_until_it_is_seen(sweep: Page, path: str) -> None:
    """A selection draws the charts in the window anew; others when they come into it, or go on paper."""
    has_trial = """([chart, number]) =>
        document.querySelector(`#${chart} .plot`).data.some(({ name }) => name === `trial ${number}`)"""
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    sweep.set_viewport_size({"width": 1280, "height": 300})

    def select_above(number: int) -> None:
        """Selects a trial while the first chart alone is in the window."""
        sweep.locator("#effect").evaluate("chart => chart.scrollIntoView({ block: 'start', behavior: 'instant' })")
        sweep.locator(f"[data-select='{number}']").evaluate("box => box.click()")
        wait_until(lambda: sweep.evaluate(has_trial, ["effect", number]))
        assert sweep.evaluate(has_trial, ["history", number]) is False

    select_above(3)
    sweep.locator("#history").scroll_into_view_if_needed()
    wait_until(lambda: sweep.evaluate(has_trial, ["history", 3]))
    select_above(5)
    sweep.evaluate("dispatchEvent(new Event('beforeprint'))")
    wait_until(lambda: sweep.evaluate(has_trial, ["history", 5]))
    sweep.goto(path)
    mark_document(sweep)


def test_selected_trials_share_no_colour_and_keep_theirs(sweep: Page) -> None:
    """Whatever their numbers are; the colour that one leaves is the next one's, in charts and in the table."""
    curves = sweep.locator("#curves .plot")
    expect(curves.locator(".trace").first).to_be_attached()
    drawn = {int(group) for group in curves.evaluate("plot => plot.data.map((line) => line.legendgroup)")}
    leaving, staying = next((number, number + 6) for number in sorted(drawn) if number + 6 in drawn)
    coming = min(drawn - {leaving, staying})

    def color_of(number: int) -> str:
        color: str = wait_until(lambda: sweep.evaluate(LOOKS, ["history", number])["look"]).split()[0]
        wait_until(lambda: curves.evaluate(CURVE_COLOR, number) == color)
        box = sweep.get_by_label(f"Select trial {number}", exact=True)
        expect(box).to_have_css("accent-color", f"rgb{tuple(bytes.fromhex(color[1:]))}")
        return color

    for number in (leaving, staying):
        sweep.get_by_label(f"Select trial {number}", exact=True).check()
    left, kept = color_of(leaving), color_of(staying)
    assert left != kept
    sweep.get_by_label(f"Select trial {leaving}", exact=True).uncheck()
    wait_until(lambda: sweep.evaluate(LOOKS, ["history", leaving])["look"] is None)
    sweep.get_by_label(f"Select trial {coming}", exact=True).check()
    assert (color_of(coming), color_of(staying)) == (left, kept)
    assert sweep.url.endswith(f"?selected={coming},{staying}")


def test_a_curve_that_is_pointed_at_is_before_all_others(sweep: Page) -> None:
    """They fade here and are grey in other charts, and its row is marked; with the pointer gone all is as before."""
    expect(sweep.locator("#curves .plot .trace").first).to_be_attached()
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    sweep.locator("#curves .nsewdrag").scroll_into_view_if_needed()
    before = sweep.evaluate(LOOKS, ["history", 0])["others"]
    place = sweep.evaluate(
        """() => {
            const { xaxis, yaxis } = document.querySelector("#curves .plot")._fullLayout;
            const line = document.querySelector("#curves .plot").data.find((trace) => trace.customdata);
            return { x: xaxis.d2p(line.x[1]), y: yaxis.d2p(line.y[1]) };
        }"""
    )
    sweep.locator("#curves .nsewdrag").hover(position=place, force=True)
    front = sweep.locator("#curves .front-curves")
    expect(front).to_have_count(2)  # training and validation
    number = front.first.get_attribute("data-number")
    expect(sweep.locator("#curves .plot")).to_contain_class("has-front-curves")
    expect(sweep.locator(f"#trial-{number}")).to_contain_class("pointed-row")
    wait_until(lambda: sweep.evaluate(LOOKS, ["history", int(number or 0)])["others"] == ["#8c8c8c"])
    expect(front).to_have_count(2)  # still, while the pointer rests
    sweep.mouse.move(0, 0)
    expect(front).to_have_count(0)
    expect(sweep.locator(".pointed-row")).to_have_count(0)
    wait_until(lambda: sweep.evaluate(LOOKS, ["history", 0])["others"] == before)


def test_a_curve_of_one_epoch_is_brought_forward_as_a_dot(sweep: Page) -> None:
    """In the colour of its marker, for a trace of dots has no line."""
    expect(sweep.locator("#history .plot .trace").first).to_be_attached()
    dots = sweep.evaluate(
        """async () => {
            const { bringForward } = await import("/static/js/charts/front.js");
            const plot = document.body.appendChild(document.createElement("div"));
            const marker = { color: "#123456" };
            await Plotly.newPlot(plot, [{ mode: "markers", x: [1, null], y: [2, null], customdata: [7, 7], marker }]);
            bringForward(plot, 7);
            const dots = [...plot.querySelectorAll(".front-curves circle")].map((dot) => dot.getAttribute("fill"));
            plot.remove();
            return dots;
        }"""
    )
    assert dots == ["#123456"]


def test_all_curves_are_hidden_and_shown_by_group(sweep: Page, path: str) -> None:
    """By state, or by the hyperparameter that is chosen, which the address keeps with the tab."""
    sweep.get_by_role("tab", name="Curves").click()
    legend = sweep.locator("#all_curves .legendtext")
    expect(legend).to_have_text(["complete (14)"])
    sweep.get_by_label("groups by").select_option("hidden_units")
    expect(legend).to_have_text([re.compile(rf"^{width} \(\d+\)$") for width in (4, 8, 16)])
    assert {"tab=curves", "color=hidden_units"} <= set(sweep.url.partition("?")[2].split("&"))
    sweep.locator("#all_curves .legendtoggle").first.click()
    visible = "document.querySelector('#all_curves .plot').data.map((trace) => trace.visible ?? true)"
    wait_until(lambda: sweep.evaluate(visible) == ["legendonly", True, True])
    sweep.goto(path)
    mark_document(sweep)
