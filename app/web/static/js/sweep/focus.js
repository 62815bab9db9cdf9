// Which trials are in focus on the page of a sweep: the selected ones, the open one, and the one that is pointed at.
import { withLooks } from "./selection.js";

const SETTLED_MS = 80; // a pointer that passes by colours nothing
let shown = " undefined"; // nothing
let timer;

/** Marks the row of a trial that is pointed at in a chart. */
function markRow(number) {
  document.querySelector(".pointed-row")?.classList.remove("pointed-row");
  if (number !== undefined) document.getElementById(`trial-${number}`)?.classList.add("pointed-row");
}

function focusOn(pointed, source) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    markRow(source ? pointed : undefined);
    const numbers = withLooks().map((number) => number && Number(number));
    if (`${numbers} ${pointed}` === shown) return;
    shown = `${numbers} ${pointed}`;
    document.dispatchEvent(new CustomEvent("trial-focus", { detail: { numbers, pointed, source } }));
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
