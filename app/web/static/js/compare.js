// Sweeps side by side: a link goes on from what the links before it asked for, also where their answers have not come yet.

const leftOut = new Set(); // numbers of sweeps
let rows; // "all" or "differing", once a link has asked for them

document.addEventListener("click", (event) => {
  const link = event.target.closest("#live a[href^='/compare?']");
  if (!link) return;
  const query = new URL(link.href).searchParams;
  const { leaveOut } = link.dataset;
  const ids = query.get("sweeps").split(",").filter((id) => !leftOut.has(id) && id !== leaveOut);
  if (ids.length < 2) { // nothing would be left to compare with
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if (leaveOut) leftOut.add(leaveOut);
  rows = link.dataset.rows ?? rows;
  const showsAll = rows ? rows === "all" : query.has("all");
  link.setAttribute("href", `/compare?sweeps=${ids}${showsAll ? "&all=true" : ""}`);
}, true);
