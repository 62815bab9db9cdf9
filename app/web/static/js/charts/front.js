// The curves of the trial under the pointer, drawn once more before all others of their chart, which fade behind them.
// A redrawing by plotly would take longer, and would lose the pointer.
import { trialOf } from "./focus.js";

const DASHES = { dash: "6 4", dot: "2 3", dashdot: "6 3 2 3" };

/** Brings a trial's curves forward in a plot, in this colour or in theirs, or none. */
export function bringForward(plot, number, color) {
  plot.querySelectorAll(".front-curves").forEach((group) => group.remove());
  const traces = number === undefined ? [] : plot._fullData.filter((trace) => trace.type === "scatter" && trace.visible === true);
  const drawn = traces.map((trace) => draw(plot, trace, number, color));
  plot.classList.toggle("has-front-curves", drawn.some(Boolean));
}

function draw(plot, trace, number, chosenColor) {
  const points = Array.from(trace.customdata ?? [], (data, index) => (trialOf(data) === number ? index : -1)).filter((index) => index >= 0);
  if (!points.length) return false;
  const { xaxis, yaxis, plot: layer } = plot._fullLayout._plots[trace.xaxis + trace.yaxis];
  const places = points.map((index) => {
    const place = [xaxis.d2p(trace.x[index]), yaxis.d2p(trace.y[index])];
    return trace.y[index] !== null && place.every(Number.isFinite) ? place.map((part) => part.toFixed(1)) : null; // a gap
  });
  const path = places.map((place, index) => place && `${places[index - 1] ? "L" : "M"}${place}`).filter(Boolean).join("");
  const dots = places.filter((place, index) => place && !places[index - 1] && !places[index + 1]);
  const color = chosenColor ?? trace.line?.color ?? trace.marker.color; // plotly fills in no line where there are dots alone
  const group = element("g", { class: "front-curves", "data-number": number });
  group.append(element("path", { d: path, stroke: color, "stroke-dasharray": DASHES[trace.line?.dash] ?? "none" }));
  group.append(...dots.map(([cx, cy]) => element("circle", { cx, cy, r: 5, fill: color })));
  layer.node().append(group);
  return true;
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
