// Shows what would become of a file of data, asks which column is the target and what it is, and stores it.
import { takeDropped } from "./drop_zone.js";

const panel = document.getElementById("dataset-upload");
const form = document.getElementById("dataset-form");
const fields = ["target", "task", "unit", "name", "test", "held-out", "split-by", "groups", "seed"];
const [target, task, unit, name, test, heldOut, splitBy, groups, seed] = fields.map((id) => document.getElementById(`dataset-${id}`));
const problem = document.getElementById("upload-problem");
const preview = document.getElementById("dataset-preview");
const store = document.getElementById("store-dataset");
const [bar, status] = panel.querySelectorAll(".upload-progress > *");
let file = null;
let turn = 0;
let request = null;

function fail(sentence) {
  problem.textContent = sentence;
  bar.parentElement.hidden = true;
  store.disabled = true;
}

/** Sends the file, telling how much of it is there, and gives back the answer; null where a later one has begun. */
function send(address, options) {
  const mine = ++turn;
  request?.abort();
  problem.textContent = "";
  bar.parentElement.hidden = false;
  return new Promise((resolve) => {
    const sent = request = new XMLHttpRequest();
    sent.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.value = loaded / total;
      status.textContent = loaded < total ? `${Math.floor((100 * loaded) / total)} % sent` : "being read";
    });
    sent.addEventListener("loadend", () => {
      if (mine !== turn) return resolve(null);
      bar.parentElement.hidden = true;
      resolve(sent);
    });
    sent.open("POST", `${address}?${new URLSearchParams(options)}`);
    sent.setRequestHeader("Accept", "application/json");
    sent.setRequestHeader("Content-Type", "application/octet-stream");
    sent.send(file);
  });
}

/** The sentence of a refusal, or null where the answer is none. */
function refusalOf({ status: code, responseText }) {
  if (code >= 200 && code < 300) return null;
  if (!code) return "The server can't be reached.";
  try {
    return JSON.parse(responseText).detail;
  } catch {
    return `The server answers ${code}.`;
  }
}

function options() {
  const chosen = { target: target.value, task: task.value, unit: task.value === "regression" ? unit.value : "" };
  const parts = { split_by: splitBy.value, groups: groups.value };
  const present = Object.entries({ ...chosen, ...parts }).filter(([, value]) => value);
  return { test_share: test.value / 100, held_out_share: heldOut.value / 100, seed: seed.value, ...Object.fromEntries(present) };
}

async function show() {
  if (!file || !form.reportValidity()) return;
  const answer = await send("/datasets/preview", options());
  if (!answer) return;
  const refusal = refusalOf(answer);
  if (refusal) return fail(refusal);
  preview.innerHTML = answer.responseText; // of our own server, escaped there
  const { names, target: chosen, task: kind } = document.getElementById("preview-answer").dataset;
  const empty = chosen ? [] : [new Option("Choose a column", "")];
  target.replaceChildren(...empty, ...JSON.parse(names).map((column) => new Option(column, column)));
  for (const field of [splitBy, groups]) {
    const { value } = field;
    field.replaceChildren(new Option("no column", ""), ...JSON.parse(names).map((column) => new Option(column, column)));
    field.value = value;
  }
  target.value = chosen;
  task.value = kind;
  task.disabled = !chosen;
  unit.parentElement.hidden = kind !== "regression";
  form.hidden = false;
  store.disabled = !chosen;
}

function take(chosen) {
  if (!chosen) return;
  form.hidden = true;
  file = chosen;
  target.replaceChildren();
  task.value = unit.value = "";
  for (const field of [splitBy, groups]) field.replaceChildren();
  for (const field of [test, heldOut, seed]) field.value = field.defaultValue;
  const stem = chosen.name.split(".")[0].toLowerCase().replace(/[^a-z0-9_-]+/g, "_").replace(/^[_-]+|[_-]+$/g, "");
  name.value = (/^[a-z]/.test(stem) ? stem : `data_${stem}`).slice(0, 60);
  if (chosen.size > Number(panel.dataset.maxBytes)) return fail(`${chosen.name} is larger than ${panel.dataset.maxBytes / 2 ** 20} MiB.`);
  show();
}

takeDropped(panel.querySelector(".drop-zone"), take);
target.addEventListener("change", () => {
  task.value = ""; // what another column is, is proposed anew
  show();
});
for (const field of [task, unit, test, heldOut, splitBy, groups, seed]) field.addEventListener("change", show);
// a field that is wrong can say so where it is in sight alone
form.addEventListener("invalid", ({ target: field }) => field.closest("details")?.setAttribute("open", ""), true);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await send("/api/v1/datasets", { ...options(), name: name.value, source: file.name });
  if (!answer) return;
  const refusal = refusalOf(answer);
  if (!refusal) location.assign(`/datasets/${name.value}`);
  else {
    fail(refusal);
    store.disabled = false; // another name may do
  }
});
