// Sends each form once: the second click of a double click does nothing.

const PAUSE_MS = 10000; // Somebody who has stopped the load can send the form again after this time.
const sent = new Map();

document.addEventListener("submit", (event) => {
  const { target, defaultPrevented } = event;
  if (defaultPrevented || target.method !== "post") return;
  if (performance.now() - sent.get(target) < PAUSE_MS) event.preventDefault();
  else sent.set(target, performance.now());
});
addEventListener("pageshow", () => sent.clear());
