// Which trials are in focus on the page of a sweep: the selected ones, the open one, and the one that is pointed at.
import { read } from "./address.js";
import { selected } from "./selection.js";

const SETTLED_MS = 80; // a pointer that passes by colours nothing
let shown = "";
let timer;

function numbersInFocus(pointed) {
  const open = read("trial");
  const numbers = [...selected(), ...(open && open !== "new" ? [open] : [])].map(Number);
  return [...new Set(pointed === undefined ? numbers : [...numbers, pointed])];
}

function focusOn(pointed, source) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const numbers = numbersInFocus(pointed);
    if (numbers.join() === shown) return;
    shown = numbers.join();
    document.dispatchEvent(new CustomEvent("trial-focus", { detail: { numbers, source } }));
  }, SETTLED_MS);
}

document.addEventListener("trial-pointed", ({ detail }) => focusOn(detail.number, detail.source));

const rowNumber = (target) => {
  const number = target?.closest?.("tbody[data-number]")?.dataset.number;
  return number === undefined ? undefined : Number(number);
};
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => {
    if (target.closest?.(".trial-table")) focusOn(rowNumber(target));
  });
}
document.addEventListener("pointerout", ({ target, relatedTarget }) => {
  if (target.closest?.(".trial-table") && !relatedTarget?.closest?.(".trial-table")) focusOn();
});
document.addEventListener("address-changed", () => focusOn());
focusOn();
