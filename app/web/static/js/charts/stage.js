// A chart on its own, as large as the screen and, but for a phone's, with larger type: for a projector.

const SCALE = 1.7; // of all type
let stage = null; // the panel that is presented
let scale = 1; // of its type

const SIZES = ["font.size", "title.font.size", "title.subtitle.font.size", "legend.font.size", "legend.title.font.size"];

const valueAt = (tree, path) => path.split(".").reduce((node, key) => node?.[key], tree);

/** The layout with type of another size, and room for it. */
function scaled(plot, factor) {
  const layout = plot._fullLayout;
  const changes = Object.fromEntries(SIZES.map((path) => [path, valueAt(layout, path) * factor]));
  changes["margin.t"] = layout.margin.t * factor;
  for (const axis of ["xaxis", "yaxis"]) changes[`${axis}.title.font.size`] = valueAt(layout, `${axis}.title.font.size`) * factor;
  (layout.annotations ?? []).forEach(({ font }, index) => (changes[`annotations[${index}].font.size`] = font.size * factor));
  return changes;
}

const plotOf = (panel) => panel.querySelector(".plot");

export async function toggleStage(panel) {
  if (stage) return leave();
  if (!plotOf(panel)._fullLayout) return;
  stage = panel;
  panel.classList.add("presented");
  panel.querySelector("[data-present]").textContent = "Close";
  await panel.requestFullscreen?.().catch(() => {}); // where that is refused it fills the window
  scale = matchMedia("(max-width: 44rem)").matches ? 1 : SCALE; // titles would be cut off
  await Plotly.relayout(plotOf(panel), scaled(plotOf(panel), scale));
  Plotly.Plots.resize(plotOf(panel));
}

async function leave() {
  const panel = stage;
  if (!panel) return;
  stage = null;
  panel.classList.remove("presented");
  panel.querySelector("[data-present]").textContent = "Present";
  if (document.fullscreenElement) await document.exitFullscreen();
  await Plotly.relayout(plotOf(panel), scaled(plotOf(panel), 1 / scale));
  Plotly.Plots.resize(plotOf(panel));
}

document.addEventListener("fullscreenchange", () => document.fullscreenElement || leave());
document.addEventListener("keydown", (event) => event.key === "Escape" && leave());
