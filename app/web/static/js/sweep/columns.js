// Which columns the table of trials has, kept in this browser for each sweep; and a head that stays in sight.

const key = `columns:${location.pathname}`;
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

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
  fit();
}

// A table that is too wide scrolls in a box of its own; any other one lets its head stick to the window.
function fit() {
  const area = document.querySelector(".trial-scroll");
  if (!area) return;
  area.classList.remove("wide");
  const isWide = area.querySelector("table").scrollWidth > area.clientWidth + 1;
  area.classList.toggle("wide", isWide);
  isWide ? area.setAttribute("tabindex", "0") : area.removeAttribute("tabindex");
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
addEventListener("resize", fit);
apply();
