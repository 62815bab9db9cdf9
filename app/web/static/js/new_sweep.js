// The form for a new sweep: fields for hyperparameters, the same as JSON, sentences at their fields, and what was typed
// is there again after the page was loaded anew.
import { DomainField, element } from "./domain_field.js";

const form = document.getElementById("sweep-form");
const preview = document.getElementById("preview");
const fields = new Map([...document.querySelectorAll(".field.domain")].map((field) => [field.dataset.field, new DomainField(field)]));
const controls = () => [...form.elements].filter((control) => control.name && (control.id.startsWith("f-") || control.name === "order"));
const changed = () => form.dispatchEvent(new Event("input", { bubbles: true }));

function fill(texts) {
  for (const control of controls()) {
    const text = texts[control.name] ?? "";
    if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === text)) {
      control.add(new Option(text, text));
    }
    control.value = text;
    if (text) control.closest("details")?.setAttribute("open", "");
  }
  for (const field of fields.values()) field.refresh();
  showTask();
}

// ---- the task and the data set: what they have no use for is not shown, and not sent
function showTask() {
  const task = form.elements.task.value || "train_mlp";
  const target = form.elements.dataset.selectedOptions[0]?.dataset.target ?? "class";
  for (const part of form.querySelectorAll("[data-tasks]")) {
    const fits = part.dataset.tasks.split(" ").includes(task) && (part.dataset.target ?? target) === target;
    if (part.tagName === "OPTION") part.disabled = part.hidden = !fits;
    else part.hidden = !fits;
    if (part.classList.contains("domain")) part.querySelector("input[id]").disabled = !fits;
  }
  for (const select of form.querySelectorAll("select")) if (select.selectedOptions[0]?.disabled) select.value = "";
}
for (const select of [form.elements.task, form.elements.dataset]) {
  select.addEventListener("change", () => { showTask(); changed(); });
}

// ---- what is wrong, at the field that it is wrong in, once something was typed there
const touched = new Set([...form.querySelectorAll(".field.invalid")].map((field) => field.dataset.field));
form.addEventListener("input", (event) => {
  const name = event.target.closest?.(".field")?.dataset.field;
  if (name) touched.add(name);
});

function showProblems() {
  for (const field of form.querySelectorAll(".field")) {
    const { field: name } = field.dataset;
    const sentences = [...preview.querySelectorAll(`li[data-field="${CSS.escape(name)}"]`)].map((item) => item.dataset.sentence);
    const shown = touched.has(name) ? sentences.map((text) => text[0].toUpperCase() + text.slice(1)).join(". ") : "";
    const control = field.querySelector("[id^=f-]");
    field.querySelectorAll(".error-text").forEach((text) => text.remove());
    field.classList.toggle("invalid", Boolean(shown));
    control.toggleAttribute("aria-invalid", Boolean(shown));
    if (shown) {
      control.setAttribute("aria-invalid", "true");
      field.append(element("p", { className: "error-text", id: `e-${name}`, textContent: shown }));
    }
    const described = [document.getElementById(`h-${name}`), shown && document.getElementById(`e-${name}`)];
    for (const part of field.querySelectorAll("[id^=f-], .domain-editor")) {
      part.setAttribute("aria-describedby", described.filter(Boolean).map(({ id }) => id).join(" "));
    }
  }
}

// ---- the same as JSON: what is typed there fills the form, and what the form says stands there
const editor = document.getElementById("json-editor");
const json = editor.querySelector("textarea");
const jsonProblem = editor.querySelector("[role=alert]");
let jsonTimer, jsonTurn = 0;
editor.hidden = false;

function showJson() {
  if (document.activeElement === json) return;
  json.value = document.getElementById("json-body").textContent;
  jsonProblem.textContent = "";
}

async function takeJson() {
  const turn = ++jsonTurn;
  const response = await fetch("/sweeps/new/fields", { method: "POST", body: new URLSearchParams({ body: json.value }) });
  const answer = response.ok ? await response.json() : { problem: "The server can't read this right now." };
  if (turn !== jsonTurn) return;
  jsonProblem.textContent = answer.problem ?? "";
  if (!answer.fields) return;
  fill(answer.fields);
  Object.keys(answer.fields).forEach((name) => touched.add(name));
  changed();
}

json.addEventListener("input", () => {
  clearTimeout(jsonTimer);
  jsonTimer = setTimeout(takeJson, 400);
});
json.addEventListener("blur", () => jsonProblem.textContent || showJson());

document.body.addEventListener("htmx:after:swap", () => { showProblems(); showJson(); });

// ---- constraints, put together
const area = document.getElementById("f-constraints");
const left = element("select", { ariaLabel: "Constraint: what is compared" });
const sign = element("select", { ariaLabel: "Constraint: how" }, ...["<=", "<", ">=", ">", "==", "!="].map((text) => new Option(text)));
const right = element("input", { ariaLabel: "Constraint: with what", placeholder: "500000, or hidden_units_2", autocomplete: "off" });
const add = element("button", { type: "button", className: "button", textContent: "Add" });
const numbers = [...fields.values()].filter((field) => field.field.dataset.kind === "number").map((field) => field.name);
left.append(...["parameters", ...numbers].map((name) => new Option(name)));
for (const control of [left, sign, right]) control.setAttribute("form", "");
function addConstraint() {
  if (!right.value.trim()) return right.focus();
  area.value = [area.value.trim(), `${left.value} ${sign.value} ${right.value.trim()}`].filter(Boolean).join("\n");
  right.value = "";
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
add.addEventListener("click", addConstraint);
right.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  addConstraint();
});
area.after(element("div", { className: "constraint-builder" }, left, sign, right, add));

// ---- what was typed is kept until the sweep has started
const KEY = `new-sweep:${location.search}`;
const isReload = ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type);
const wasRefused = Boolean(document.querySelector(".error-banner"));
const remembered = JSON.parse(sessionStorage.getItem(KEY) ?? "null");

function remember() {
  const texts = Object.fromEntries(controls().map((control) => [control.name, control.value]));
  sessionStorage.setItem(KEY, JSON.stringify({ texts, wasSent: false }));
}
form.addEventListener("input", remember);
form.addEventListener("submit", () => {
  remember();
  const kept = JSON.parse(sessionStorage.getItem(KEY));
  sessionStorage.setItem(KEY, JSON.stringify({ ...kept, wasSent: true }));
});

showTask();
if (wasRefused) remember();
else if (remembered && !remembered.wasSent) {
  if (isReload) { fill(remembered.texts); changed(); } else offerRemembered(remembered.texts);
} else if (remembered) sessionStorage.removeItem(KEY);
showJson();

function offerRemembered(texts) {
  const take = element("button", { type: "button", className: "button small", textContent: "Go on with it" });
  const offer = element("p", { className: "typed-before" }, "There is a form that was not sent. ", take);
  take.addEventListener("click", () => { fill(texts); changed(); offer.remove(); });
  form.prepend(offer);
}
