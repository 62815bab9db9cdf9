// Notes: the editor closes when they are saved, and has the focus when it opens.
const editorOf = (event) => (event.target.id === "edit-notes" ? event.target : event.target.closest("#edit-notes"));

document.addEventListener("submit", (event) => {
  const editor = editorOf(event);
  if (editor) editor.open = false;
});
document.addEventListener("toggle", (event) => {
  const editor = editorOf(event);
  if (editor?.open) editor.querySelector("textarea").focus();
}, true);
