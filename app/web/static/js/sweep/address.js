// What the page shows is in its address and nowhere else, so that it can be shared: the tab, the open trial, the selection.

const OURS = ["tab", "trial", "selected"]; // changed here, without asking the server for another page

const RETRY_MS = 600; // longer than news are held back
let timer;

// The value of one part of the address, "" where it has none.
export const read = (name) => new URLSearchParams(location.search).get(name) ?? "";

// Changes parts of the address; what is empty is left out.
export function write(changes) {
  history.replaceState(history.state, "", merged(location.href, Object.entries(changes)));
  document.dispatchEvent(new Event("address-changed"));
}

// Has the page fetched again, as the address wants it: more than once where what came was asked for before.
export function refresh(attempts = 5) {
  document.body.dispatchEvent(new Event("live"));
  clearTimeout(timer);
  timer = setTimeout(() => isStale() && attempts && refresh(attempts - 1), RETRY_MS);
}

function isStale() {
  const shown = new URL(document.getElementById("live").dataset.address, location.href).searchParams;
  return ["tab", "selected"].some((name) => (shown.get(name) ?? "") !== read(name));
}

function merged(address, entries) {
  const url = new URL(address, location.href);
  for (const [name, value] of entries) value ? url.searchParams.set(name, value) : url.searchParams.delete(name);
  return url.pathname + url.search.replaceAll("%2C", ",") + url.hash;
}

// What was changed here while an answer was on its way stays in the address, and the page is asked for again.
document.addEventListener("htmx:before:history:update", ({ detail: { history: update } }) => {
  const path = merged(update.path, OURS.map((name) => [name, read(name)]));
  if (path === merged(update.path, []) || new URL(path, location.href).pathname !== location.pathname) return;
  update.path = path;
  document.addEventListener("htmx:after:history:update", () => refresh(), { once: true });
});

// What the server wrote into links and forms may be older than the address.
document.body.addEventListener("htmx:config:request", (event) => {
  const { request, sourceElement } = event.detail.ctx;
  if (sourceElement.id === "live") return;
  if (request.method === "GET" && new URL(request.action, location.href).pathname === location.pathname) {
    request.action = merged(request.action, OURS.map((name) => [name, read(name)]));
  } else if (request.body?.has?.("view")) request.body.set("view", location.search);
});
