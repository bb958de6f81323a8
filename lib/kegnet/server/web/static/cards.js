// Keeps the cards of taps and the badges of temperatures up to date.
//
// An event contains changed values: only their texts and levels are replaced. If cards or names can have changed, the parts with
// [data-cards] are loaded again from the path in this attribute (below the root), and only the differences are replaced.
// A part of the answer is found by its [data-part]. Choices and settings that have changed are taken over from the answer, too.
// The beginnings and ends of alarms are announced to screen readers.

import { setText, showTap } from "./card.js";
import { showAges, takeSettings, temperature } from "./format.js";
import { reportFailure } from "./live.js";
import { checked } from "./refused.js";

const AGES_MS = 10000;
const REFRESH_MS = 30 * 60000; // For values that change with time alone: lines of the last day, "until tonight".
const FETCH_LIMIT_MS = 10000;
const SOON_MS = 300;
const MANY_MS = 5000;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 60000;

const root = document.documentElement.dataset.root || "";
const parts = document.querySelectorAll("[data-cards][data-part]");
const announcer = addAnnouncer();
let timer = 0;
let loading = false;
let again = false;
let retryMs = FIRST_RETRY_MS;
let loadedMs = 0;
let meanwhile = []; // The events that came while the parts were being loaded.
const measured = new Set(); // The clients that have sent a temperature, by UUID.
const alarmed = new Map(); // The alarms of clients in their last events.

document.addEventListener("kegnet:change", ({ detail }) => {
  if (detail.reload) {
    alarmed.clear(); // Events can have been missed.
    loadLater(detail.many);
    return;
  }
  if (loading) meanwhile.push(detail);
  show(detail);
});

function show({ clients, taps }) {
  for (const [id, values] of Object.entries(taps)) {
    for (const card of elements("tap", id)) {
      const before = alarmsOf(card);
      showTap(card, values);
      reportAlarms(nameOf(card), before, alarmsOf(card));
    }
  }
  for (const [id, values] of Object.entries(clients)) {
    const badges = elements("temp", id);
    for (const badge of badges) showTemperature(badge, values);
    const { isFirst, hasOtherAlarms } = compared(id, values);
    if (badges.length === 0 && (isFirst || hasOtherAlarms)) loadLater(!hasOtherAlarms);
  }
}

// What is new since the last event about a client: its first temperature, other alarms. On the wall, many clients have no badge, so their
// other events must not load the parts.
function compared(id, { millicelsius, alarms }) {
  const isFirst = millicelsius !== null && !measured.has(id);
  if (isFirst) measured.add(id);
  const hasOtherAlarms = alarms.join() !== (alarmed.get(id) ?? "");
  alarmed.set(id, alarms.join());
  return { isFirst, hasOtherAlarms };
}

const elements = (kind, id) => document.querySelectorAll(`[data-${kind}="${id}"]`);

function showTemperature(badge, { millicelsius, alarms }) {
  const before = alarmsOf(badge);
  if (millicelsius !== null) setText(badge, "temp", temperature(millicelsius));
  setText(badge, "alarms", alarms.join(", "));
  badge.classList.toggle("alarmed", alarms.length > 0);
  reportAlarms(nameOf(badge), before, alarmsOf(badge));
}

// Changes of alarms, announced once and politely.

function alarmsOf(element) {
  const alarms = element.querySelector("[data-value=alarms]");
  return alarms === null ? [] : alarms.textContent.split(", ").filter((alarm) => alarm !== "");
}

function nameOf(element) {
  const headline = element.querySelector(".beer, [data-value=name]");
  return (element.dataset.name || (headline === null ? "" : headline.textContent)).trim();
}

// Also loads the parts again, because cards with an alarm are first.
function reportAlarms(name, before, after) {
  if (announce(name, before, after)) loadLater(false);
}

// Whether there was something to announce.
function announce(name, before, after) {
  const news = [
    ...after.filter((alarm) => !before.includes(alarm)).map((alarm) => `${name}: ${alarm}`),
    ...before.filter((alarm) => !after.includes(alarm)).map((alarm) => `${name}: ${alarm} is over`),
  ];
  if (news.length > 0) announcer.textContent = news.join(". ");
  return news.length > 0;
}

