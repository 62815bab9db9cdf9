// Focus: the trials that are selected, open or pointed at have their looks, and all others are grey behind them.
import { lookAt } from "./looks.js";

const GREY = "#8c8c8c";
const FAINT = 0.3;
const MARKED = 12; // points of a line that are seen as such
const FRONT = { size: 11, line: { width: 1.5, color: "#ffffff" } };

/** The trial that a point stands for, if it stands for one. */
export function trialOf(data) {
  const number = Array.isArray(data) ? data[0] : data;
  return Number.isInteger(number) ? number : undefined;
}

/** The trials that a trace has points of; of a band, which has none, that of its line. */
function trialsOf(trace, data) {
  const numbers = new Set(Array.from(trace.customdata ?? [], trialOf).filter((number) => number !== undefined));
  if (numbers.size || !trace.legendgroup || trace.fill !== "toself") return numbers;
  const line = data.find((other) => other.legendgroup === trace.legendgroup && other.customdata);
  return line ? trialsOf(line, data) : numbers;
}

function greyed(trace) {
  const { colorscale, showscale, colorbar, ...marker } = trace.marker ?? {}; // grey has no scale
  return {
    ...trace,
    opacity: FAINT,
    marker: { ...marker, color: GREY },
    line: { ...trace.line, color: GREY },
    fillcolor: trace.fillcolor && "rgba(140,140,140,0.1)",
    error_y: trace.error_y && { ...trace.error_y, color: GREY },
  };
}

/** The best configuration stands out as it is. */
const isBest = (trace) => `${trace.marker?.symbol}`.startsWith("star") || `${trace.name}`.startsWith("best configuration");

const shade = (color) => `rgba(${[1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))},0.15)`; // of a band

/** A trace of one trial alone, in its look. */
function tinted(trace, { color, symbol }) {
  const { colorscale, showscale, colorbar, ...marker } = trace.marker ?? {};
  return {
    ...trace,
    marker: { ...marker, color, symbol: `${marker.symbol}`.endsWith("-open") ? `${symbol}-open` : symbol },
    line: { ...trace.line, color },
    fillcolor: trace.fillcolor && shade(color),
  };
}

/** The points of one trial, in its look, in front of all others. */
function front(trace, number, look) {
  const numbers = Array.from(trace.customdata, trialOf);
  const isOf = numbers.map((other, index) => other === number || (other === undefined && numbers[index - 1] === number)); // with the gap behind it
  const pick = (list) => (Array.isArray(list) || ArrayBuffer.isView(list) ? Array.from(list).filter((_, index) => isOf[index]) : list);
  const { colorscale, showscale, colorbar, ...marker } = trace.marker ?? {};
  return {
    ...trace,
    x: pick(trace.x),
    y: pick(trace.y),
    text: pick(trace.text),
    customdata: pick(trace.customdata),
    error_y: undefined,
    opacity: 1,
    mode: trace.mode === "lines" && isOf.filter(Boolean).length <= MARKED ? "lines+markers" : trace.mode,
    name: `trial ${number}`,
    showlegend: false,
    marker: { ...marker, ...FRONT, opacity: 1, ...look },
    line: { ...trace.line, color: look.color, width: 3 },
  };
}

/** The traces of a figure with these trials in focus, each at the place of its look; as they are where it has none. */
export function focused({ data, layout }, numbers) {
  const { looks, seeds } = layout.meta ?? {};
  const trialsOfTraces = data.map((trace) => (trace.type === "scatter" ? trialsOf(trace, data) : new Set()));
  const shown = numbers.filter((number) => trialsOfTraces.some((trials) => trials.has(number)));
  if (!looks || seeds || !shown.length) return data; // seeds of one trial are told apart by their colours
  const lookOf = (number) => lookAt(numbers.indexOf(number), looks);
  const back = [];
  const foremost = [];
  data.forEach((trace, index) => {
    const trials = trialsOfTraces[index];
    const inFocus = shown.filter((number) => trials.has(number));
    if (!trials.size || isBest(trace)) back.push(trace);
    else if (trials.size === 1 && inFocus.length) foremost.push(tinted(trace, lookOf(inFocus[0])));
    else {
      back.push(greyed(trace));
      foremost.push(...inFocus.map((number) => front(trace, number, lookOf(number))));
    }
  });
  return [...back, ...foremost];
}
