// The panel of one trial: a row, an address or the event `trial-open` opens it; closing it gives the focus back.
import { read, refresh, write } from "./address.js";

const panel = document.getElementById("trial-panel");
let opener = null; // the id of what had the focus
let beginning = ""; // what a new trial begins with, as the query of its form
let wantsFocus = false;

export function open(number, start = {}) {
  if (panel.hidden) opener = document.activeElement?.id || `open-${number}`;
  wantsFocus = true;
  beginning = new URLSearchParams(start).toString();
  write({ trial: String(number) });
  load();
}

export function close() {
  if (panel.hidden) return;
  panel.hidden = true;
  write({ trial: "" });
  mark();
  (document.getElementById(opener) ?? document.getElementById("trials"))?.focus();
}

const content = () => document.getElementById("trial-content");

function load() {
  const number = read("trial");
  if (!number) return;
  const path = number === "new" ? `new?${beginning}` : `${number}?selected=${encodeURIComponent(read("selected"))}`;
  return htmx.ajax("GET", `${panel.dataset.path}/${path}`, {
    source: "#trial-panel",
    target: "#trial-content",
    select: "#trial-content",
    swap: "outerMorph",
  });
}

function mark() {
  const number = panel.hidden ? "" : read("trial");
  for (const row of document.querySelectorAll("tbody[data-number]")) {
    row.classList.toggle("open-row", row.dataset.number === number);
  }
}

// what was asked for, or sent, before another trial was opened is not shown over that; the form may be gone by then
document.addEventListener("htmx:before:swap", (event) => {
  const { request, response, sourceElement, text } = event.detail.ctx;
  const isForm = sourceElement.id === "manual-trial";
  if (sourceElement !== panel && !isForm) return;
  const place = isForm ? "new" : new URL(request.action, location.href).pathname.split("/").at(-1);
  if (place === read("trial")) return;
  event.preventDefault();
  if (isForm && response.status >= 400) tellRefusal(text);
});

/** Says above the page why a trial of one's own was not queued, where its form is no longer open. */
function tellRefusal(page) {
  const answer = new DOMParser().parseFromString(page, "text/html");
  const banner = answer.querySelector(".error-banner");
  const reasons = [...answer.querySelectorAll(".field.invalid")].map((field) =>
    `${field.querySelector("label").textContent}: ${field.querySelector(".error-text").textContent}`);
  banner.prepend("Your own trial was not queued. ");
  banner.append(...reasons.map((textContent) => Object.assign(document.createElement("p"), { textContent })));
  document.getElementById("notice").replaceChildren(banner);
}

document.body.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail?.ctx.target ?? null; // an element, or its selector; of #live the page is told by itself
  const isPanel = panel.contains(typeof target === "string" ? document.querySelector(target) : target);
  const shown = content().dataset.number;
  if (isPanel && shown && read("trial")) { // not when the panel was closed while its form was sent
    panel.hidden = false;
    if (shown !== "new" && read("trial") === "new") { // it was queued
      write({ trial: shown });
      wantsFocus = true;
      refresh();
    }
    content().querySelector("[autofocus]")?.focus();
    if (wantsFocus) panel.focus();
    wantsFocus = false;
    panel.dispatchEvent(new Event("toggle")); // draws its chart
  }
  // a form is left as it was typed; a trial is shown as it stands
  if (!isPanel && !panel.hidden && read("trial") !== "new") load();
  mark();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close-panel]")) return close();
  const link = event.target.closest("[data-trial]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    return open(link.dataset.trial, link.dataset.like ? { like: link.dataset.like } : {});
  }
  const row = event.target.closest("tbody[data-number]");
  if (row && !event.target.closest("a, button, input, label") && !getSelection().toString()) {
    document.getElementById(`open-${row.dataset.number}`).focus();
    open(row.dataset.number);
  }
});

document.addEventListener("trial-open", (event) => {
  event.preventDefault(); // a page without a panel would go to one that has it
  const { number, values = {} } = event.detail;
  open(number, Object.fromEntries(Object.entries(values).map(([name, value]) => [`p-${name}`, value])));
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) close();
});

load();
