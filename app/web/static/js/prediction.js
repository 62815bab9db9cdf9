// Asks a trained network about a picture, or a row of numbers, and shows what it sees and how sure it is.
import { takeDropped } from "./drop_zone.js";
import { greyOf, squareOf } from "./picture.js";
import { ask, refuse } from "./prediction_answer.js";

const page = document.getElementById("prediction");
const side = Number(page.dataset.side ?? 0); // 0 where the network takes no pictures
const features = Number(page.dataset.features);
const [invert, row] = ["invert", "row"].map((id) => document.getElementById(id));
const MAX_PIXELS = 40e6;
let image = null; // the picture that was chosen last, as ImageData
let turn = 0; // of what was chosen or typed: a picture that is read after a later one is dropped

/** Draws the numbers in [0, 1] that the network gets, and asks it. */
function askAbout(numbers) {
  const shown = new ImageData(side, side);
  numbers.forEach((value, index) => shown.data.set([value * 255, value * 255, value * 255, 255], 4 * index));
  const canvas = document.getElementById("seen");
  canvas.getContext("2d").putImageData(shown, 0, 0);
  canvas.hidden = false;
  ask(numbers);
}

function askAboutImage() {
  if (!image) return;
  const grey = greyOf(image, invert.checked ? 255 : 0);
  const bytes = squareOf(grey, image.width, image.height, side);
  askAbout(Array.from(bytes, (value) => (invert.checked ? 255 - value : value) / 255));
}

/** The pixels of a part of a picture, or of all of it. */
function pixelsOf(bitmap, x = 0, y = 0, width = bitmap.width, height = bitmap.height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

async function take(file) {
  if (!file) return;
  const mine = ++turn;
  image = null;
  try {
    const bitmap = await createImageBitmap(file);
    if (mine !== turn) return;
    if (bitmap.width * bitmap.height > MAX_PIXELS) return refuse(`The picture may have at most ${MAX_PIXELS / 1e6} million pixels.`);
    image = pixelsOf(bitmap);
  } catch {
    if (mine !== turn) return;
    return refuse(`${file.name} is no picture that this browser can read: PNG, JPEG, GIF, BMP and WebP will do.`);
  }
  invert.checked = hasLightEdge(image);
  row.value = "";
  askAboutImage();
}

/** Whether the picture's edge is light, as that of something dark on white paper. */
function hasLightEdge({ data, width, height }) {
  const grey = greyOf({ data, width, height }, 255);
  const edge = [...Array(width).keys()].flatMap((x) => [grey[x], grey[(height - 1) * width + x]]);
  return edge.reduce((sum, value) => sum + value, 0) / edge.length > 140;
}

function takeRow() {
  turn++;
  const texts = row.value.split(/[\s,;]+/).filter(Boolean);
  if (!texts.length) return;
  const numbers = texts.map(Number);
  const wrong = texts.find((_, index) => !Number.isFinite(numbers[index]));
  if (wrong !== undefined) return refuse(`${wrong} is no number.`);
  if (numbers.length !== features) return refuse(`These are ${numbers.length} numbers, and the network takes ${features}.`);
  if (!side) return ask(numbers);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const scale = Number(page.dataset.scale);
  if (least < 0 || most > scale) return refuse(`The numbers go from 0 to 1, or from 0 to ${scale}.`);
  image = null;
  askAbout(most > 1 ? numbers.map((number) => number / scale) : numbers);
}

row.addEventListener("input", takeRow);
if (side) takePictures();

function takePictures() {
  takeDropped(page.querySelector(".drop-zone"), take);
  invert.addEventListener("change", askAboutImage);
  document.getElementById("any-example").addEventListener("click", async () => {
    const mine = ++turn;
    const sheet = await createImageBitmap(await (await fetch(page.dataset.sheet)).blob());
    if (mine !== turn) return;
    const [column, line] = [10, Number(page.dataset.classes)].map((count) => Math.floor(Math.random() * count));
    const step = Number(page.dataset.step); // an image and the gap behind it
    image = pixelsOf(sheet, column * step, line * step, side, side);
    invert.checked = false;
    row.value = "";
    askAboutImage();
  });
}
