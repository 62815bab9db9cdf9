// Asks a trained network about a row of a table.
import { ask } from "./prediction_answer.js";

const form = document.getElementById("row-form");

/** What a field says: a number or a text, null where it is empty. */
function valueOf({ value, dataset }) {
  if (value === "") return null;
  return dataset.kind === "number" ? Number(value) : value;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(Object.fromEntries([...form.elements].filter(({ name }) => name).map((field) => [field.name, valueOf(field)])));
});
