// Keeps the page up to date: replaces each [data-live] element by the present one from the page at its URL.
// One with `data-version` is replaced only if its version differs, and not while it contains typed text.
import { fetchPage } from "./follow.js";
import { reportFailure } from "./live.js";

const EVERY = 2000;
let busy = false;

async function look() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    take(await fetchPage(document.querySelector("[data-live]").dataset.live));
    reportFailure(false, look);
  } catch {
    reportFailure(true, look); // The next try is soon.
  } finally {
    busy = false;
  }
}

function take(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (!now || isSame(old, now) || isInUse(old, fresh)) continue;
    const opened = [...old.querySelectorAll("details")].map((each) => each.open);
    now.querySelectorAll("details").forEach((each, index) => { each.open = opened[index] ?? false; });
    announce(old, now);
    old.replaceWith(document.adoptNode(now));
  }
}

// Announces only new texts to screen readers.
function announce(old, now) {
  const known = new Set([...old.querySelectorAll("[data-news]")].map((each) => each.textContent));
  const news = [...now.querySelectorAll("[data-news]")].map((each) => each.textContent).filter((text) => !known.has(text));
  const place = document.getElementById("news");
  if (news.length && place) place.textContent = news.join(" ");
}

function isSame(old, now) {
  if (old.dataset.version !== undefined) return old.dataset.version === now.dataset.version;
  return old.textContent === now.textContent;
}

function isInUse(element, fresh) {
  const fields = [...element.querySelectorAll("input:not([type=hidden]), textarea")];
  if (fields.some((field) => isTyped(field, fresh.getElementById(field.id)))) return true;
  return element.contains(document.activeElement) && document.activeElement.matches("input, textarea, a, summary, button");
}

// After an error, the page contains typed text from the start. The page that is loaded now does not.
const isTyped = (field, other) => field.value !== (other ?? field).defaultValue;

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
