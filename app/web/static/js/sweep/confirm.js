// What confirming the best configurations with further seeds takes, while the numbers are typed.

function show() {
  const form = document.getElementById("do-confirm");
  if (!form) return;
  const seconds = JSON.parse(form.dataset.seconds);
  const count = Math.min(Number(form.elements.namedItem("k").value), seconds.length);
  const total = (seconds[count - 1] ?? NaN) * Number(form.elements.namedItem("seeds").value);
  form.querySelector("output").textContent = Number.isFinite(total) && total > 0 ? `≈ ${worded(total)}` : "";
}

function worded(seconds) {
  if (seconds < 1) return "1 s";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

document.addEventListener("input", (event) => event.target.closest("#do-confirm") && show());
document.body.addEventListener("htmx:after:swap", show);
show();
