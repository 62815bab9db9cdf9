// What htmx does not do by itself: server-sent events, dialogs, and rows that open.
"use strict";
{
  const POLL_MS = 15000; // behind the events, which are only hints
  const LEAVING_MS = 30000; // until a page that was to be left counts as one that stays
  const connection = document.getElementById("connection");
  let source = null;

  // ---- live: one stream of events; each makes htmx fetch #live again
  let heard = 0; // the revision of the sweep in the last event
  let isDeleted = false; // by the last event: no answer that was made before it will do
  let leaving = false; // a form was sent whose answer is another page: a sweep that is being deleted has none of its own
  function leave(isLeaving) {
    leaving = isLeaving;
    document.dispatchEvent(new CustomEvent(isLeaving ? "page-left" : "page-kept")); // for what asks beside htmx
  }
  let poll;
  function refresh() {
    clearTimeout(poll); // a poll is for when no event has come for long
    poll = setTimeout(() => document.hidden || refresh(), POLL_MS);
    if (!leaving) document.body.dispatchEvent(new Event("live"));
  }
  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("hx-boost") !== "false") return;
    leave(true);
    setTimeout(() => { leave(false); refresh(); }, LEAVING_MS); // it is still here: the answer did not come
  });

  // a link or a field counts more than those before it, whose answers are waited for no longer; what other forms have
  // asked for meanwhile is asked for with it
  const isLive = (element) => element?.id === "live";
  let wanted = null; // the page as it was asked for last
  const PLACES = ["after", "page"]; // in a table
  const wishes = new Map(); // by form, and of all links together: names and texts of what is to be another in the address
  function addWishes({ request, sourceElement }) {
    const shown = new URL(document.getElementById("live").dataset.address, location.href).searchParams;
    const url = new URL(request.action, location.href);
    const query = url.searchParams;
    for (const name of request.body.keys()) query.delete(name);
    for (const [name, text] of request.body) query.append(name, text);
    const names = [...new Set([...shown.keys(), ...query.keys()])].filter((name) => !PLACES.includes(name));
    const changes = names.filter((name) => (query.get(name) ?? "") !== (shown.get(name) ?? ""));
    const form = sourceElement.closest("form");
    wishes.delete(form); // its fields still have what they asked for
    const others = [...wishes.values()].flat().filter(([name]) => !changes.includes(name));
    wishes.set(form, changes.map((name) => [name, query.get(name)]));
    if (!others.length) return;
    for (const [name, text] of others) text ? query.set(name, text) : query.delete(name);
    for (const name of PLACES) query.delete(name); // the table will be another one
    request.action = url.pathname + url.search;
    request.body = new FormData();
  }
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx !== wanted) return;
    wanted = null;
    wishes.clear();
  });
  document.body.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    ctx.askedAt = location.href;
    if (!isLive(ctx.sourceElement) && isLive(ctx.target) && ctx.request.method === "GET") {
      wanted?.request.abort();
      wanted = ctx;
      addWishes(ctx);
    }
    if (!isLive(ctx.sourceElement)) return;
    ctx.request.action = location.pathname + location.search;
    const { dataset } = ctx.sourceElement;
    if (!dataset.revision || isDeleted) return;
    ctx.request.headers["X-Seen-Revision"] = Math.max(heard, dataset.revision);
  });

  // news, and answers to forms, that were asked for at an earlier address, such as the order of before a click, are not shown:
  // they are asked for anew
  document.body.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    const leavesAddress = isLive(ctx.sourceElement) || (isLive(ctx.target) && ctx.request.method === "POST");
    if (!leavesAddress || ctx.askedAt === location.href) return;
    event.preventDefault();
    document.body.dispatchEvent(new Event("live"));
  });

  function showConnection(state) {
    connection.hidden = false;
    if (connection.textContent === state) return;
    connection.textContent = state;
    connection.dataset.state = state;
  }

  function connect() {
    if (source || document.hidden || !document.body.dataset.events) return;
    source = new EventSource(document.body.dataset.events);
    source.addEventListener("open", () => { showConnection("live"); refresh(); });
    source.addEventListener("sweep", ({ data }) => {
      const { revision, state } = JSON.parse(data);
      heard = revision;
      isDeleted = state === "deleted";
      refresh();
    });
    source.addEventListener("error", () => {
      showConnection("reconnecting");
      if (source?.readyState !== EventSource.CLOSED) return; // it tries again by itself
      source = null;
      setTimeout(connect, 3000);
    });
  }

  function disconnect() {
    source?.close();
    source = null;
  }

  // a browser has six connections to a server: tabs that nobody looks at must not hold them
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("pagehide", disconnect);
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    leave(false);
    connect();
  });
  if (document.body.dataset.events) {
    connect();
    poll = setTimeout(() => document.hidden || refresh(), POLL_MS);
  }

  // ---- sliders over a list of values, of which the form sends the chosen one as JSON
  function showValue(slider) {
    const value = JSON.parse(slider.dataset.values)[slider.value];
    slider.form.querySelector("output").textContent = String(value);
    slider.form.elements.namedItem("value").value = JSON.stringify(value);
  }
  document.addEventListener("input", (event) => event.target.matches("[data-values]") && showValue(event.target));
  document.body.addEventListener("htmx:after:swap", () => document.querySelectorAll("[data-values]").forEach(showValue));

  // ---- dialogs, and rows that open
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog).showModal();
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    const toggle = event.target.closest("[aria-expanded]");
    if (toggle) toggle.setAttribute("aria-expanded", String(toggle.getAttribute("aria-expanded") !== "true"));
  });
  document.addEventListener("submit", (event) => event.target.closest("dialog")?.close());
  document.body.addEventListener("htmx:config:request", (event) => {
    if (event.detail.ctx.request.method === "POST") document.getElementById("notice").replaceChildren();
  });
}
