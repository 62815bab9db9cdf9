// The answer of a trained network: its classes with bars, or its number, or why there is none.
const page = document.getElementById("prediction");
const problem = document.getElementById("prediction-problem");
const answer = document.getElementById("answer");
let turn = 0;

/** Shows a sentence in place of an answer, and no picture where what was chosen is none. */
export function refuse(sentence) {
  const seen = document.getElementById("seen");
  if (seen) seen.hidden = true;
  fail(sentence);
}

/** Shows a sentence in place of an answer. */
function fail(sentence) {
  turn++;
  problem.textContent = sentence;
  answer.replaceChildren();
}

/** Asks the network about a row, and shows what it says; an answer that comes after a later question is dropped. */
export async function ask(row) {
  const mine = ++turn;
  problem.textContent = "";
  try {
    const response = await fetch(page.dataset.address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ rows: [row] }),
    });
    const result = await response.json();
    if (mine !== turn) return;
    if (response.status === 409 && result.detail.includes("was not kept")) offerTraining();
    else if (!response.ok) fail([result.detail, ...(result.errors ?? []).map(({ loc, msg }) => `${loc.at(-1)} ${msg}.`)].join(" "));
    else if (result.classes.length) show(result.classes, result.predictions[0].probabilities);
    else showNumber(result.predictions[0].number, result.unit, result.quantity);
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

function showNumber(number, unit, quantity) {
  const value = Object.assign(document.createElement("strong"), { className: "figure-large", textContent: `${Number(number.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 })} ${unit}` });
  const meaning = Object.assign(document.createElement("small"), { className: "muted", textContent: ` ${quantity}` });
  answer.replaceChildren(value, meaning);
}
