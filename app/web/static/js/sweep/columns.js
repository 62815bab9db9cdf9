// Which columns the table of trials has, kept in this browser for each sweep; and a head that stays in sight.

const key = `columns:${location.pathname}`;
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
const watcher = new ResizeObserver(fit);

function stored() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch { // private windows may have no storage, and others may have written to it
    return {};
  }
}

function apply() {
  const rules = Object.entries(stored()).map(([name, shown]) =>
    `@media (min-width: 44.01rem) { .trial-table [data-column=${CSS.escape(name)}] { display: ${shown ? "table-cell" : "none"} } }`);
  sheet.replaceSync(rules.join("\n"));
  for (const box of document.querySelectorAll("[data-column-choice]")) {
    box.checked = stored()[box.dataset.columnChoice] ?? box.defaultChecked;
  }
  watcher.disconnect();
  for (const element of document.querySelectorAll(".trial-scroll, .trial-table")) watcher.observe(element); // measures them too
}

// A table that is too wide scrolls in a box of its own; any other one lets its head stick to the window.
function fit() {
  const [area, table] = [".trial-scroll", ".trial-table"].map((name) => document.querySelector(name));
  area?.toggleAttribute("data-wide", table.offsetWidth >= area.offsetWidth); // whose border is a pixel at either side
}

document.addEventListener("change", (event) => {
  const box = event.target.closest("[data-column-choice]");
  if (!box) return;
  try {
    localStorage.setItem(key, JSON.stringify({ ...stored(), [box.dataset.columnChoice]: box.checked }));
  } catch { /* then they are as they were with the next page */ }
  apply();
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
  }
});

document.body.addEventListener("htmx:after:swap", apply);
apply();
