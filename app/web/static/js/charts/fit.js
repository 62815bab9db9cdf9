// Titles that are longer than their chart is wide, as on a phone, are set smaller.
const LEAST = 11; // pixels
const PAD = 28; // left and right of a title

const canvas = document.createElement("canvas").getContext("2d");

/** The layout, whose title takes no more room than a chart of this width has. */
export function fitted(layout, width) {
  const { title, font } = layout.template.layout;
  const text = new DOMParser().parseFromString(layout.title?.text ?? "", "text/html").body.textContent;
  canvas.font = `${title.font.size}px ${font.family}`;
  const size = Math.floor((title.font.size * (width - PAD)) / canvas.measureText(text).width);
  if (size >= title.font.size || !width) return layout;
  return { ...layout, title: { ...layout.title, font: { ...layout.title.font, size: Math.max(size, LEAST) } } };
}
