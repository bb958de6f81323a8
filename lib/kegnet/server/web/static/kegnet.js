// Keeps the page up to date: loads what changed after an event of the server, and computes "2 minutes ago" from the times in the page.
"use strict";

const FETCH_LIMIT_MS = 10000;
const LOOK_EVERY_MS = 60000;
const AGO_EVERY_MS = 10000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60000;

const kegs = document.getElementById("kegs");
const stale = document.getElementById("stale");
// The server's clock minus the reader's, from the Date of its responses: a tablet's clock can be wrong.
let clockOffsetMs = 0;
let looking = false;
let again = false;
let events = null;
let retry = 0;
let retryMs = FIRST_RETRY_MS;

// The same words as model/units.py.
function ago(ms) {
  if (ms < 60000) return "just now";
  const [minutes, hours, days] = [60000, 3600000, 86400000].map((size) => Math.round(ms / size));
  const [number, name] = minutes < 60 ? [minutes, "minute"] : hours < 24 ? [hours, "hour"] : [days, "day"];
  return `${number} ${name}${number === 1 ? "" : "s"} ago`;
}

function showAges(root) {
  for (const time of root.querySelectorAll("time")) {
    const text = ago(Date.now() + clockOffsetMs - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// Where the clients are the same, only what has changed is exchanged: no picture flickers, nothing that is open closes, and a screen
// reader does not read the same alarm again.
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
  if (looking) { again = true; return; }
  looking = true;
  try {
    const answer = await fetch("kegs" + location.search, { cache: "no-store", signal: AbortSignal.timeout(FETCH_LIMIT_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const text = await answer.text();
    const date = Date.parse(answer.headers.get("date"));
    // The header has whole seconds, so a small difference is none.
    clockOffsetMs = Math.abs(date - Date.now()) > 5000 ? date - Date.now() : 0;
    const fresh = new DOMParser().parseFromString(text, "text/html").body;
    showAges(fresh);
    showAges(kegs);
    show(fresh);
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  looking = false;
  if (again) { again = false; look(); }
}

// An event names the clients that changed; none means all.
function concerns(event) {
  const { changed } = JSON.parse(event.data);
  return changed.length === 0 || changed.some((id) => document.getElementById("client-" + id) !== null) || !kegs.querySelector("section.client");
}

function listen() {
  clearTimeout(retry);
  if (events !== null || document.hidden) return;
  events = new EventSource("events");
  events.onopen = () => { retryMs = FIRST_RETRY_MS; look(); };
  events.onmessage = (event) => { if (concerns(event)) look(); };
  // By itself a browser reopens only some streams, and never one that began with an error, such as 503.
  events.onerror = () => {
    close();
    look();
    retry = setTimeout(listen, retryMs * (0.5 + Math.random() / 2));
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  };
}

// A hidden page needs no stream, and a browser has only six connections to a server.
function close() {
  clearTimeout(retry);
  if (events !== null) events.close();
  events = null;
}

setInterval(() => { if (!document.hidden) look(); }, LOOK_EVERY_MS);
setInterval(() => showAges(kegs), AGO_EVERY_MS);
addEventListener("pagehide", close);
addEventListener("pageshow", listen);
document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else listen(); });
listen();
