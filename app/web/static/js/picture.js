// A picture as a grey square, as `perceptune predict` makes it: upright, on black, in Pillow's grey, and resized by
// Pillow's Lanczos filter, which looks at every pixel of a picture that becomes smaller.

const SUPPORT = 3; // of the filter, in pixels of the result

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const lanczos = (x) => (Math.abs(x) < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0);

/** The weights with which pixels of a line make each pixel of a line of another size. */
function weights(from, to) {
  const scale = from / to, stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - SUPPORT * stretch + 0.5));
    const end = Math.min(from, Math.floor(center + SUPPORT * stretch + 0.5));
    const raw = Array.from({ length: end - first }, (_, index) => lanczos((first + index - center + 0.5) / stretch));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, values: raw.map((weight) => weight / sum) };
  });
}

const byte = (value) => Math.min(255, Math.max(0, Math.floor(value + 0.5)));

/** Bytes [height · width] resized along their rows to [height · to]. */
function resizeRows(bytes, width, height, to) {
  const result = new Uint8Array(height * to);
  const plan = weights(width, to);
  for (let y = 0; y < height; y++) {
    plan.forEach(({ first, values }, x) => {
      let sum = 0;
      for (let index = 0; index < values.length; index++) sum += values[index] * bytes[y * width + first + index];
      result[y * to + x] = byte(sum);
    });
  }
  return result;
}

function transposed(bytes, width, height) {
  const result = new Uint8Array(bytes.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) result[x * height + y] = bytes[y * width + x];
  return result;
}

/** The grey bytes of a picture on a background, row by row. */
export function greyOf({ data, width, height }, background = 0) {
  const grey = new Uint8Array(width * height);
  for (let index = 0; index < grey.length; index++) {
    const alpha = data[4 * index + 3] / 255;
    const [red, green, blue] = [0, 1, 2].map((part) => Math.round(data[4 * index + part] * alpha + background * (1 - alpha)));
    grey[index] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return grey;
}

/** Grey bytes [height · width] as the bytes of a square with this side. */
export function squareOf(grey, width, height, side) {
  if (width === side && height === side) return grey;
  const rows = width === side ? grey : resizeRows(grey, width, height, side);
  const columns = transposed(rows, side, height);
  return transposed(height === side ? columns : resizeRows(columns, height, side, side), side, side);
}
