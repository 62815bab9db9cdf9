// One key each for what is done often: the help under `?` names them.
import { toggle } from "./selection.js";
import { show } from "./tabs.js";

const links = () => [...document.querySelectorAll(".trial-table a[id^=open-]")].filter((link) => link.offsetParent);
const current = () => document.activeElement?.closest?.("tbody[data-number]");

function step(by) {
  const all = links();
  const at = all.findIndex((link) => current()?.contains(link));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function exclude() {
  const number = current()?.dataset.number;
  if (!number || document.body.dataset.role === "read") return;
  const isExcluded = current().classList.contains("excluded-row");
  const form = document.getElementById("exclude-one");
  form.action = `${document.getElementById("trial-panel").dataset.path}/${number}/${isExcluded ? "include" : "exclude"}`;
  form.requestSubmit();
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  s: () => current() && toggle(current().dataset.number),
  x: exclude,
  c: () => show("compare"),
  "?": () => document.getElementById("shortcuts").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  if (event.target.closest("textarea, select, dialog, input:not([type=checkbox])")) return;
  event.preventDefault();
  keys[event.key]();
});

document.addEventListener("click", (event) => {
  const name = event.target.closest("[data-show-chart]")?.dataset.showChart;
  const panel = name && document.getElementById(`${name}-panel`);
  if (panel) {
    show("overview");
    panel.closest("details")?.setAttribute("open", "");
    panel.scrollIntoView({ block: "center" });
  }
  const button = event.target.closest("[data-show-tab]");
  if (!button) return;
  show(button.dataset.showTab);
  document.getElementById(`tab-${button.dataset.showTab}`).scrollIntoView({ block: "start" });
});
