// Keeps the page as the server has it: whenever it says that something is new, and each minute, for "2 minutes ago" grows old.
"use strict";

const kegs = document.getElementById("kegs");
const stale = document.getElementById("stale");
let asking = false;
let again = false;

// Where the clients are the same, only what has changed is exchanged, so that no picture flickers and nothing that is open closes.
function show(fresh) {
  const ids = (root) => [...root.querySelectorAll("section.client h1")].map((head) => head.id).join();
  if (ids(fresh) !== ids(kegs)) { kegs.replaceChildren(...fresh.childNodes); return; }
  const pairs = (selector) => {
    const now = kegs.querySelectorAll(selector);
    return [...fresh.querySelectorAll(selector)].map((there, number) => [now[number], there]);
  };
  for (const [now, there] of pairs(".live")) if (now.innerHTML !== there.innerHTML) now.replaceChildren(...there.childNodes);
  for (const [now, there] of pairs("img")) if (now.getAttribute("src") !== there.getAttribute("src")) now.src = there.getAttribute("src");
}

async function look() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    const answer = await fetch("kegs" + location.search, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    show(new DOMParser().parseFromString(await answer.text(), "text/html").body);
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  asking = false;
  if (again) { again = false; look(); }
}

const events = new EventSource("events");
events.onmessage = look;
setInterval(look, 60000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
