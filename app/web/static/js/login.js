// An address that ends with #key=… logs in by itself: what is behind # is never sent to a server, nor logged by one.
function logInByAddress() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return;
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login");
  if (!form) return; // no key is needed
  form.elements.namedItem("key").value = key;
  form.requestSubmit();
}
addEventListener("hashchange", logInByAddress);
logInByAddress();
