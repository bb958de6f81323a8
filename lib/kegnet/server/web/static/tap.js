// Keeps the page of a tap as it is on the server: after an event about this tap it loads the parts that changed.
import { setLevel } from "./card.js";
import { moment, showAges } from "./format.js";
import "./live.js";

const MINUTE = 60000;
// One reload in this time, however much is poured.
const PACE = 1500;
// After an event all readers ask: not in the same moment.
const SPREAD = 300;

const page = document.querySelector("[data-tap-page]");
let again = false, busy = false;

// Absolute times in the reader's clock and dates are in their titles; ages are counted here.
function titles(root) {
  for (const time of root.querySelectorAll("time[data-fixed]")) time.title = moment(Date.parse(time.dateTime));
}

// Whether the values of an event are about this tap.
export function isAbout(detail, id, client) {
  return detail.reload || id in (detail.taps ?? {}) || detail.changed?.length === 0 || detail.changed?.includes(client);
}

async function load() {
  const address = new URL(location.href);
  address.searchParams.set("parts", "1");
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of page.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part=${part.dataset.part}]`);
    if (other && other.innerHTML !== part.innerHTML) replace(part, other);
  }
  showAges(page);
  titles(page);
  document.dispatchEvent(new CustomEvent("kegnet:tap"));
}

// The new contents; what was open stays open, and the beer moves from its level to the new one.
function replace(part, other) {
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  other.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? details.open; });
  const level = other.querySelector("[data-level]")?.dataset.level;
  const glass = part.querySelector(".glass");
  if (glass && level) other.querySelector(".glass").replaceWith(glass);
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  part.replaceChildren(...other.childNodes);
  if (other.dataset.state) part.dataset.state = other.dataset.state;
  if (glass && level) setLevel(glass, Number(level));
  if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
}

async function look() {
  again = true;
  if (busy) return;
  busy = true;
  while (again) {
    again = false;
    await pause(Math.random() * SPREAD);
    await load().catch(() => {}); // The next event tries again.
    await pause(PACE);
  }
  busy = false;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

if (page) {
  document.addEventListener("kegnet:change", ({ detail }) => {
    if (isAbout(detail, page.dataset.tapPage, page.dataset.client)) look();
  });
}
showAges();
titles(document);
setInterval(showAges, MINUTE / 2);
