// Keeps the page up to date: replaces each [data-live] element by the present one from the page at its URL.
// One with `data-version` is replaced only if its version differs, and not during typing in it.

const EVERY = 2000;
let busy = false;

async function look() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const answer = await fetch(document.querySelector("[data-live]").dataset.live);
    if (answer.ok && !answer.redirected) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The server does not answer; the next try is soon.
  } finally {
    busy = false;
  }
}

function take(fresh) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (!now || isSame(old, now) || isInUse(old)) continue;
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

function isInUse(element) {
  const typed = [...element.querySelectorAll("input:not([type=hidden]), textarea")].some((each) => each.value !== each.defaultValue);
  return typed || (element.contains(document.activeElement) && document.activeElement.matches("input, textarea, a, summary, button"));
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
