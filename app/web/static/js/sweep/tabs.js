// Tabs: one part of the page is shown, the others keep their zoom and scroll. Arrow keys go from one to the next.
import { refresh, write } from "./address.js";

const tabs = () => [...document.querySelectorAll("[role=tab]")];

export function show(name) {
  for (const tab of tabs()) {
    const current = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(current));
    tab.tabIndex = current ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !current;
  }
  write({ tab: name === "overview" ? "" : name });
  const panel = document.getElementById(`panel-${name}`);
  for (const plot of panel.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(plot); // the window may have changed
  panel.dispatchEvent(new Event("toggle")); // draws the charts that come into sight
  reveal();
  refresh();
}

/** Scrolls the row of tabs, which is wider than a phone, to the one that is shown. */
function reveal() {
  const tab = tabs().find((item) => item.getAttribute("aria-selected") === "true");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
}

const nameOf = (tab) => tab.id.replace("tab-", "");

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(nameOf(tab));
});

document.addEventListener("keydown", (event) => {
  if (event.target.role !== "tab" && event.target.getAttribute?.("role") !== "tab") return;
  const all = tabs();
  const at = all.indexOf(event.target);
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const tab = all[next % all.length];
  show(nameOf(tab));
  tab.focus();
});

reveal();