function addAnnouncer() {
  const element = document.createElement("p");
  element.className = "unseen";
  element.setAttribute("role", "status");
  document.body.append(element);
  return element;
}

// Loading again. A short random delay spreads the requests of all open pages. The server shares the work of concurrent requests.

function loadLater(many) {
  if (parts.length === 0) return;
  const soonest = many ? Math.min(MANY_MS, Math.max(0, loadedMs + MANY_MS - Date.now())) : 0; // The clock can be set back.
  clearTimeout(timer);
  timer = setTimeout(load, soonest + SOON_MS * Math.random());
}

async function load() {
  if (document.hidden) return; // Everything is loaded when it is visible again.
  if (loading) { again = true; return; }
  loading = true;
  again = false;
  loadedMs = Date.now();
  meanwhile = [];
  const limit = new AbortController();
  const late = setTimeout(() => limit.abort(), FETCH_LIMIT_MS);
  try {
    const address = `${root}${parts[0].dataset.cards}${location.search}`;
    const answer = checked(await fetch(address, { cache: "no-store", signal: limit.signal }));
    exchangeAll(new DOMParser().parseFromString(await answer.text(), "text/html"));
    meanwhile.forEach(show); // The answer can be older than these.
    retryMs = FIRST_RETRY_MS;
    reportFailure(false, load);
  } catch (error) {
    reportFailure(true, load);
    timer = setTimeout(load, retryMs * (0.5 + Math.random() / 2));
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  }
  clearTimeout(late);
  loading = false;
  if (again) load();
}

function exchangeAll(page) {
  if (page.documentElement.dataset.zone === undefined) throw new Error("this is not a page of the server"); // Of a captive portal.
  takeSettings(page);
  showTitle(page.title);
  showAges(page);
  for (const part of parts) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (fresh !== null) exchange(part, fresh);
  }
  document.dispatchEvent(new CustomEvent("kegnet:loaded", { detail: page }));
}

function showTitle(title) {
  document.title = title;
  const brand = document.querySelector(".brand a");
  if (brand !== null && brand.textContent !== title) brand.textContent = title;
}

// Replaces the cards and badges that differ; all of them if their number or order changed. A part without any is replaced if it differs.
function exchange(part, fresh) {
  const known = new Map(keyed(part).map((element) => [keyOf(element), alarmsOf(element)]));
  const focused = part.contains(document.activeElement) ? keyOf(document.activeElement.closest(KEYED)) : "";
  if (keys(fresh) === keys(part) && keys(part) !== "") {
    const now = keyed(part);
    keyed(fresh).forEach((element, number) => { if (looks(element) !== looks(now[number])) now[number].replaceWith(element); });
  } else if (fresh.innerHTML !== part.innerHTML) {
    part.textContent = "";
    part.append(...fresh.childNodes);
  }
  for (const element of keyed(part)) {
    const key = keyOf(element);
    announce(nameOf(element), known.get(key) ?? [], alarmsOf(element));
    if (focused !== "" && key === focused && !element.contains(document.activeElement)) focus(element);
  }
}

// Times in events are in UTC, those in pages in the time zone of the installation. Both are shown in the same way.
const looks = (element) => element.outerHTML.replace(/ datetime="[^"]*"/g, "");

const KEYED = "[data-tap], [data-temp]";
const keyed = (root) => [...root.querySelectorAll(KEYED)];
const keyOf = (element) => element === null ? "" : element.dataset.tap || element.dataset.temp;
const keys = (root) => keyed(root).map(keyOf).join();

function focus(element) {
  const link = element.matches("a") ? element : element.querySelector("a");
  if (link !== null) link.focus({ preventScroll: true });
}

showAges();
setInterval(() => { if (!document.hidden) showAges(); }, AGES_MS);
setInterval(() => { if (!document.hidden) loadLater(true); }, REFRESH_MS * (0.8 + 0.4 * Math.random()));
