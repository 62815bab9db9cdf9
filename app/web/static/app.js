// What htmx does not do by itself: server-sent events, charts, dialogs, and rows that open.
"use strict";
{
  const POLL = 15000; // ms; behind the events, which are only hints
  const REDRAW = 2000; // ms between two drawings of one chart
  const mark = document.getElementById("mark");
  let source = null;

  // ---- live: one stream of events; each makes htmx fetch #live again
  const refresh = () => document.body.dispatchEvent(new Event("live"));

  function show(state) {
    mark.hidden = false;
    if (mark.textContent === state) return;
    mark.textContent = state;
    mark.dataset.state = state;
  }

  function connect() {
    if (source || document.hidden || !document.body.dataset.events) return;
    source = new EventSource(document.body.dataset.events);
    source.addEventListener("open", () => { show("live"); refresh(); });
    source.addEventListener("sweep", refresh);
    source.addEventListener("error", () => {
      show("reconnecting");
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
  window.addEventListener("pageshow", (event) => event.persisted && connect());
  if (document.body.dataset.events) {
    connect();
    setInterval(() => document.hidden || refresh(), POLL);
  }

  // ---- charts: drawn again when their address or their sweep's revision is another
  const drawn = new WeakMap(); // chart -> {src, revision, at, timer}

  function drawAll() {
    if (!window.Plotly) return;
    for (const chart of document.querySelectorAll(".chart[data-src]")) plan(chart);
  }

  function plan(chart) {
    const last = drawn.get(chart) ?? { at: -Infinity };
    const { src, revision } = chart.dataset;
    if (last.timer || (last.src === src && last.revision === revision)) return;
    const wait = last.src === src ? Math.max(0, last.at + REDRAW - performance.now()) : 0;
    drawn.set(chart, { ...last, timer: setTimeout(() => draw(chart), wait) });
  }

  const touch = matchMedia("(pointer: coarse)").matches; // there a drag scrolls the page
  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: touch ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  async function draw(chart) {
    const { src, revision } = chart.dataset;
    drawn.set(chart, { src, revision, at: performance.now() });
    const says = chart.querySelector(".chart-says");
    try {
      const answer = await fetch(src, { headers: { Accept: "application/json" } });
      const figure = await answer.json();
      if (!answer.ok) throw new Error(figure.detail);
      if (chart.dataset.src !== src || !chart.isConnected) return;
      // uirevision: zoom and hidden traces stay until the chart shows something else
      const layout = { ...figure.layout, autosize: true, uirevision: src, ...(touch && { dragmode: false }) };
      await Plotly.react(chart.querySelector(".plot"), figure.data, layout, config);
      says.hidden = true;
    } catch (error) {
      drawn.delete(chart); // so that the next refresh tries again
      says.hidden = false;
      says.textContent = `This chart can't be drawn right now: ${error.message}`;
    }
  }

  document.getElementById("plotly")?.addEventListener("load", drawAll);
  document.body.addEventListener("htmx:after:swap", drawAll);
  drawAll();

  // ---- dialogs, and rows that open
  document.addEventListener("click", (event) => {
    const asks = event.target.closest("[data-dialog]");
    if (asks) document.getElementById(asks.dataset.dialog).showModal();
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    const opens = event.target.closest("[aria-expanded]");
    if (opens) opens.setAttribute("aria-expanded", String(opens.getAttribute("aria-expanded") !== "true"));
  });
  document.addEventListener("submit", (event) => event.target.closest("dialog")?.close());
  document.body.addEventListener("htmx:config:request", (event) => {
    if (event.detail.ctx.request.method === "POST") document.getElementById("notice").replaceChildren();
  });
}
