// The list of sweeps: which are selected outlives refreshes, and other pages, filters and orders of the list.
const selected = new Set(); // their numbers, as text
const boxes = () => [...document.querySelectorAll("[data-select]")];

function showSelection() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const onPage = boxes();
  for (const box of onPage) box.checked = selected.has(box.value);
  const checkedCount = onPage.filter((box) => box.checked).length;
  const elsewhere = [...selected].filter((id) => !onPage.some((box) => box.value === id));
  const all = document.getElementById("select-all");
  all.checked = checkedCount > 0 && checkedCount === onPage.length;
  all.indeterminate = checkedCount > 0 && !all.checked;
  all.disabled = onPage.length === 0;
  const note = elsewhere.length ? `, ${elsewhere.length} of them not shown here` : "";
  document.getElementById("selection-count").textContent =
    selected.size ? `${selected.size} selected${note}` : "Select all on this page";
  bar.dataset.count = selected.size;
  for (const button of bar.querySelectorAll("[data-least]")) button.disabled = selected.size < button.dataset.least;
  document.getElementById("selected-elsewhere").replaceChildren(...elsewhere.map((id) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "hidden", name: "sweep", value: id });
    return input;
  }));
}

document.addEventListener("change", (event) => {
  const changed = event.target.id === "select-all" ? boxes() : event.target.matches("[data-select]") ? [event.target] : [];
  if (!changed.length) return;
  for (const box of changed) selected[event.target.checked ? "add" : "delete"](box.value);
  showSelection();
});

document.addEventListener("click", (event) => {
  if (event.target.matches("[data-dismiss]")) {
    event.preventDefault();
    document.getElementById("notice").replaceChildren();
  }
  if (event.target.id === "compare-selected") location.assign(`/compare?sweeps=${[...selected].join(",")}`);
});

document.body.addEventListener("htmx:after:swap", () => {
  document.querySelector("#notice dialog[data-modal]:not(:modal)")?.removeAttribute("open");
  document.querySelector("#notice dialog[data-modal]:not([open])")?.showModal();
  const results = document.querySelector("#notice .bulk-results:not([data-seen])");
  if (results) { // it was done: what was selected for it is no longer
    results.dataset.seen = "";
    selected.clear();
    document.body.dispatchEvent(new Event("live"));
  }
  showSelection();
});

// a closed question is not asked again by the next refresh
document.addEventListener("close", (event) => {
  if (event.target.matches("#notice dialog[data-modal]")) event.target.parentElement.remove();
}, true);

for (const box of boxes()) if (box.checked) selected.add(box.value); // as the browser kept them over a reload
showSelection();
