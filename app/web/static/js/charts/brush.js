// Brushes: a part of an axis of the parallel coordinates becomes a condition of the page's lens.

const round = (value) => Number(value.toPrecision(4));

/** The value at a height of an axis, whose ends and scale the figure tells; `down`: lower values lie higher. */
function valueAt({ low, high, scale, down }, height) {
  const place = (down ? -1 : 1) * (low + (high - low) * height);
  if (scale === "error") return 1 - 10 ** -place;
  return scale === "log" ? 10 ** place : place;
}

/** `["lr>=0.01", "lr<=0.1"]`, or the names between the two heights: `["activation=relu|tanh"]`. */
function conditionsOf(axis, [from, to]) {
  if (axis.names) {
    const last = axis.high - axis.low || 1;
    const chosen = axis.names.filter((_, place) => from <= (place - axis.low) / last && (place - axis.low) / last <= to);
    return chosen.length ? [`${axis.name}=${chosen.join("|")}`] : [];
  }
  const ends = axis.down ? [["<=", from], [">=", to]] : [[">=", from], ["<=", to]];
  return ends
    .filter(([, height]) => height > 0 && height < 1) // an open end asks for nothing
    .map(([operator, height]) => `${axis.name}${operator}${round(valueAt(axis, height))}`);
}

/** What was selected with the mouse; the lens of the page follows, and the chart is drawn anew. */
export function brushed(plot, selection) {
  const axes = plot.layout.meta?.axes;
  if (!axes || !selection?.range) return;
  const [left, right] = [...selection.range.x].sort((a, b) => a - b);
  const heights = [...selection.range.y].sort((a, b) => a - b);
  const nearest = Math.min(Math.max(Math.round((left + right) / 2), 0), axes.length - 1); // where it meets no axis
  const [first, last] = Math.ceil(left) <= right ? [left, right] : [nearest, nearest];
  const conditions = axes.flatMap((axis, place) => (first <= place && place <= last ? conditionsOf(axis, heights) : []));
  Plotly.relayout(plot, { selections: [] });
  if (conditions.length) document.dispatchEvent(new CustomEvent("lens-where", { detail: conditions }));
}
