// Charts: drawn when they come into sight, drawn again when their address or their sweep's revision is another.

import { brushed } from "./brush.js";
import { fitted } from "./fit.js";
import { focused, trialOf } from "./focus.js";
import { bringForward } from "./front.js";
import { lookAt, placed } from "./looks.js";
import { toggleStage } from "./stage.js";
import "../paper.js";

const REDRAW_MS = 2000; // between two drawings of one chart
const NARROWING = ["metric", "state", "top", "where"]; // parts of the lens that leave the axes as they are
const touch = matchMedia("(pointer: coarse)").matches; // there a drag scrolls the page
const config = {
  responsive: true,
  displaylogo: false,
  displayModeBar: touch ? false : "hover",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};
const drawings = new WeakMap(); // chart -> {src, revision, at, timer}
const figures = new WeakMap(); // plot -> what the server drew
const inWindow = new WeakSet(); // plots that are in the window, or nearly
let page = new AbortController(); // once the page is left: its sweep may be deleted by then
let chosen = []; // trials that are selected or open, by the places of their looks
let focus = chosen; // and the one that is pointed at

const isInSight = (chart) => !chart.closest("details:not([open]), [hidden]");

function drawAll() {
  if (!window.Plotly) return;
  for (const chart of document.querySelectorAll(".chart[data-src]")) {
    if (isInSight(chart)) scheduleDrawing(chart);
  }
}

function scheduleDrawing(chart) {
  const last = drawings.get(chart) ?? { at: -Infinity };
  const { src, revision } = chart.dataset;
  if (last.timer || (last.src === src && last.revision === revision)) return;
  const wait = last.src === src ? Math.max(0, last.at + REDRAW_MS - performance.now()) : 0;
  drawings.set(chart, { ...last, timer: setTimeout(() => draw(chart), wait) });
}

/** What zoom and hidden traces belong to: the address without what only narrows down which trials are shown. */
function viewOf(src) {
  const address = new URL(src, location.href);
  NARROWING.forEach((name) => address.searchParams.delete(name));
  return address.href;
}

async function draw(chart) {
  if (!isInSight(chart)) return void drawings.delete(chart); // its part of the page was closed meanwhile
  const { src, revision } = chart.dataset;
  const at = performance.now();
  drawings.set(chart, { src, revision, at });
  const { signal } = page;
  const isOld = () => drawings.get(chart)?.at !== at || chart.dataset.src !== src || !chart.isConnected;
  const message = chart.querySelector(".chart-message");
  const plot = chart.querySelector(".plot");
  try {
    const seen = /^\d+$/.test(revision) ? { "X-Seen-Revision": revision } : {}; // nothing older will do
    const response = await fetch(src, { headers: { Accept: "application/json", ...seen }, signal });
    const figure = await response.json();
    if (!response.ok) throw new Error(figure.detail);
    if (isOld()) return;
    const layout = { ...fitted(figure.layout, plot.clientWidth), autosize: true, uirevision: viewOf(src), ...(touch && { dragmode: false }) };
    layout.clickanywhere = fields().length > 0;
    figures.set(plot, { data: figure.data, layout, focus });
    await Plotly.react(plot, focused(figures.get(plot), focus), layout, config);
    bringForward(plot);
    listen(chart, plot);
    watcher.observe(plot);
    message.hidden = true;
  } catch (error) {
    if (isOld()) return;
    drawings.delete(chart); // so that the next refresh tries again
    if (signal.aborted) return;
    message.hidden = false;
    message.textContent = `This chart can't be drawn right now: ${error.message}`;
  }
}

// ---- trials in focus: `new CustomEvent("trial-focus", {detail: {numbers: [3, "", 5], pointed, source}})`
document.addEventListener("trial-focus", ({ detail: { numbers, pointed, source } }) => {
  chosen = numbers;
  focus = pointed === undefined ? chosen : placed(chosen, pointed);
  for (const plot of plots()) if (plot !== source) showFocus(plot);
});

const plots = () => document.querySelectorAll(".chart .js-plotly-plot");

// A chart of thousands of trials takes a while to draw again: those that nobody sees wait until they come into the window.
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    isIntersecting ? inWindow.add(target) : inWindow.delete(target);
    showFocus(target);
  }
}, { rootMargin: "100px" });

addEventListener("beforeprint", () => {
  plots().forEach((plot) => inWindow.add(plot));
  plots().forEach(showFocus);
});

function showFocus(plot) {
  const figure = figures.get(plot);
  if (!figure || figure.focus === focus || !inWindow.has(plot)) return;
  figure.focus = focus;
  const data = focused(figure, focus);
  if (data !== figure.data || plot.data !== figure.data) Plotly.react(plot, data, figure.layout, config);
}

// ---- points are trials: a click opens one, and on an empty place a trial of one's own, with the values of that place
const fields = () => document.getElementById("trial-panel")?.dataset.fields?.split(" ").filter(Boolean) ?? [];

/** The values of the page's hyperparameters at a place of a chart, by name. */
function valuesAt({ xaxes = [], xvals, yaxes = [], yvals }) {
  const axes = [...xaxes.map((axis, index) => [axis, xvals[index]]), ...yaxes.map((axis, index) => [axis, yvals[index]])];
  return Object.fromEntries(axes.map(([axis, value]) => [axis.title.text, value]).filter(([name]) => fields().includes(name)));
}

function listen(chart, plot) {
  if (plot.dataset.listening) return;
  plot.dataset.listening = "true";
  const trials = chart.dataset.trials; // the page that has them, where there is one
  plot.on("plotly_click", (click) => {
    const trial = trialOf(click.points[0]?.customdata);
    if (trial !== undefined && trials) return openTrial(trial, trials);
    const values = valuesAt(click);
    if (Object.keys(values).length) document.dispatchEvent(new CustomEvent("trial-open", { detail: { number: "new", values }, cancelable: true }));
  });
  plot.on("plotly_hover", ({ points }) => point(plot, trialOf(points[0]?.customdata)));
  plot.on("plotly_unhover", () => point(plot));
  plot.on("plotly_selected", (selection) => brushed(plot, selection));
}

/** Tells the page which trial the pointer is at; a curve of it is hard to follow among others. */
function point(plot, number) {
  const { curves, looks, seeds } = figures.get(plot)?.layout.meta ?? {};
  const look = looks && !seeds ? lookAt(placed(chosen, number).indexOf(number), looks) : {};
  if (curves) bringForward(plot, number, look.color);
  document.dispatchEvent(new CustomEvent("trial-pointed", { detail: { number, source: plot } }));
}

/** The page's panel of a trial, or whoever else prevents the default, takes the event; else the trial's row is shown. */
function openTrial(number, trials) {
  const event = new CustomEvent("trial-open", { detail: { number }, bubbles: true, cancelable: true });
  if (!document.dispatchEvent(event) || document.getElementById("trial-panel")) return;
  const row = document.getElementById(`trial-${number}`);
  if (row) row.scrollIntoView({ block: "center" });
  else location.assign(`${trials}?order_by=number&after=${number}#trial-${number}`);
}

document.addEventListener("page-left", () => page.abort());
document.addEventListener("page-kept", () => {
  page = new AbortController();
  drawAll();
});
document.getElementById("plotly")?.addEventListener("load", drawAll);
document.body.addEventListener("htmx:after:swap", drawAll);
document.addEventListener("toggle", drawAll, true); // a part of the page was opened
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-present]");
  if (button) toggleStage(button.closest(".chart-panel"));
});
drawAll();
