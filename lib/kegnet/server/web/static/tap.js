// Keeps the page of a tap up to date: after an event about this tap it loads the parts that change.
import { setLevel } from "./card.js";
import { fetchPage, follower } from "./follow.js";
import { moment, showAges } from "./format.js";

const MINUTE = 60000;

const page = document.querySelector("[data-tap-page]");

// Absolute times in the reader's clock and dates are in their titles; ages are counted here.
function titles(root) {
  for (const time of root.querySelectorAll("time[data-fixed]")) time.title = moment(Date.parse(time.dateTime));
}

// Whether the values of an event are about this tap.
export function isAbout(detail, id, client) {
  return detail.reload || id in (detail.taps ?? {}) || detail.changed?.length === 0 || detail.changed?.includes(client);
}

// What the chart of the level shows, and in which units. It cannot be replaced like other parts, so the page is reloaded if this differs.
const contents = (root) => root.querySelector("[data-contents]").dataset.contents;

async function load() {
  const address = new URL(location.href);
  address.searchParams.set("parts", "1");
  const fresh = await fetchPage(address);
  if (contents(fresh) !== contents(document)) {
    location.reload();
    return;
  }
  for (const part of page.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part=${part.dataset.part}]`);
    if (other && other.innerHTML !== part.innerHTML) replace(part, other);
  }
  showAges(page);
  titles(page);
  document.dispatchEvent(new CustomEvent("kegnet:tap"));
}

// Replaces the contents. Open details stay open, the keyboard focus stays, and the beer moves to its new level.
function replace(part, other) {
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  other.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? details.open; });
  const level = other.querySelector("[data-level]")?.dataset.level;
  const glass = part.querySelector(".glass");
  if (glass && level) other.querySelector(".glass").replaceWith(glass);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const address = focused?.getAttribute("href");
  const summary = [...part.querySelectorAll("summary")].indexOf(focused);
  part.replaceChildren(...other.childNodes);
  if (other.dataset.state) part.dataset.state = other.dataset.state;
  if (glass && level) setLevel(glass, Number(level));
  if (focused !== null) {
    const same = address ? part.querySelector(`[href="${CSS.escape(address)}"]`) : part.querySelectorAll("summary")[summary];
    same?.focus({ preventScroll: true });
  }
}

if (page) {
  const look = follower(load);
  document.addEventListener("kegnet:change", ({ detail }) => {
    if (isAbout(detail, page.dataset.tapPage, page.dataset.client)) look();
  });
}
showAges();
titles(document);
setInterval(showAges, MINUTE / 2);
