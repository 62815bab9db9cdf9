// The field of a hyperparameter: one value, choices as chips, or a range with two ends, and the conditions under which it
// exists. The text field stays what is sent; what is done here is written into it.
import { formatDomain, parseDomain } from "./domain_text.js";

const MODES = { fixed: "Fixed", choices: "Choices", range: "Range" };

export function element(tag, properties = {}, ...children) {
  const { dataset = {}, attributes = {}, ...plain } = properties;
  const made = Object.assign(document.createElement(tag), plain);
  Object.assign(made.dataset, dataset);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A control that is sent with no form. */
function loose(tag, properties, ...children) {
  const made = element(tag, { autocomplete: "off", ...properties }, ...children);
  made.setAttribute("form", "");
  return made;
}

export class DomainField {
  constructor(field) {
    this.field = field;
    this.name = field.dataset.field;
    this.input = field.querySelector("input");
    this.names = field.dataset.names ? field.dataset.names.split(" ") : [];
    this.modes = field.dataset.kind === "number" ? ["fixed", "choices", "range"] : ["fixed", "choices"];
    this.remembered = {}; // by mode, so that going back and forth loses nothing
    this.editor = element("div", { className: "domain-editor", role: "group", ariaLabel: `Values of ${this.name}` });
    this.conditionList = element("div", { className: "conditions" });
    this.segments = this.makeSegments();
    field.querySelector(".field-head").append(this.segments);
    this.input.before(this.editor);
    field.querySelector("small").after(this.conditionList);
    this.input.addEventListener("change", () => this.refresh());
    this.input.addEventListener("input", () => {
      if (this.domain?.mode === "fixed" && !this.domain.conditions.length) this.domain.value = this.input.value;
      this.showConditions();
    });
    this.refresh();
    if (this.input.autofocus && this.input.hidden) this.editor.querySelector("input, button")?.focus();
  }

  /** Shows what the text says now. */
  refresh() {
    this.domain = parseDomain(this.input.value);
    this.render();
  }

  makeSegments() {
    const group = element("div", { className: "segments", role: "radiogroup", ariaLabel: `How ${this.name} is given` });
    for (const mode of this.modes) {
      const radio = loose("input", { type: "radio", name: `mode-${this.name}`, value: mode });
      radio.addEventListener("change", () => this.switchTo(mode));
      group.append(element("label", {}, radio, element("span", { textContent: MODES[mode] })));
    }
    return group;
  }

  switchTo(mode) {
    const before = this.domain ?? { mode: "fixed", value: "", conditions: [] };
    this.remembered[before.mode] = before;
    this.domain = { ...(this.remembered[mode] ?? converted(before, mode)), conditions: before.conditions };
    this.write();
    this.render();
  }

  write() {
    this.input.value = formatDomain(this.domain);
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** A condition is offered where there is a value that can have one. */
  showConditions() {
    this.conditionList.hidden = !this.input.value.trim() && !this.domain?.conditions.length;
  }

  render() {
    const mode = this.domain?.mode;
    for (const radio of this.segments.querySelectorAll("input")) radio.checked = radio.value === mode;
    const hasConditions = Boolean(this.domain?.conditions.length);
    this.input.hidden = mode === "choices" || mode === "range" || hasConditions;
    this.editor.replaceChildren();
    this.conditionList.replaceChildren();
    if (!this.domain) return; // JSON: the text itself
    if (mode === "choices") this.editor.append(this.names.length ? this.toggles() : this.chips());
    if (mode === "range") this.editor.append(this.range());
    if (mode === "fixed" && hasConditions) this.editor.append(this.textOf("value", this.name));
    this.conditionList.append(...this.conditions());
    this.showConditions();
  }

  toggles() {
    const chosen = () => this.domain.values;
    const buttons = this.names.map((name) => {
      const button = element("button", { type: "button", className: "chip", textContent: name, ariaPressed: String(chosen().includes(name)) });
      button.addEventListener("click", () => {
        const isChosen = chosen().includes(name);
        this.domain.values = isChosen ? chosen().filter((value) => value !== name) : [...chosen(), name];
        button.ariaPressed = String(!isChosen);
        this.write();
      });
      return button;
    });
    const unknown = chosen().filter((value) => !this.names.includes(value)).map((value) => this.chip(value));
    return element("div", { className: "chips", role: "group", ariaLabel: `Choices of ${this.name}` }, ...buttons, ...unknown);
  }

  chips() {
    const entry = loose("input", { className: "chip-entry", placeholder: "add", ariaLabel: `Add a choice of ${this.name}` });
    const take = () => {
      const values = entry.value.split(/[,\s]+/).filter((value) => value && !this.domain.values.includes(value));
      entry.value = "";
      if (!values.length) return;
      this.domain.values.push(...values);
      entry.before(...values.map((value) => this.chip(value)));
      this.write();
    };
    entry.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === ",") { event.preventDefault(); take(); }
      if (event.key === "Backspace" && !entry.value && this.domain.values.length) {
        this.domain.values.pop();
        entry.previousElementSibling?.remove();
        this.write();
      }
    });
    entry.addEventListener("change", take);
    const chips = this.domain.values.map((value) => this.chip(value));
    return element("div", { className: "chips", role: "group", ariaLabel: `Choices of ${this.name}` }, ...chips, entry);
  }

  chip(value) {
    const chip = element("button", { type: "button", className: "chip removable", textContent: value, ariaLabel: `Remove ${value}` });
    chip.addEventListener("click", () => {
      this.domain.values = this.domain.values.filter((item) => item !== value);
      const next = chip.nextElementSibling ?? chip.previousElementSibling;
      chip.remove();
      next?.focus();
      this.write();
    });
    return chip;
  }

  range() {
    const log = loose("input", { type: "checkbox", checked: this.domain.log });
    log.addEventListener("change", () => { this.domain.log = log.checked; this.write(); });
    const labelled = (key, label) => element("label", {}, element("span", { textContent: label }), this.textOf(key, `${this.name}: ${label}`));
    const ends = [labelled("low", "from"), labelled("high", "to"), labelled("step", "step")];
    return element("div", { className: "range-ends" }, ...ends, element("label", { className: "log-box" }, log, element("span", { textContent: "log" })));
  }

  textOf(key, label) {
    const control = loose("input", { value: this.domain[key], inputMode: "decimal", ariaLabel: label });
    control.addEventListener("input", () => {
      this.domain[key] = control.value.trim().replaceAll(/\s+/g, "");
      this.write();
    });
    return control;
  }

  conditions() {
    const rows = this.domain.conditions.map((condition) => this.condition(condition));
    const add = element("button", { type: "button", className: "link-button", textContent: rows.length ? "and if …" : "only if …" });
    add.ariaLabel = `Only if: a condition of ${this.name}`;
    add.addEventListener("click", () => {
      this.domain.conditions.push({ name: "", values: [] });
      this.render();
      [...this.conditionList.querySelectorAll("select")].at(-1).focus();
    });
    return [...rows, add];
  }

  condition(condition) {
    const others = [...document.querySelectorAll(".field.domain")]
      .filter((field) => field !== this.field && (field.querySelector("input[id]").value.trim() || field.dataset.field === condition.name))
      .map((field) => field.dataset.field);
    const names = [...new Set(["", ...others, condition.name])];
    const select = loose("select", { ariaLabel: `Condition of ${this.name}: the hyperparameter that it depends on` });
    select.append(...names.map((name) => new Option(name || "choose …", name, false, name === condition.name)));
    select.addEventListener("change", () => { condition.name = select.value; this.write(); });
    const values = loose("input", {
      value: condition.values.join(", "), placeholder: "values", ariaLabel: `Condition of ${this.name}: its values, with commas between`,
    });
    values.addEventListener("input", () => {
      condition.values = values.value.split(",").map((value) => value.trim()).filter(Boolean);
      this.write();
    });
    const remove = element("button", { type: "button", className: "link-button", textContent: "✕", ariaLabel: `Remove this condition of ${this.name}` });
    remove.addEventListener("click", () => {
      this.domain.conditions = this.domain.conditions.filter((item) => item !== condition);
      this.write();
      this.render();
    });
    return element("div", { className: "condition" }, element("span", { textContent: "if" }), select, element("span", { textContent: "is" }), values, remove);
  }
}

/** A domain in another mode, with what can be taken over. */
function converted(domain, mode) {
  const values = { fixed: [domain.value], choices: domain.values, range: [domain.low, domain.high] }[domain.mode].filter(Boolean);
  if (mode === "fixed") return { mode, value: values[0] ?? "" };
  if (mode === "choices") return { mode, values };
  const numbers = values.map(Number);
  const sorted = values.toSorted((a, b) => Number(a) - Number(b));
  const low = sorted[0] ?? "", high = sorted.length > 1 ? sorted.at(-1) : "";
  return { mode, low, high, step: "", log: numbers.every((number) => number > 0) && high / low >= 100 };
}
