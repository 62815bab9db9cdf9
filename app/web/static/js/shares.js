// The dialog in which links to a sweep or a run are made and ended: the page of the links, shown in place.
async function show(place, address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  place.replaceChildren(page.getElementById("shares") ?? page.getElementById("problem"));
  place.querySelector(".share-link")?.select();
}

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("a[data-share]");
  if (!opener || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const dialog = document.getElementById("ask-share");
  await show(dialog.querySelector(".share-place"), opener.href);
  dialog.showModal();
});

// before all others: a form that is sent closes its dialog elsewhere
document.addEventListener("submit", (event) => {
  const place = event.target.closest(".share-box .share-place");
  if (!place) return;
  event.preventDefault();
  event.stopPropagation();
  const body = new URLSearchParams(new FormData(event.target));
  show(place, event.target.action, { method: "POST", body });
}, true);
