// Sends each form once: the second click of a double click does nothing. Keeps the last one for the page of a refusal.

const PAUSE_MS = 10000; // Somebody who has stopped the load can send the form again after this time.
const KEY = "sent";
const sent = new Map();

// The last form of this tab, if the server has refused it: the address `to` that it was sent to, and its `fields` without the token.
export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // The browser permits no storage.
  }
}

function store(form) {
  try {
    if (form === null) sessionStorage.removeItem(KEY); else sessionStorage.setItem(KEY, JSON.stringify(form));
  } catch { /* It is too large, or the browser permits no storage. */ }
}

function keep(form, button) {
  store(null);
  if (form.querySelector("[type=password]")) return;
  const fields = [...new FormData(form)].filter(([name]) => name !== "csrf_token");
  if (button?.name) fields.push([button.name, button.value]);
  // A field named `action` hides the form's property of that name.
  const to = new URL(form.getAttribute("action") ?? "", location.href).href;
  store({ to, fields });
}

document.addEventListener("submit", (event) => {
  const { target, defaultPrevented, submitter } = event;
  if (defaultPrevented || target.method !== "post") return;
  if (performance.now() - sent.get(target) < PAUSE_MS) event.preventDefault();
  else { sent.set(target, performance.now()); keep(target, submitter); }
});
addEventListener("pageshow", () => sent.clear());
if (!document.getElementById("again")) store(null);
