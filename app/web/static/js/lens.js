// The lens of a sweep's page: its fields become the page's address, and the page is fetched at it without a reload.

const PARTS = ["objective", "metric", "state", "top", "where", "robust", "excluded"];
const form = () => document.getElementById("lens");

// ---- from the fields to the address
function texts(name) {
  return new FormData(form()).getAll(name).filter((text) => text !== "");
}

function parts() {
  const [metric = "last"] = texts("metric");
  const isCounted = form().querySelector(`#lens-metric option[value="${metric}"]`)?.hasAttribute("data-counted");
  return {
    objective: texts("objective")[0],
    metric: isCounted ? `${metric}=${texts("epochs")[0] ?? 1}` : metric,
    state: texts("state").join(","),
    top: texts("top")[0],
    where: texts("where").join(","),
    robust: texts("robust")[0],
    excluded: texts("excluded")[0],
  };
}

let shown = form()?.dataset.lens; // what the page's address says of it
let asked = fieldStates(); // as they were when the page was asked for

const USUAL = { metric: "last", top: "100" };

/** Shows the page through these parts of the lens; the rest of its address stays, but for the page of the table. */
function show(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, text] of Object.entries({ ...parts(), ...changes })) {
    query.delete(name);
    if (text && text !== USUAL[name]) query.set(name, text);
  }
  query.delete("after");
  asked = fieldStates();
  const link = document.getElementById("lens-link");
  link.setAttribute("href", `${form().dataset.path}${query.size ? `?${query}` : ""}`);
  link.click();
}

// ---- conditions
function namesIn(condition) {
  return condition.match(/^[a-z_0-9]+/)?.[0];
}

/** Adds conditions; those that the lens has of the same hyperparameters make room where `replacing`. */
function addConditions(conditions, replacing) {
  const names = new Set(conditions.map(namesIn));
  const others = texts("where").filter((text) => !(replacing && names.has(namesIn(text))) && !conditions.includes(text));
  show({ where: [...others, ...conditions].join(",") });
}

function offerValues() {
  const name = form().elements.namedItem("adder-name").value;
  const offered = form().querySelector(`template[data-values-of="${CSS.escape(name)}"]`);
  document.getElementById("lens-values").replaceChildren(...(offered ? [offered.content.cloneNode(true)] : []));
}

// ---- what people do
document.addEventListener("change", (event) => {
  if (event.target.form?.id !== "lens" || event.target.name.startsWith("adder-")) return;
  if (event.target.name === "metric") {
    form().elements.namedItem("epochs").hidden = !event.target.selectedOptions[0].hasAttribute("data-counted");
  }
  show({});
});
document.addEventListener("submit", (event) => {
  if (event.target.id !== "lens") return;
  event.preventDefault();
  const [name, operator, value] = ["name", "operator", "value"].map((part) => form().elements.namedItem(`adder-${part}`));
  if (!document.getElementById("lens-adder").open) return show({});
  if (value.value.trim() === "") return void value.focus();
  document.getElementById("lens-adder").open = false;
  addConditions([`${name.value}${operator.value}${value.value.trim()}`], false);
  value.value = "";
});
document.addEventListener("focusin", (event) => event.target.name === "adder-value" && offerValues());
document.addEventListener("click", (event) => {
  const dropped = event.target.closest("[data-lens-drop]")?.dataset.lensDrop;
  if (dropped) show({ where: texts("where").filter((text) => text !== dropped).join(",") });
  if (event.target.closest("[data-lens-clear]")) show(Object.fromEntries(PARTS.map((name) => [name, ""])));
});

// ---- what charts ask for: `new CustomEvent("lens-where", {detail: ["depth>=2", "depth<=3"]})`
document.addEventListener("lens-where", (event) => form() && addConditions(event.detail, true));

// ---- fields show the lens of the page that has come, but for those that were changed while it was on its way
function stateOf(field) {
  return field.type === "checkbox" ? field.checked : field.value;
}

function fieldStates() {
  return new Map([...(form()?.elements ?? [])].filter(({ id }) => id).map((field) => [field.id, stateOf(field)]));
}

function showDefault(field) {
  if (field.type === "checkbox") field.checked = field.defaultChecked;
  else if (field.options) field.value = ([...field.options].find((option) => option.defaultSelected) ?? field.options[0]).value;
  else field.value = field.defaultValue;
}

document.body.addEventListener("htmx:after:swap", () => {
  if (!form() || form().dataset.lens === shown) return;
  shown = form().dataset.lens;
  for (const field of form().elements) {
    if (field.id && asked.get(field.id) === stateOf(field)) showDefault(field);
  }
  asked = fieldStates();
});
