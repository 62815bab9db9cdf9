// A place to drop a file on, with a field in it to choose one.

/** Hands each file that is dropped on the zone, or chosen in its field, to `take`. */
export function takeDropped(zone, take) {
  const chooser = zone.querySelector("input");
  chooser.addEventListener("change", () => take(chooser.files[0]));
  for (const kind of ["dragenter", "dragover"]) {
    zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
  if (chooser.files[0]) take(chooser.files[0]); // chosen before this script was there, or kept by a reload
}
