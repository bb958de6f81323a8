// Reads the server's event stream and dispatches events of the document:
//   kegnet:change  detail: what changed (web/updates.py). { reload: true } also after a pause in which events can have been missed.
//   kegnet:hello   detail: { now_ms, version } of the server, each time the stream is opened.
//   kegnet:stale   nothing was received for 15 seconds, although the server sends something every 5. kegnet:fresh: that has ended.
//
// Only visible pages read. With locks (on HTTPS and localhost), the pages of one browser share a stream: the page with the lock reads it,
// and forwards everything to the others. When that page is closed or hidden, another one gets the lock.

import { now, setServerTime, span } from "./format.js";
import { checked } from "./refused.js";

export { now };

const STALE_MS = 15000;
const AFTER_SHOWN_MS = 3000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60000;
const TICK_MS = 1000;
const FOLLOWS_AFTER_MS = 500;

// The address of the wall can contain a token that allows it to read.
const token = new URLSearchParams(location.search).get("token");
const url = `${document.documentElement.dataset.root || ""}/events${token === null ? "" : `?token=${encodeURIComponent(token)}`}`;
const name = `kegnet ${url}`;
const shares = Boolean(navigator.locks && window.BroadcastChannel);

let channel = null;
let source = null;
let stop = null;
let retry = 0;
let retryMs = FIRST_RETRY_MS;
let heardMs = Date.now();
let triedMs = Date.now();
let shownMs = Date.now();
const failing = new Set();
let stale = false;

// While this page is visible.

function start() {
  if (stop !== null || document.hidden) return;
  shownMs = Date.now();
  const ticks = setInterval(tick, TICK_MS);
  const leave = shares ? share() : alone();
  stop = () => { clearInterval(ticks); leave(); close(); };
}

function end() {
  if (stop !== null) stop();
  stop = null;
}

function alone() {
  open();
  return () => {};
}

function share() {
  const waiting = new AbortController();
  let release = () => {};
  channel = new BroadcastChannel(name);
  channel.onmessage = ({ data }) => receive(data.type, data.detail);
  navigator.locks.request(name, { signal: waiting.signal }, () => new Promise((resolve) => { release = resolve; open(); }))
    .catch((error) => { if (error.name !== "AbortError") open(); });
  // Another page reads. This one has missed earlier events.
  const catchUp = setTimeout(() => { if (source === null) dispatch("change", { reload: true }); }, FOLLOWS_AFTER_MS);
  return () => { clearTimeout(catchUp); waiting.abort(); release(); channel.close(); channel = null; };
}

// The stream.

function open() {
  clearTimeout(retry);
  triedMs = Date.now();
  source = new EventSource(url);
  source.addEventListener("hello", pass("hello"));
  source.addEventListener("heartbeat", pass("heartbeat"));
  source.onmessage = pass("change");
  // A browser reopens only some streams automatically, and none that began with an error such as 503.
  source.onerror = () => { openLater(); checkStream(); };
}

// An EventSource does not report the status of an error.
function checkStream() {
  fetch(url, { method: "HEAD", cache: "no-store" }).then(checked).catch(() => {});
}

function close() {
  clearTimeout(retry);
  if (source !== null) source.close();
  source = null;
}

function openLater() {
  close();
  retry = setTimeout(open, retryMs * (0.5 + Math.random() / 2));
  retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
}

function pass(type) {
  return ({ data }) => {
    const detail = JSON.parse(data);
    if (channel !== null) channel.postMessage({ type, detail });
    receive(type, detail);
  };
}

function receive(type, detail) {
  heardMs = Date.now();
  retryMs = FIRST_RETRY_MS;
  if (type !== "change") setServerTime(detail.now_ms);
  if (type === "hello") dispatch("hello", detail);
  if (type !== "heartbeat") dispatch("change", type === "hello" ? { reload: true } : detail);
  tick();
}

function dispatch(type, detail) {
  document.dispatchEvent(new CustomEvent(`kegnet:${type}`, { detail }));
}

// The age of the values on the page.

// For a page: reports that `load` cannot load changes (true), or that it can again.
export function reportFailure(fails, load) {
  if (fails) failing.add(load); else failing.delete(load);
  tick();
}

function tick() {
  const at = Date.now();
  // The clock can have been set back.
  heardMs = Math.min(heardMs, at);
  triedMs = Math.min(triedMs, at);
  shownMs = Math.min(shownMs, at);
  const silent = at - heardMs > STALE_MS && at - shownMs > AFTER_SHOWN_MS;
  // A connection can be dead without an error, for example after the computer slept.
  if (source !== null && at - Math.max(heardMs, triedMs) > STALE_MS) openLater();
  if ((silent || failing.size > 0) !== stale) {
    stale = !stale;
    dispatch(stale ? "stale" : "fresh", { age_ms: at - heardMs });
  }
  showAge(at - heardMs);
}

function showAge(ageMs) {
  const element = document.getElementById("stale") || (stale ? addNotice() : null);
  if (element === null) return;
  if (element.hidden === stale) element.hidden = !stale;
  if (!stale) return;
  if (element.firstElementChild === null) {
    element.textContent = "The server does not answer. ";
    const age = document.createElement("span");
    age.setAttribute("aria-hidden", "true"); // Screen readers must not announce it every second.
    element.append(age);
  }
  const text = `These values are ${ageMs < 60000 ? `${Math.max(5, 5 * Math.floor(ageMs / 5000))} seconds` : span(ageMs)} old.`;
  const age = element.firstElementChild;
  if (age.textContent !== text) age.textContent = text;
}

function addNotice() {
  const element = document.createElement("p");
  element.id = "stale";
  element.className = "notice";
  element.setAttribute("role", "status");
  document.body.append(element);
  return element;
}

document.addEventListener("visibilitychange", () => { if (document.hidden) end(); else start(); });
addEventListener("pagehide", end);
addEventListener("pageshow", start);
addEventListener("online", () => { if (stop !== null && source === null && !shares) open(); });
start();
