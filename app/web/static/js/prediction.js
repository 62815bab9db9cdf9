// Asks a trained network about a picture, or a row of numbers, and shows what it sees and how sure it is.
import { takeDropped } from "./drop_zone.js";
import { greyOf, squareOf } from "./picture.js";

const page = document.getElementById("prediction");
const side = Number(page.dataset.side);
const [invert, row] = ["invert", "row"].map((id) => document.getElementById(id));
const problem = document.getElementById("prediction-problem");
const answer = document.getElementById("answer");
const MAX_PIXELS = 40e6;
let image = null; // the picture that was chosen last, as ImageData
let turn = 0;

function fail(sentence) {
  turn++;
  problem.textContent = sentence;
  answer.replaceChildren();
}

/** Draws the numbers in [0, 1] that the network gets, and asks it. */
async function ask(numbers) {
  const mine = ++turn;
  problem.textContent = "";
  const shown = new ImageData(side, side);
  numbers.forEach((value, index) => shown.data.set([value * 255, value * 255, value * 255, 255], 4 * index));
  document.getElementById("seen").getContext("2d").putImageData(shown, 0, 0);
  try {
    const response = await fetch(page.dataset.address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ rows: [numbers] }),
    });
    const result = await response.json();
    if (mine !== turn) return;
    if (response.status === 409 && result.detail.includes("was not kept")) offerTraining();
    else if (!response.ok) fail(result.detail);
    else show(result.classes, result.predictions[0].probabilities);
  } catch {
    if (mine === turn) fail("The server can't be reached.");
  }
}

/** A trial whose weights were not kept is trained again for them, if somebody wants that. */
function offerTraining() {
  fail("The network of this trial was not kept. ");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: "Train it again for its network" });
  button.addEventListener("click", async () => {
    const response = await fetch(page.dataset.address.replace(/predict$/, "model"), { method: "POST" });
    fail(response.ok ? "It is being trained again: ask in a while." : (await response.json()).detail);
  });
  answer.replaceChildren(button);
}

function show(classes, probabilities) {
  const order = classes.map((_, index) => index).sort((a, b) => probabilities[b] - probabilities[a]);
  const list = document.createElement("ol");
  list.className = "answer-bars";
  order.forEach((index, place) => {
    const item = document.createElement("li");
    const [name, number] = [document.createElement("span"), document.createElement("span")];
    const bar = Object.assign(document.createElement("progress"), { max: 1, value: probabilities[index], ariaLabel: classes[index] });
    name.textContent = classes[index];
    number.textContent = probabilities[index].toFixed(3);
    if (!place) name.className = number.className = "most";
    item.append(name, bar, number);
    list.append(item);
  });
  answer.replaceChildren(list);
}

function askAboutImage() {
  if (!image) return;
  const grey = greyOf(image, invert.checked ? 255 : 0);
  const bytes = squareOf(grey, image.width, image.height, side);
  ask(Array.from(bytes, (value) => (invert.checked ? 255 - value : value) / 255));
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
  try {
    const bitmap = await createImageBitmap(file);
    if (bitmap.width * bitmap.height > MAX_PIXELS) return fail(`The picture may have at most ${MAX_PIXELS / 1e6} million pixels.`);
    image = pixelsOf(bitmap);
  } catch {
    return fail(`${file.name} is no picture that this browser can read: PNG, JPEG, GIF, BMP and WebP will do.`);
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
  const texts = row.value.split(/[\s,;]+/).filter(Boolean);
  if (!texts.length) return;
  const numbers = texts.map(Number);
  const wrong = texts.find((_, index) => !Number.isFinite(numbers[index]));
  if (wrong !== undefined) return fail(`${wrong} is no number.`);
  if (numbers.length !== side * side) return fail(`These are ${numbers.length} numbers, and the network takes ${side * side}.`);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const scale = Number(page.dataset.scale);
  if (least < 0 || most > scale) return fail(`The numbers go from 0 to 1, or from 0 to ${scale}.`);
  image = null;
  ask(most > 1 ? numbers.map((number) => number / scale) : numbers);
}

takeDropped(page.querySelector(".drop-zone"), take);
invert.addEventListener("change", askAboutImage);
row.addEventListener("input", takeRow);

document.getElementById("any-example").addEventListener("click", async () => {
  const sheet = await createImageBitmap(await (await fetch(page.dataset.sheet)).blob());
  const [column, line] = [10, Number(page.dataset.classes)].map((count) => Math.floor(Math.random() * count));
  image = pixelsOf(sheet, column * side, line * side, side, side);
  invert.checked = false;
  row.value = "";
  askAboutImage();
});
