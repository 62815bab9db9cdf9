// Selected trials: their numbers are in the address, so they outlive refreshes, sorting and paging, and can be shared.
// A trial's place there is that of its look, which it keeps: `3,,15` once the second of three is no longer selected.
import { placed } from "../charts/looks.js";
import { read, refresh, write } from "./address.js";

const MAX = 200; // of the server
const boxes = () => [...document.querySelectorAll("[data-select]")];

const places = () => read("selected").split(",");
const openTrial = () => [read("trial")].filter((number) => number && number !== "new");

export const selected = () => places().filter(Boolean);

/** The trials that have a look, by place: the selected ones and the open one. */
export const withLooks = () => openTrial().reduce(placed, places());

export function select(numbers) {
  const chosen = new Set(numbers);
  const kept = numbers.reduce(placed, withLooks()).map((number) => (chosen.has(number) ? number : ""));
  write({ selected: kept.slice(0, MAX).join(",").replace(/,+$/, "") });
  apply();
  refresh();
}

export function toggle(number) {
  const numbers = selected();
  select(numbers.includes(number) ? numbers.filter((item) => item !== number) : [...numbers, number]);
}

function apply() {
  const numbers = new Set(selected());
  for (const box of boxes()) {
    box.checked = numbers.has(box.dataset.select);
    box.closest("tbody").classList.toggle("selected-row", box.checked);
  }
  const all = document.querySelector("[data-select-all]");
  if (!all) return;
  const checked = boxes().filter((box) => box.checked).length;
  all.checked = checked > 0 && checked === boxes().length;
  all.indeterminate = checked > 0 && !all.checked;
}

let last = null; // the row from which Shift selects on

document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-select]");
  if (box) {
    const shown = boxes().map((item) => item.dataset.select);
    const [from, to] = [shown.indexOf(last), shown.indexOf(box.dataset.select)].sort((a, b) => a - b);
    const range = event.shiftKey && from >= 0 ? shown.slice(from, to + 1) : [box.dataset.select];
    last = box.dataset.select;
    const rest = selected().filter((number) => !range.includes(number));
    select(box.checked ? [...rest, ...range] : rest);
  }
  const all = event.target.closest("[data-select-all]");
  if (all) {
    const shown = boxes().map((item) => item.dataset.select);
    const rest = selected().filter((number) => !shown.includes(number));
    select(all.checked ? [...rest, ...shown] : rest);
  }
  if (event.target.closest("[data-select-none]")) select([]);
});

document.body.addEventListener("htmx:after:swap", apply);
apply();
