// Charts on paper: as wide as the sheet while the page prints, then as wide as their places again.
const SHEET = 680; // pixels between the margins of A4, the narrower one of the usual sheets

const resize = (size) => {
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, size);
};

addEventListener("beforeprint", () => resize({ width: SHEET, autosize: false }));
addEventListener("afterprint", () => resize({ width: null, autosize: true }));
