// Notes of a sweep or a trial: an editor begins with what is stored, closes when that is saved, and has the focus when it opens.
document.addEventListener("submit", (event) => {
  const editor = event.target.closest?.("[data-editor]");
  if (editor) editor.open = false;
});
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches?.("[data-editor]") || !target.open) return;
  const field = target.querySelector("textarea");
  field.value = field.defaultValue; // somebody else may have changed it since this one was typed
  field.focus();
}, true);
