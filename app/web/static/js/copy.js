// Buttons that copy a text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.textContent;
  button.textContent = (await copied(button.dataset.copy)) ? "Copied" : "Press Ctrl-C";
  setTimeout(() => { button.textContent = label; }, 1500);
});

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // a page that came over plain http from another machine has no clipboard
    return copiedByHand(text);
  }
}

function copiedByHand(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
