// Charts on paper: as wide as the sheet while the page prints, then as wide as their places again.
const SHEET = { width: 680, height: 430 }; // pixels between the margins of A4, the narrower sheet; two charts fit on it

const resize = (size) => {
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, size);
};

addEventListener("beforeprint", () => resize({ ...SHEET, autosize: false }));
addEventListener("afterprint", () => resize({ width: null, height: null, autosize: true }));
